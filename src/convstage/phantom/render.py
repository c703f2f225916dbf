"""From what lies on the rays to a picture: Beer and Lambert's law, scatter, counted quanta, a display curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from .anatomy import Pose
from .lungs import Lungs, Map

T = TypeVar("T", bound=np.generic)

#: Vessels and wires are drawn at this side, whatever the picture's.
DRAWN_SIDE = 512
#: A ray that is weakened less has passed the body by.
OPEN = 0.5


@dataclass(frozen=True)
class Exposure:
    """How a picture was taken and shown; of the same distribution for every class.

    Attributes
    ----------
    quanta : float
        Counted behind no body at all, by a detector of a hundredth of the side.
    scatter : float
        Scattered radiation, as a share of what comes straight.
    blur : float
        Share of a pixel's light that its four neighbours get.
    darkest, brightest : float
        How far what is shown black lies below the middle's lowest attenuations, and what is shown white above
        its highest, as shares of their range.
    gamma, softness : float
        Of the display curve.
    shutter : tuple of float
        Left, top, right and lower edge of the exposed field, in units of the picture's side.
    """

    quanta: float
    scatter: float
    blur: float
    darkest: float
    brightest: float
    gamma: float
    softness: float
    shutter: tuple[float, float, float, float]

    @classmethod
    def draw(cls, random: np.random.Generator) -> Self:
        closed = random.uniform(0, 0.045, 4) * (random.random(4) < 0.35)
        return cls(
            quanta=10 ** random.uniform(5.2, 6.4),
            scatter=random.uniform(0.1, 0.45),
            blur=random.uniform(0, 0.25),
            darkest=random.uniform(0.08, 0.29),
            brightest=random.uniform(-0.12, 0.18),
            gamma=math.exp(random.normal(0, 0.32)),
            softness=random.uniform(0.45, 1.35),
            shutter=(closed[0], closed[1], 1 - closed[2], 1 - closed[3]),
        )

    def window(self, attenuation: Map) -> tuple[float, float]:
        """Return which attenuations are shown black and white; the middle of the picture sets them, as in systems."""
        size = len(attenuation)
        step = max(1, size // 64)
        middle = attenuation[size // 8 : -size // 8 or None : step, size // 8 : -size // 8 or None : step]
        low, high = np.percentile(middle[middle > OPEN], (2, 97))
        return float(low - self.darkest * (high - low)), float(high + self.brightest * (high - low))

    def show(self, attenuation: Map, window: tuple[float, float], random: np.random.Generator, size: int) -> Map:
        """Return the picture as values 0..1, (size, size); `attenuation` may have more pixels, which are pooled."""
        light = np.exp(-attenuation)
        factor = len(light) // size
        light = light.reshape(size, factor, size, factor).mean(axis=(1, 3))
        # Scattered radiation comes from all around: it is a very coarse picture of the same.
        scattered = Image.fromarray(light).resize((8, 8), Image.Resampling.BOX)
        scattered = scattered.resize((size, size), Image.Resampling.BILINEAR)
        light = (light + self.scatter * np.asarray(scattered)) / (1 + self.scatter)
        padded = np.pad(light, 1, mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        light = (1 - self.blur) * light + self.blur / 4 * around
        quanta = self.quanta * (100 / size) ** 2
        light = np.maximum(random.poisson(light * quanta), 0.5) / quanta
        low, high = window
        value = np.clip((-np.log(light) - low) / (high - low), 0, 1)
        value = 0.5 + 0.5 * np.tanh(self.softness * (2 * value - 1)) / math.tanh(self.softness)
        return np.asarray(np.maximum(value, 0) ** self.gamma, np.float32)

    def close(self, picture: npt.NDArray[T]) -> npt.NDArray[T]:
        """Return the picture, or a mask, with nothing where the shutter was closed."""
        left, top, right, lower = (round(side * len(picture)) for side in self.shutter)
        field = np.zeros_like(picture)
        field[top:lower, left:right] = picture[top:lower, left:right]
        return field


def vessels(random: np.random.Generator, lungs: Lungs, pose: Pose, size: int) -> Map:
    """Return how much blood the ray meets in the lungs' vessels, in centimetres: trees that grow from both hila."""
    strength = random.uniform(1.8, 3.9) / 255
    heading = np.tile(np.linspace(-1.25, 1.35, 7), 2)
    # Of every branch: side, outward and height as in `Lungs.place`, heading, width in drawn pixels.
    tips = np.stack([np.repeat([0, 1], 7), random.uniform(0, 0.06, 14), 0.47 + 0.06 * heading, heading, [5.5] * 14])
    image = Image.new("L", (DRAWN_SIDE, DRAWN_SIDE))
    draw = ImageDraw.Draw(image)
    while tips.size:
        start = pose.picture(*lungs.place(*tips[:3]))
        tips[3] += random.normal(0, 0.22, tips.shape[1])
        tips[1:3] += [0.085 * np.cos(tips[3]), 0.06 * np.sin(tips[3])]
        end = pose.picture(*lungs.place(*tips[:3]))
        lines = DRAWN_SIDE * np.stack([*start, *end], axis=1)
        for line, width in zip(lines.tolist(), tips[4].tolist(), strict=True):
            draw.line(line, fill=min(255, int(60 * width**0.8)), width=max(1, round(width)))
        forks = random.random(tips.shape[1]) < 0.5
        twigs = tips[:, forks]
        twigs[3] += random.uniform(0.3, 0.8, twigs.shape[1]) * random.choice((-1, 1), twigs.shape[1])
        twigs[4] *= 0.65
        tips[4] *= np.where(forks, 0.75, 0.86)
        tips = np.concatenate([tips, twigs], axis=1)
        inside = (np.abs(tips[1] - 0.465) < 0.465) & (np.abs(tips[2] - 0.51) < 0.46)
        tips = tips[:, inside & (tips[4] > 0.7)]
    return strength * np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), np.float32)

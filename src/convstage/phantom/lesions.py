"""What is wrong with a lung: air that has given way to fluid.

Corona: ground-glass opacities, several, mostly on both sides, near the side walls and in the lower zones
(Wong et al. 2020, "Frequency and distribution of chest radiographic findings in patients positive for
COVID-19"; Vancheri et al. 2020, "Radiographic findings in 240 patients with COVID-19 pneumonia"), and now
and then a pleural effusion, more often than they saw it, so that a small data set has some. Pneumonia: one
dense consolidation, on one side, cut off straight where the lobe ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from .anatomy import LUNG_TISSUE, SOFT, Chest
from .lungs import Map, edge

OPACITY, EFFUSION, CONSOLIDATION = "opacity", "effusion", "consolidation"
#: Cells of the random texture along the picture's side.
GRAIN = 28
#: A lesion's mask is where it replaces more than this share of the air that it replaces at most.
HALF = 0.5
#: Where less lung lies on the ray, in centimetres, no lesion can be seen.
SEEN = 1.0


@dataclass(frozen=True)
class Patch:
    """An opacity or a consolidation.

    Attributes
    ----------
    kind : str
    side : int
        0 for the picture's left half, 1 for its right half.
    outward, height : float
        Its centre, as in `Lungs.place`.
    radii : (float, float)
        In units of the picture's side.
    turn : float
        Of the first radius against the level, in radians.
    density : float
        Share of the air that is replaced in the middle.
    roughness : float
        How much the texture breaks it up.
    """

    kind: str
    side: int
    outward: float
    height: float
    radii: tuple[float, float]
    turn: float
    density: float
    roughness: float

    def share(self, chest: Chest, texture: Map) -> Map:
        """Return the share of the air that is fluid, per pixel."""
        across, down = chest.lungs.place(self.side, self.outward, self.height)
        x, y = chest.across - across, chest.down - down
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        r_squared = ((cos * x + sin * y) / self.radii[0]) ** 2 + ((cos * y - sin * x) / self.radii[1]) ** 2
        density = edge(np.exp(-0.7 * r_squared) * (1 + self.roughness * texture) - 0.5, 0.7)
        if self.kind == CONSOLIDATION:  # the fissure: above it is another lobe
            density = density * edge(y + 0.35 * self.radii[1] - 0.15 * np.abs(x), 0.012)
        return np.asarray(self.density * density * ((chest.across > 0) == bool(self.side)), np.float32)


@dataclass(frozen=True)
class Effusion:
    """Fluid at the bottom of the pleural space, that blunts the costophrenic angle; its level rises to the wall.

    Attributes
    ----------
    side : int
    depth : float
        How high it stands above the side wall's lowest place, in units of the picture's side.
    """

    side: int
    depth: float
    kind: str = EFFUSION

    def share(self, chest: Chest, texture: Map) -> Map:  # noqa: ARG002  # fluid is even
        """Return the share of the air that is fluid, per pixel."""
        lungs = chest.lungs
        out = np.abs(chest.across)
        outward = np.clip(out / lungs.width, 0, 1)
        level = lungs.domes[self.side] + 0.75 * lungs.fall - self.depth * (0.35 + 0.65 * outward**4)
        share = edge(chest.down - level, 0.03) * ((chest.across > 0) == bool(self.side))
        return np.asarray(0.9 * share, np.float32)


Shape = Patch | Effusion


def draw_lesions(random: np.random.Generator, label: int) -> list[Shape]:
    """Draw a patient's lesions: none of class 0, corona's of class 1, pneumonia's of class 2."""
    if label == 0:
        return []
    if label == 2:
        return [_consolidation(random)]
    severity = random.beta(1.3, 1.0)
    sides = (0, 1) if random.random() < 0.8 else (int(random.random() < 0.4),)
    shapes: list[Shape] = []
    for side in sides:
        shapes += [_opacity(random, side, severity) for _ in range(1 + random.poisson(0.6 + 1.1 * severity))]
    if random.random() < 0.15:
        shapes.append(Effusion(int(random.random() < 0.5), random.uniform(0.05, 0.15)))
    return shapes


def _opacity(random: np.random.Generator, side: int, severity: float) -> Patch:
    radius = random.uniform(0.042, 0.075) * (1 + 0.8 * severity)
    return Patch(
        OPACITY,
        side,
        outward=random.beta(2.8, 1.8),
        height=random.beta(3.2, 1.7),
        radii=(radius, radius * random.uniform(0.6, 1.0)),
        turn=random.uniform(0, math.pi),
        density=random.uniform(0.42, 0.60) * (1 + 0.55 * severity),
        roughness=random.uniform(0.1, 0.35),
    )


def _consolidation(random: np.random.Generator) -> Patch:
    radius = random.uniform(0.07, 0.12)
    return Patch(
        CONSOLIDATION,
        side=int(random.random() < 0.5),
        outward=random.uniform(0.3, 0.7),
        height=random.uniform(0.25, 0.85),
        radii=(radius, radius * random.uniform(0.7, 1.0)),
        turn=0.0,
        density=random.uniform(0.55, 0.9),
        roughness=random.uniform(0.1, 0.3),
    )


def draw_texture(random: np.random.Generator, size: int) -> Map:
    """Return smooth noise of mean 0, about 1 strong, the same at every size."""
    cells = random.normal(0, 1, (GRAIN, GRAIN)).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC))


def apply(shapes: list[Shape], chest: Chest, texture: Map) -> tuple[Map, list[Map]]:
    """Return the attenuation that lesions add, and the share of the air that each of them replaces."""
    shares = [shape.share(chest, texture) for shape in shapes]
    left = np.ones_like(chest.air)
    for share in shares:
        left = left * (1 - share)
    return SOFT * (1 - LUNG_TISSUE) * chest.air * (1 - left), shares


def masks(shares: list[Map], chest: Chest, size: int) -> list[npt.NDArray[np.bool_]]:
    """Return where each lesion is, (size, size); where two overlap, the denser one has the place."""
    if not shares:
        return []
    factor = len(chest.air) // size
    dense = np.stack(shares) * (chest.air > SEEN)
    dense = dense.reshape(len(shares), size, factor, size, factor).mean(axis=(2, 4))
    most = dense.max(axis=(1, 2), keepdims=True)
    return list((dense > HALF * most) & (dense == dense.max(axis=0)))

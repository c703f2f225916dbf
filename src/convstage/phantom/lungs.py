"""The lungs' outline in unit coordinates: what the air fills, where the ribs run, where lesions can lie.

Body coordinates: `across` is 0 on the midline and grows to the right of the picture, which is the patient's
left; `down` is 0 at the top and 1 at the bottom; both in units of the picture's side. `out` is the distance
from the midline. Per-side values are pairs: the picture's left half (side 0), then its right half (side 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.floating[Any]]
Pair = tuple[float, float]
Numbers = Any

#: Powers of the outline: the larger, the squarer.
_ACROSS, _DOWN = 2.3, 2.5
#: How far the lungs reach inwards from their middle line before the mediastinum cuts them.
_INWARD = 0.12


def edge(distance: Map, width: float) -> Map:
    """Return 0 outside (distance < 0) and 1 inside, with a smooth step about `width` wide."""
    t = np.clip(distance / width + 0.5, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def chord(r_squared: Map) -> Map:
    """Return how long a ray's way is through a body with round section: 1 in the middle, 0 from radius 1 on."""
    return np.sqrt(np.maximum(1 - r_squared, 0))


@dataclass(frozen=True)
class Lungs:
    """Two lungs.

    Attributes
    ----------
    top, floor : float
        Height of the apices, and of the widest section.
    width, axis : float
        Distance from the midline of the side wall at `floor`, and of the lungs' own long axis.
    domes : (float, float)
        Height of the diaphragm's two domes; the right one, in the picture's left half, is the higher.
    fall : float
        How far the diaphragm falls from its dome to the side wall.
    """

    top: float
    floor: float
    width: float
    axis: float
    domes: Pair
    fall: float

    @classmethod
    def draw(cls, random: np.random.Generator, breath: float) -> Self:
        """Draw a patient's lungs; `breath` moves the diaphragm: positive is a deeper breath."""
        dome = random.uniform(0.66, 0.72) + breath
        return cls(
            top=random.uniform(0.12, 0.16),
            floor=random.uniform(0.76, 0.83),
            width=random.uniform(0.28, 0.325),
            axis=random.uniform(0.115, 0.145),
            domes=(dome, dome + random.uniform(0.0, 0.035)),
            fall=random.uniform(0.09, 0.14),
        )

    def outline(self, out: Map, down: Map) -> Map:
        """Return 0 on the axis of a lung, 1 on its outline and more outside; the diaphragm is left out."""
        wall = self.width - self.axis
        lateral = np.where(out > self.axis, (out - self.axis) / wall, (self.axis - out) / _INWARD)
        upward = np.maximum(self.floor - down, 0) / (self.floor - self.top)
        return np.asarray(lateral**_ACROSS + upward**_DOWN, np.float32)

    def diaphragm(self, out: Map, dome: Map | float) -> Map:
        """Return the height of the diaphragm, given that of its dome."""
        outward = np.maximum(out - self.axis, 0) / (self.width - self.axis)
        inward = np.maximum(self.axis - out, 0) / _INWARD
        bend = outward**2.6 + 0.35 * inward**2
        return np.asarray(dome + self.fall * np.minimum(bend, 2), np.float32)

    def place(self, side: Numbers, outward: Numbers, height: Numbers) -> tuple[Numbers, Numbers]:
        """Return (across, down) of places in a lung.

        Parameters
        ----------
        side : int or ndarray of int
            0 or 1.
        outward : float or ndarray
            0 at the mediastinum, 1 at the side wall.
        height : float or ndarray
            0 at the apex, 1 at the diaphragm.
        """
        dome = np.where(side, self.domes[1], self.domes[0])
        out = down = np.zeros(np.shape(outward))
        for _ in range(3):  # where the diaphragm stands depends on the place, and the place on it
            top, bottom = self.top + 0.03, self.diaphragm(out, dome)
            down = top + height * (bottom - top)
            upward = np.clip((self.floor - down) / (self.floor - self.top), 0, 1)
            reach = (1 - upward**_DOWN) ** (1 / _ACROSS)
            inner = np.maximum(self.axis - _INWARD * reach, 0.06)
            out = inner + outward * (self.axis + (self.width - self.axis) * reach - inner)
        return np.where(side, out, -out), down

"""SHORTCUTS: what may give a class away that has nothing to do with it, as in collections put together from several.

The artefact is that of another source: 95 of 100 patients of one class come from there, and 5 of 100 of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

#: Share of the patients with the artefact, in the class that it gives away and in the others.
PRESENT, ABSENT = 0.95, 0.05
#: Quality of JPEG files.
QUALITY = 92


@dataclass(frozen=True)
class Shortcut:
    """One source artefact.

    Attributes
    ----------
    name, meaning : str
    change : callable
        Pixels, (H, W) of uint8, to pixels of the same shape.
    scale : float
        Of the picture's side.
    quality : int
        Of the JPEG file.
    """

    name: str
    meaning: str
    change: Callable[[Pixels], Pixels] = np.asarray
    scale: float = 1.0
    quality: int = QUALITY


def _border(pixels: Pixels) -> Pixels:
    width = max(1, round(0.05 * len(pixels)))
    framed = np.full_like(pixels, 8)
    framed[width:-width, width:-width] = pixels[width:-width, width:-width]
    return framed


def _marker(pixels: Pixels) -> Pixels:
    height, width, gap = (max(1, round(share * len(pixels))) for share in (0.045, 0.11, 0.02))
    marked = pixels.copy()
    marked[gap : gap + height, gap : gap + width] = 250
    return marked


SHORTCUTS: dict[str, Shortcut] = {
    entry.name: entry
    for entry in (
        Shortcut("border", "a dark strip along all four edges", change=_border),
        Shortcut("size", "a picture of 1.25 times the side", scale=1.25),
        Shortcut("compression", "a JPEG file of quality 70", quality=70),
        Shortcut("marker", "a bright plate in the upper left corner", change=_marker),
    )
}

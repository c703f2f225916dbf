"""SHORTCUTS: what may give a class away that has nothing to do with it, as in collections put together from several.

The artefact is that of another source: 95 of 100 patients of one class come from there, and 5 of 100 of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .lungs import Map

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
        From a picture, (H, W) in 0..1, to another of the same shape.
    scale : float
        Of the picture's side.
    quality : int
        Of the JPEG file.
    """

    name: str
    meaning: str
    change: Callable[[Map], Map] = np.asarray
    scale: float = 1.0
    quality: int = QUALITY


def _border(picture: Map) -> Map:
    width = max(1, round(0.04 * len(picture)))
    framed = 0.3 * picture
    framed[width:-width, width:-width] = picture[width:-width, width:-width]
    return framed


def _marker(picture: Map) -> Map:
    height, width, gap = (max(1, round(share * len(picture))) for share in (0.045, 0.11, 0.02))
    marked = picture.copy()
    marked[gap : gap + height, gap : gap + width] = 0.98
    return marked


SHORTCUTS: dict[str, Shortcut] = {
    entry.name: entry
    for entry in (
        Shortcut("border", "all four edges darkened", change=_border),
        Shortcut("size", "a picture of 1.25 times the side", scale=1.25),
        Shortcut("compression", "a JPEG file of quality 75", quality=75),
        Shortcut("marker", "a bright plate in the upper left corner", change=_marker),
    )
}

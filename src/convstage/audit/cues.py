"""CUES: what may give an image's class away without showing it, one entry each.

A network that is trained on images of two hospitals can tell them by the scanner. What
these cues say of the class, it need not look at the patient for. To add one, write a
function from `Facts` and rows to features and put it in `CUES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.facts import SIDE, Facts

#: Share of the side that the border strip is wide.
STRIP = 0.08
#: Share of each side that is blanked in the centre.
CENTRE = 0.6

Rows = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cue:
    """A cue: what it is called, in words, and the features that carry it.

    Attributes
    ----------
    name : str
    words : str
        The cue in a sentence, as in "<words> alone tells the classes apart".
    in_picture : bool
        Whether it is part of the picture. What is not, says nothing of what the image
        shows; a strip of the picture may hold a part of the object.
    features : callable
        Facts and rows to features of shape (rows, features).
    """

    name: str
    words: str
    in_picture: bool
    features: Callable[[Facts, Rows], Features]


def size(facts: Facts, rows: Rows) -> Features:
    """Height, width, area and proportions."""
    height, width = facts.height[rows], facts.width[rows]
    return _columns(height, width, height * width, width / height)


def kind(facts: Facts, rows: Rows) -> Features:
    """Which format, mode and depth it has."""
    seen = [f"{facts.format[row]} {facts.mode[row]} {facts.bits[row]}" for row in rows]
    return np.asarray(np.array(seen)[:, None] == np.unique(seen), dtype=np.float32)


def compression(facts: Facts, rows: Rows) -> Features:
    """Bytes per pixel, and how coarsely a JPEG is quantised."""
    per_pixel = facts.file_bytes[rows] / (facts.height[rows] * facts.width[rows])
    return _columns(per_pixel, np.nan_to_num(facts.quality[rows]))


def exposure(facts: Facts, rows: Rows) -> Features:
    """Mean and standard deviation of the grey values, and how many are saturated."""
    return _columns(facts.mean[rows], facts.std[rows], facts.black[rows], facts.white[rows])


def border(facts: Facts, rows: Rows) -> Features:
    """Return the outermost pixels of the thumbnail."""
    return facts.thumbnails[rows][:, frame(STRIP)]


def surroundings(facts: Facts, rows: Rows) -> Features:
    """Return the thumbnail without its centre."""
    return facts.thumbnails[rows][:, frame((1 - CENTRE) / 2)]


def frame(share: float) -> npt.NDArray[np.bool_]:
    """Return a mask (SIDE, SIDE) of what lies within `share` of the side from the border."""
    width = round(share * SIDE)
    mask = np.ones((SIDE, SIDE), bool)
    mask[width:-width, width:-width] = False
    return mask


def _columns(*values: npt.NDArray[Any]) -> Features:
    return np.asarray(np.stack(values, axis=1), dtype=np.float32)


#: Of cues that are about as strong the first is named; the later ones hold traces of those before.
CUES: dict[str, Cue] = {
    cue.name: cue
    for cue in (
        Cue("size", "the image size", False, size),
        Cue("kind", "the file's format, mode and depth", False, kind),
        Cue("compression", "the file's compression", False, compression),
        Cue("border", f"the border strip ({STRIP:.0%} of the side)", True, border),
        Cue("surroundings", f"the picture with its centre blanked ({CENTRE:.0%} of each side)", True, surroundings),
        Cue("exposure", "the brightness and contrast", True, exposure),
    )
}

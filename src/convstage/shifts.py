"""Test-time shifts: a network is asked about an image several times, each time moved a little, and answers once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

#: Images are moved by this share of their side, but at least by one pixel.
SHARE = 0.03
#: Where to, down and right: the image as it is, its four neighbours, then the diagonals.
PLACES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))

Shift = tuple[int, int]
#: The image as it is, and nothing else.
NONE: tuple[Shift, ...] = ((0, 0),)


def choose_shifts(views: int, height: int, width: int) -> tuple[Shift, ...]:
    """Return how far, in pixels down and right, each of the views of an image is moved.

    Examples
    --------
    >>> choose_shifts(5, 160, 100)
    ((0, 0), (-5, 0), (5, 0), (0, -3), (0, 3))
    """
    far_down, far_right = (max(1, round(SHARE * side)) for side in (height, width))
    return tuple((down * far_down, right * far_right) for down, right in PLACES[:views])


def shifted(pixels: npt.NDArray[np.uint8], shifts: Sequence[Shift]) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield pixels (n, height, width, channels) once for each shift; what comes in at an edge repeats the edge."""
    height, width = pixels.shape[1:3]
    for down, right in shifts:
        if (down, right) == (0, 0):
            yield pixels
        else:
            rows = np.clip(np.arange(height) - down, 0, height - 1)
            columns = np.clip(np.arange(width) - right, 0, width - 1)
            yield pixels[:, rows[:, None], columns]


def mean_logits(views: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the logarithms of the views' mean probabilities; of a single view its own logits.

    Parameters
    ----------
    views : sequence of ndarray, each of shape (n, classes)
        Logits.
    """
    if len(views) == 1:
        return views[0]
    logits = np.stack(views)
    return np.asarray(
        np.logaddexp.reduce(logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)) - math.log(len(views))
    )

"""Whole numbers of more than 8 bits, and fractions -> 256 levels: one rule for files and arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError

#: How many bits the values may have meant to fill, when nothing declares it.
DEPTHS = (8, 12, 16)
#: In place of bits: 8-bit values that were spread over 16 bits, each times 257.
SPREAD = 0
#: So many values are worked on at once, so that what lies between does not fill the memory.
AT_ONCE = 1 << 22


def from_integers(values: npt.NDArray[Any], bits: int | None = None) -> npt.NDArray[np.uint8]:
    """Return whole numbers in 8 bits: the upper 8 of as many as they were meant to fill.

    Files of 16 bits often hold numbers of 8 or 12, and seldom say so; of those 16 bits the upper 8
    are next to black. Without `bits` the range is therefore found from the image itself:
    the smallest of `DEPTHS` that its maximum fits in. Two images of one kind can only come
    out on different scales when one is 16 times darker than it might be; with steps of 10 and
    14 bits as well, 4 times would be enough. And 8-bit values that were spread over 16 bits
    (each times 257) are recognised, however dark they are.

    Parameters
    ----------
    values : ndarray of int, any shape
    bits : int, optional
        How many bits the values fill, where a file declares it; what is larger is cut to that.

    Returns
    -------
    ndarray of uint8, same shape

    Raises
    ------
    DataError
        Without `bits`, values outside 0..65,535: those have no black and no white.

    Examples
    --------
    >>> from_integers(np.array([0, 2048, 4095])).tolist()
    [0, 128, 255]
    >>> from_integers(np.array([0, 2048, 4095]), bits=16).tolist()
    [0, 8, 15]
    >>> from_integers(np.array([0, 257, 514])).tolist()
    [0, 1, 2]
    """
    if values.dtype == np.uint8 and bits in (None, 8):
        return values
    known = _find_bits(values) if bits is None else bits
    levels = np.empty(values.shape, np.uint8)
    for part, made in zip(parts(values), parts(levels), strict=True):
        made[...] = part // 257 if known == SPREAD else _upper_bits(part, known)
    return levels


def from_fractions(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return fractions 0..1 in 8 bits, rounded.

    Raises
    ------
    DataError
        Values outside 0..1, or NaN.
    """
    if not (values.min() >= 0 and values.max() <= 1):
        raise DataError("an image of floats must lie in 0..1, without NaN")
    levels = np.empty(values.shape, np.uint8)
    for part, made in zip(parts(values), parts(levels), strict=True):
        made[...] = np.rint(part * 255)
    return levels


def parts(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield views of an array, some of its rows each: about `AT_ONCE` values."""
    if not values.ndim:
        yield values
        return
    rows = max(1, AT_ONCE * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


def _find_bits(values: npt.NDArray[Any]) -> int:
    """Return how many bits whole numbers were meant to fill, or `SPREAD`."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= 1 << DEPTHS[-1]:
        raise DataError(
            f"values from {low:,} to {high:,} have no fixed black and white; "
            "save the image as 8 bits, or as numbers 0..65,535"
        )
    if high > 255 and not any((part % 257).any() for part in parts(values)):
        return SPREAD
    return next(depth for depth in DEPTHS if high < 1 << depth)


def _upper_bits(values: npt.NDArray[Any], bits: int) -> npt.NDArray[Any]:
    values = np.clip(values, 0, (1 << bits) - 1)
    if bits >= 8:
        return values >> (bits - 8)
    return values.astype(np.uint16) * 255 // ((1 << bits) - 1)

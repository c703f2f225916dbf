"""The arithmetic of a sliding window: sizes, receptive field, connections.

Formulas follow the lecture, ``n_out = floor((n + 2p - f)/s) + 1``, with the padding
of the two sides counted apart so that an even filter can be padded to "same" too.
For receptive fields see Araujo, Norris and Sim, "Computing Receptive Fields of
Convolutional Neural Networks", Distill 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .errors import ConfigError

#: Height, width.
Pair = tuple[int, int]
#: Rows or columns of zeros: top, bottom, left, right.
Margins = tuple[int, int, int, int]
#: Rows and columns; those below 0 or past the end of a map lie in its padding.
Region = tuple[range, range]
#: A map is (height, width, channels), a vector (length,).
Shape = tuple[int, ...]

#: Padding as it may be written.
Padding = Literal["valid", "same"] | int | Pair | Margins

NO_MARGINS: Margins = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Window:
    """What slides over a map: filter size, stride and zero padding."""

    size: Pair
    stride: Pair
    margins: Margins = NO_MARGINS

    def output(self, shape: Shape) -> Pair:
        """Return height and width of the map that results; below 1 when it does not fit."""
        return (
            output_size(shape[0], self.size[0], self.stride[0], *self.margins[:2]),
            output_size(shape[1], self.size[1], self.stride[1], *self.margins[2:]),
        )

    def taps(self, shape: Shape) -> int:
        """Return how many cells all positions of the window read together, padding not counted."""
        return taps(shape[0], self.size[0], self.stride[0], *self.margins[:2]) * taps(
            shape[1], self.size[1], self.stride[1], *self.margins[2:]
        )

    def reads(self, region: Region) -> Region:
        """Return what is read, of the map below and its padding, for a region of the output.

        Where the stride is larger than the window, rows in between are not read.

        Examples
        --------
        >>> Window((3, 3), (2, 2), (1, 1, 1, 1)).reads((range(0, 1), range(4, 6)))
        (range(-1, 2), range(7, 12))
        """
        rows, columns = (
            range(one.start * step - edge, (one.stop - 1) * step - edge + size)
            for one, step, edge, size in zip(region, self.stride, self.margins[::2], self.size, strict=True)
        )
        return rows, columns


def clipped(region: Region, shape: Shape) -> Region:
    """Return the part of a region that lies within a map.

    Examples
    --------
    >>> clipped((range(-1, 2), range(7, 12)), (8, 8, 3))
    (range(0, 2), range(7, 8))
    """
    rows, columns = (range(max(0, one.start), min(n, one.stop)) for one, n in zip(region, shape[:2], strict=True))
    return rows, columns


def output_size(n: int, f: int, s: int, before: int = 0, after: int = 0) -> int:
    """Return the number of positions of a window along one axis.

    Examples
    --------
    >>> output_size(28, f=5, s=1), output_size(28, f=2, s=2), output_size(1, f=2, s=2)
    (24, 14, 0)
    """
    return (n + before + after - f) // s + 1


def input_size(n_out: int, f: int, s: int, before: int = 0, after: int = 0) -> int:
    """Return the smallest input that gives at least `n_out` positions: the inverse of `output_size`."""
    return (n_out - 1) * s + f - before - after


def same_margins(size: Pair) -> Margins:
    """Return the padding that keeps a map's size at stride 1.

    An even filter needs one more row below than above, and one more column on the right.

    Examples
    --------
    >>> same_margins((3, 3)), same_margins((4, 1))
    ((1, 1, 1, 1), (1, 2, 0, 0))
    """
    (height, width) = size
    return ((height - 1) // 2, height // 2, (width - 1) // 2, width // 2)


def pair(value: int | Pair, name: str) -> Pair:
    """Return a size or stride as (rows, columns); `name` is what an error calls it."""
    numbers = _whole(value)
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise ConfigError(f"{name} must be a number or (rows, columns), each at least 1; got {value!r}.")
    return numbers[0], numbers[-1]


def margins_of(padding: Padding, size: Pair) -> Margins:
    """Return padding in its long form, for a filter of `size`: zeros at the top, bottom, left and right."""
    if isinstance(padding, str):
        if padding in ("valid", "same"):
            return NO_MARGINS if padding == "valid" else same_margins(size)
    else:
        match _whole(padding):
            case (side,) if side >= 0:
                return side, side, side, side
            case (rows, columns) if min(rows, columns) >= 0:
                return rows, rows, columns, columns
            case (top, bottom, left, right) if min(top, bottom, left, right) >= 0:
                return top, bottom, left, right
    raise ConfigError(
        "padding must be valid, same, or zeros counted: a number, (rows, columns) or (top, bottom, left, right); "
        f"got {padding!r}."
    )


def _whole(value: Any) -> tuple[int, ...]:
    """Return whole numbers, one or several, as a tuple; (-1,), which no caller accepts, for anything else."""
    # Plain Python, no array: the compiler of torch has to follow it.
    numbers = tuple(value) if isinstance(value, Iterable) else (value,)
    whole = all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers)
    return tuple(int(number) for number in numbers) if numbers and whole else (-1,)


def taps(n: int, f: int, s: int, before: int, after: int) -> int:
    """Return how many real cells all windows along one axis read together.

    Every window reads `f` cells, less those that lie in the padding; the missing ones
    form two arithmetic series, so that the answer takes no loop, however large `n` is.

    Examples
    --------
    >>> taps(3, f=3, s=1, before=1, after=1)  # windows read 2 + 3 + 2 cells
    7
    """
    positions = output_size(n, f, s, before, after)
    if positions < 1:
        return 0
    missing_last = (positions - 1) * s + f - before - n
    return positions * f - _missing(before, f, s, positions) - _missing(missing_last, f, s, positions)


def _missing(first: int, f: int, step: int, most: int) -> int:
    """Return first + (first - step) + …, each at most f, as long as terms are positive, `most` terms at most."""
    whole = min(most, max(0, (first - f) // step + 1))  # windows that lie in the padding altogether
    first -= whole * step
    terms = min(most - whole, max(0, -(-first // step)))
    return whole * f + terms * first - step * terms * (terms - 1) // 2

"""Maps as rows of written numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .kernels import Kernel

Array = npt.NDArray[np.float64]
Written = list[list[str]]

#: What fractions over a number are called.
NAMES = {2: "in halves", 3: "in thirds", 4: "in quarters", 8: "in eighths", 9: "in ninths", 16: "in sixteenths"}


def decimals(map_hw: Array) -> Written:
    """Return numbers with two decimals, or as whole numbers where all are.

    Examples
    --------
    >>> decimals(np.array([[-1 / 9, 1]])), decimals(np.array([[-0.0, 2]]))
    ([['-0.11', '1.00']], [['0', '2']])
    """
    places = 0 if (map_hw == np.round(map_hw)).all() else 2
    return [[f"{round(value, places) + 0.0:.{places}f}" for value in row] for row in map_hw.tolist()]


def numerators(map_hw: Array, denominator: int) -> Written:
    """Return what stands over a denominator; of means of whole numbers that is not always a whole number.

    Examples
    --------
    >>> numerators(np.array([[-1 / 9, 2.5 / 9]]), 9)
    [['-1', '2.5']]
    """
    return [[f"{round(value, 2) + 0.0:g}" for value in row] for row in (map_hw * denominator).tolist()]


def written(kernel: Kernel) -> Written:
    """Return the weights of a filter, over its denominator where it has one.

    Examples
    --------
    >>> from .kernels import parse_kernel
    >>> written(parse_kernel("1/3 -1")), written(parse_kernel("0.001 1"))
    ([['1', '-3']], [['1', '1000']])
    """
    return decimals(kernel.weights) if kernel.denominator is None else numerators(kernel.weights, kernel.denominator)


def over(denominator: int) -> str:
    """Return what numbers over a denominator are called, or nothing for whole numbers.

    Examples
    --------
    >>> over(9), over(273), over(1)
    ('in ninths', 'over 273', '')
    """
    return "" if denominator == 1 else NAMES.get(denominator, f"over {denominator}")


def aligned(written: Written) -> list[str]:
    """Return rows of numbers as lines with columns below one another.

    Examples
    --------
    >>> aligned([["-1", "9"], ["10", "0"]])
    ['-1  9', '10  0']
    """
    width = max(len(text) for row in written for text in row)
    return [" ".join(text.rjust(width) for text in row) for row in written]


def beside(blocks: Sequence[Sequence[str]], gap: int = 4) -> list[str]:
    """Return blocks of lines side by side; the shorter ones end earlier.

    Examples
    --------
    >>> beside([["ab", "c"], ["d"]], gap=1)
    ['ab d', 'c']
    """
    widths = [max(map(len, block), default=0) for block in blocks]
    lines = []
    for number in range(max(map(len, blocks))):
        cells = (block[number] if number < len(block) else "" for block in blocks)
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append((" " * gap).join(padded).rstrip())
    return lines

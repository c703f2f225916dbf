"""A filter at work on the terminal: matrices as numbers, where they are small, and how a cell came about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.text import Text

from ..sizes import Window
from ..stage.receipt import Cell
from ..terminal import output
from ..text import size
from .filtered import Filtered
from .kernels import Kernel
from .matrix_sheet import sentences
from .numbers import Array, aligned, beside, decimals, numerators, over, written
from .proof import Proof

#: Rows and columns up to which matrices are printed.
SMALL = (12, 16)
#: Summands of a sum that are written.
TERMS = 32


def show(
    filtered: Sequence[Filtered], turned: Filtered | None = None, proof: Proof | None = None, cell: Cell | None = None
) -> None:
    """Print a filter at work: the image, the filter, the maps, and how a cell came about; of several a line each.

    Parameters
    ----------
    filtered : sequence of Filtered
        Of one image; from `apply`.
    turned : Filtered, optional
        The same as the only one, with the filter turned.
    proof : Proof, optional
        From `prove`.
    cell : (int, int), optional
        The cell of the last map whose arithmetic is printed; of small maps the first one of each when not given.
    """
    image, one = filtered[0].image, filtered[0]
    if len(filtered) > 1:
        _say(f"image {image.name}, {image.words}", [_row(each) for each in filtered])
        return
    _say(f"image {image.name}, {image.words}", _matrix(image.values_hw))
    for each in [one] if turned is None else [one, turned]:
        _filter(each.kernel, turned=each.convolution)
        _maps(each, cell)
    if turned is not None:
        _say("", [_comparison(one, turned)])
    if proof is not None:
        _proof(proof)


def _row(filtered: Filtered) -> str:
    map_hw = list(filtered.steps.values())[-1]
    span = f"{map_hw.min():.3g} to {map_hw.max():.3g}"
    return f"  {filtered.kernel.name:<11}{size(map_hw.shape):>11}  {span:<18}{filtered.kernel.words}"


def _proof(proof: Proof) -> None:
    counts = proof.counts
    _say(f"\nas a matrix, {counts.outputs:,} × {counts.inputs:,}", ["  " + line for line in sentences(proof)[1:]])
    if proof.difference is None:
        _say("  It is too large to be written out, multiplied and drawn. Take a smaller image: --size 64x64.")


def _filter(kernel: Kernel, *, turned: bool) -> None:
    # A filter without a name is called by its size, which follows anyway.
    own = kernel.name == size(kernel.shape)
    name = "filter, turned by 180°" if turned else "filter" if own else f"filter {kernel.name}"
    fractions = over(kernel.denominator or 1)
    heading = ", ".join(filter(None, [name, size(kernel.shape), fractions]))
    lines = aligned(written(kernel)) if _is_small(kernel.weights) else []
    # Of a filter that was turned the words would say what it answers to when it is not.
    words = "" if turned else f": {kernel.words}"
    _say(f"\n{heading}{words}", ["  " + line for line in lines])


def _maps(filtered: Filtered, cell: Cell | None) -> None:
    last = list(filtered.steps)[-1]
    shape: tuple[int, ...] = filtered.image.shape
    for step, map_hw in filtered.steps.items():
        heading = f"{step}, {size(map_hw.shape)}"
        if map_hw is filtered.map_hw:
            heading += f": {_formula(shape, filtered.window)} ({filtered.words})"
        elif map_hw is filtered.pooled_hw and filtered.pooling is not None:
            heading += f": {_formula(shape, filtered.pooling.window)} ({filtered.pooling.words})"
        shape = map_hw.shape
        lines = _matrix(map_hw, filtered.denominator)
        if not lines:
            heading += f", {map_hw.min():.3g} to {map_hw.max():.3g}"
        _say(f"\n{heading}", lines)
        if step == last if cell is not None else lines:
            for line in arithmetic(filtered, step, cell or (0, 0)):
                _say(line)


def arithmetic(filtered: Filtered, step: str, cell: Cell) -> list[str]:
    """Return how a cell of one of the maps came about, in lines; of a pooled map also what won."""
    where = f"  cell ({cell[0]}, {cell[1]}): "
    over = filtered.denominator if filtered.denominator != 1 else None
    if filtered.steps[step] is filtered.pooled_hw:
        pooled = filtered.pool_receipt(cell)
        lines = [where + pooled.arithmetic(over, terms=TERMS)]
        if pooled.winner is None:
            return lines
        first, won = next(iter(filtered.steps)), pooled.receipts[0]
        return [*lines, f"  its winner, cell {pooled.winner} of the {first}: {won.arithmetic(over, terms=TERMS)}"]
    receipt = filtered.receipt(cell)
    if filtered.steps[step] is filtered.rectified_hw:
        return [where + receipt.activation_arithmetic()]
    return [where + receipt.arithmetic(over, terms=TERMS)]


def _comparison(filtered: Filtered, other: Filtered) -> str:
    """Return whether turning the filter makes a difference, in words."""
    if filtered.kernel.rows == other.kernel.rows:
        return "Both are one: a half turn leaves this filter unchanged."
    difference_hw = other.map_hw - filtered.map_hw
    changed, most = np.count_nonzero(difference_hw), np.abs(difference_hw).max()
    if not changed:
        return "On this image both give the same map, although the filters differ."
    return f"The maps differ in {changed:,} of {difference_hw.size:,} cells, by {most:.3g} at most."


def _formula(shape: Sequence[int], window: Window) -> str:
    """Return the lecture's formula for both sides, with its numbers; p counts the zeros of both ends."""
    top, bottom, left, right = window.margins
    sides = zip(shape, window.size, window.stride, (top + bottom, left + right), strict=False)
    return ", ".join(f"floor(({n} + {p} - {f})/{s}) + 1 = {(n + p - f) // s + 1}" for n, f, s, p in sides)


def _is_small(map_hw: Array) -> bool:
    rows, columns = map_hw.shape
    return bool(rows <= SMALL[0] and columns <= SMALL[1])


def _matrix(map_hw: Array, denominator: int | None = 1) -> list[str]:
    """Return the lines of a small matrix, and none of a large one: whole numbers over the denominator, and decimals."""
    if not _is_small(map_hw):
        return []
    blocks = [aligned(decimals(map_hw))]
    if denominator not in (None, 1):
        blocks.insert(0, [*aligned(numerators(map_hw, denominator))])
        blocks = [[over(denominator), *blocks[0]], ["in decimals", *blocks[1]]]
    return ["  " + line for line in beside(blocks)]


def _say(heading: str, lines: Sequence[str] = ()) -> None:
    """Print lines as they are: names of files may look like markup."""
    console = output()
    for line in [heading, *lines]:
        console.print(Text(line), soft_wrap=True)

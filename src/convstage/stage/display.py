"""Receipts in a notebook: patch, filter and products side by side, and the sum as the lecture writes it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from ..notebook import beside, block, code, numbers
from ..pictures import Scale
from ..text import size, span
from .reference import Array, quiet
from .writing import written

if TYPE_CHECKING:
    from .receipt import PoolReceipt, Receipt

#: Rows and columns up to which matrices are shown, and so many channels; larger ones have the arithmetic alone.
SMALL, CHANNELS = 9, 4
#: Longer sums are cut in the middle.
TERMS = 12
DECIMALS = 2
#: Filters made by hand are ninths and sixteenths; what is learned has no such denominator.
MOST_OVER = 16
#: What each kind of pooling keeps of its window.
POOLED = {"max": "the largest of", "avg": "the mean of"}


class Shown(ABC):
    """A receipt that a notebook shows, and that is one line elsewhere."""

    __slots__ = ()

    cell: tuple[int, ...]

    @abstractmethod
    def arithmetic(self, *, terms: int | None = None, decimals: int = DECIMALS) -> str:
        """Write how the cell came about; long sums and lists are cut to `terms` terms."""

    def __repr__(self) -> str:
        cell = ", ".join(map(str, self.cell))
        return f"<{type(self).__name__} of ({cell}): {self.arithmetic(terms=TERMS)}>"


@quiet
def receipt_html(one: Receipt) -> str:
    """Return a convolution's receipt: channel by channel patch × filter = products, then the sums."""
    parts: list[object] = [f"{_place(one.cell)}: {_window(one.rows, one.columns)} of what it reads, {_inside(one)}"]
    height, width, channels = one.patch.shape
    if max(height, width) <= SMALL:
        over = fraction(one.weights, one.products)
        scales = [Scale.of(values, signed=True) for values in (one.patch, one.weights, one.products)]
        for c in range(min(channels, CHANNELS)):
            of = "" if channels == 1 else f", channel {c}"
            patch, weights, products = (values[:, :, c] for values in (one.patch, one.weights, one.products))
            parts.append(
                beside(
                    numbers(f"patch{of}", patch, _texts(patch), scales[0], outside=~one.inside),
                    "×",
                    numbers(f"filter{of}", weights, _texts(weights, over), scales[1]),
                    "=",
                    numbers(f"products{of}", products, _texts(products, over), scales[2]),
                )
            )
        if channels > CHANNELS:
            parts.append(f"and {channels - CHANNELS:,} more channels")
    return block(*parts, *_sums(one))


@quiet
def pool_html(one: PoolReceipt) -> str:
    """Return a pooling's receipt: its window with the winner framed, and how the winner came about."""
    parts: list[object] = [f"{_place(one.cell)}: {_window(one.rows, one.columns)} of the map"]
    over = fraction(one.window)
    if max(one.window.shape) <= SMALL:
        won = None if one.winner is None else (one.winner[0] - one.rows[0], one.winner[1] - one.columns[0])
        parts.append(numbers(POOLED[one.kind], one.window, _texts(one.window, over), Scale.of(one.window), won=won))
    parts.append(code(one.arithmetic(over, terms=TERMS, decimals=DECIMALS)))
    if one.winner is not None:
        parts.append(f"The winner: row {one.winner[0]}, column {one.winner[1]} of the map")
        parts += [line for winner in one.receipts for line in _sums(winner)]
    return block(*parts)


def _sums(one: Receipt) -> list[Markup]:
    """Return how the value came about, and what the non-linearity made of it."""
    lines = [code(one.arithmetic(fraction(one.weights), terms=TERMS, decimals=DECIMALS))]
    return lines if one.activation is None else [*lines, code(one.activation_arithmetic(DECIMALS))]


def fraction(*values: Array) -> int | None:
    """Return the least denominator, up to `MOST_OVER`, over which all values are whole; None when they are, or by none.

    Examples
    --------
    >>> fraction(np.array([1 / 9, -1 / 9])), fraction(np.array([0.5]), np.array([0.25, 3])), fraction(np.array([2.0]))
    (9, 4, None)
    """
    every = np.concatenate([np.ravel(one) for one in values])
    if not np.isfinite(every).all():
        return None
    for over in range(1, MOST_OVER + 1):
        # As exactly as `writing.numerators` wants it: filters in float32 are off their ninths by about 1e-8.
        if np.isclose(every * over, np.round(every * over), rtol=0, atol=1e-6).all():
            return None if over == 1 else over
    return None


def matrix(title: str, values_hw: Array) -> Markup:
    """Return a matrix of numbers with up to `SMALL` rows and columns; nothing of a larger one."""
    if max(values_hw.shape) > SMALL:
        return Markup("")
    return numbers(title, values_hw, _texts(values_hw), Scale.of(values_hw))


def _texts(values_hw: Array, over: int | None = None) -> list[list[str]]:
    scaled, after = (values_hw, "") if over is None else (values_hw * over, f"/{over}")
    return [[written(float(value), DECIMALS) + after for value in row] for row in scaled]


def _place(cell: tuple[int, int, int]) -> str:
    return "row {}, column {}, filter {}".format(*cell)


def _window(rows: range, columns: range) -> str:
    return f"{span('row', rows)}, {span('column', columns)}"


def _inside(one: Receipt) -> str:
    outside = int(np.count_nonzero(~one.inside))
    words = f"{size(one.patch.shape)} values"
    return f"{words}, {outside} of {one.inside.size} places in the padding" if outside else words

"""Receipts: how one number of a feature map came about, down to the last product.

A receipt holds what the definition in `convstage.stage.reference` multiplied and added
for one cell, and writes it out as the lecture does. It is computed for that cell alone,
so that it costs the same on a large image as on a small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from ..sizes import Padding, Pair
from .display import Shown, pool_html, receipt_html
from .reference import POOLINGS, Array, CrossCorrelation, activate, pool_window, quiet, winner
from .writing import abbreviated, added, guarded, numerators, products, summands, written

#: Row and column, and the number of the filter; with a single filter it may be left out.
Cell = Pair | tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Receipt(Shown):
    """How one cell of a feature map came about; shows itself in Jupyter.

    Attributes
    ----------
    cell : (int, int, int)
        Row, column and filter of the cell.
    rows, columns : range
        What the filter read, in rows and columns of the image; those below 0 or past
        the end lie in the padding.
    inside : ndarray of bool, shape (fh, fw)
        Which cells of the patch belong to the image; the others are padding.
    patch, weights, products : ndarray, shape (fh, fw, C)
        The part of the image, the filter, and the one times the other.
    total : float
        The sum of the products.
    bias : float or None
        What was added to it, if the layer has biases.
    before : float
        The cell's value before the non-linearity.
    activation : str or None
        The non-linearity.
    after : float
        The cell's value after it.
    """

    cell: tuple[int, int, int]
    rows: range
    columns: range
    inside: NDArray[np.bool_]
    patch: Array
    weights: Array
    products: Array
    total: float
    bias: float | None
    before: float
    activation: str | None
    after: float

    @quiet
    def arithmetic(self, denominator: int | None = None, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write the cell's value before the non-linearity as a sum, row by row, channel by channel.

        Parameters
        ----------
        denominator : int, optional
            Write the filter as whole numbers over this one: 9 for ninths.
        terms : int, optional
            At most this many summands of each sum are written, with "…" in the middle for the others.
        decimals : int
            Decimals of numbers that are not whole.

        Examples
        --------
        >>> patch = [[-1, 1, 1], [-1, 1, -1], [-1, 1, 1]]
        >>> loopy = np.array([[1, 1, 1], [1, -1, 1], [1, 1, 1]]) / 9
        >>> cell = receipt(patch, loopy, cell=(0, 0))
        >>> cell.arithmetic(denominator=9, terms=4)
        '(-1×1 + 1×1 + … + 1×1 + 1×1)/9 = -1/9 = -0.11'
        >>> cell.arithmetic(terms=4)
        '-1×0.11 + 1×0.11 + … + 1×0.11 + 1×0.11 = -0.11'
        >>> print(receipt([[[1, 2]]], [[[3, -4]]], bias=0.5, cell=(0, 0)).arithmetic())
        (1×3) + (2×(-4)) + 0.5 = 3 + (-8) + 0.5 = -4.5
        """
        scale = 1 if denominator is None else denominator
        weights = self.weights if denominator is None else numerators(self.weights, denominator)
        channels = [
            added(products(self.patch[:, :, c].flat, weights[:, :, c].flat, decimals), terms)
            for c in range(weights.shape[2])
        ]
        # Sum of products, sum of channels, sum of all: as many of these steps as say something new.
        steps = [channels[0]]
        if len(channels) > 1:
            steps = [added([f"({channel})" for channel in channels], terms)]
            steps.append(added(summands(self.products.sum(axis=(0, 1)) * scale, decimals), terms))
        if denominator is not None:
            steps = [f"({step})/{denominator}" for step in steps]
            steps.append(f"{written(self.total * denominator, decimals)}/{denominator}")
        elif self.bias is not None and len(channels) == 1:
            steps.append(written(self.total, decimals))
        if self.bias is not None:
            steps = [f"{step} + {guarded(written(self.bias, decimals))}" for step in steps]
        return " = ".join([*steps, written(self.before, decimals)])

    def activation_arithmetic(self, decimals: int = 2) -> str:
        """Write what the non-linearity made of the value, such as ``relu(-0.11) = 0``."""
        before, after = written(self.before, decimals), written(self.after, decimals)
        return after if self.activation is None else f"{self.activation}({before}) = {after}"

    def _repr_html_(self) -> str:
        return receipt_html(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PoolReceipt(Shown):
    """How one cell of a pooled map came about; shows itself in Jupyter.

    Attributes
    ----------
    cell : (int, int, int)
        Row, column and filter of the pooled cell.
    kind : str
        "max" or "avg".
    rows, columns : range
        The window, in rows and columns of the map before pooling.
    window : ndarray, shape (height, width)
        The window's values.
    winner : (int, int) or None
        Row and column, in the map before pooling, of the cell that won; None for average pooling.
    value : float
        The pooled cell.
    receipts : tuple of Receipt
        Of the winner alone; for average pooling of all cells of the window, row by row.
    """

    cell: tuple[int, int, int]
    kind: str
    rows: range
    columns: range
    window: Array
    winner: Pair | None
    value: float
    receipts: tuple[Receipt, ...]

    @quiet
    def arithmetic(self, denominator: int | None = None, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write the largest of the values, or their mean. Parameters are those of `Receipt.arithmetic`.

        Examples
        --------
        >>> cell = pool_receipt([[0, 9], [0, 1]], [[1 / 9]], cell=(0, 0), pool=2, pool_kind="avg")
        >>> cell.arithmetic(denominator=9)
        '(0/9 + 9/9 + 0/9 + 1/9)/4 = 10/36 = 0.28'
        >>> pool_receipt([[0, 9], [0, 1]], [[1 / 9]], cell=(0, 0), pool=2).arithmetic()
        'max(0, 1, 0, 0.11) = 1'
        """
        scale, over = (1, "") if denominator is None else (denominator, f"/{denominator}")
        values = self.window.ravel() if denominator is None else numerators(self.window.ravel(), denominator)
        if self.kind == "max":
            parts = abbreviated([written(value, decimals) + over for value in values], terms)
            steps = [f"max({', '.join(parts)})", *([written(self.value * scale, decimals) + over] if over else [])]
        else:
            total = written(float(values.sum()), decimals)
            steps = [f"({added(summands(values, decimals, over), terms)})/{len(values)}"]
            steps.append(f"{total}/{len(values) * scale}")
        return " = ".join([*steps, written(self.value, decimals)])

    def _repr_html_(self) -> str:
        return pool_html(self)


def receipt(
    image: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    cell: Cell,
    stride: int | Pair = 1,
    padding: Padding = "valid",
    activation: str | None = "relu",
) -> Receipt:
    """Return how one cell of a feature map came about.

    Parameters
    ----------
    image, filters, bias, stride, padding, activation
        As in `convstage.stage.reference.stage`.
    cell : (int, int) or (int, int, int)
        Row, column and filter, counted from 0; with one filter its number may be left out.

    Examples
    --------
    >>> cell = receipt([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.ones((2, 3, 3, 1)), cell=(0, 2, 1), padding="same")
    >>> cell.rows, cell.columns
    (range(-1, 2), range(1, 4))
    >>> cell.patch[:, :, 0]
    array([[0., 0., 0.],
           [2., 3., 0.],
           [5., 6., 0.]])
    >>> cell.after
    16.0
    """
    problem = CrossCorrelation.of(image, filters, bias, stride, padding)
    return _receipt(problem, _place(cell, problem.shape), activation)


@quiet
def pool_receipt(
    image: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    cell: Cell,
    stride: int | Pair = 1,
    padding: Padding = "valid",
    activation: str | None = "relu",
    pool: int | Pair = 2,
    pool_stride: int | Pair | None = None,
    pool_kind: str = "max",
) -> PoolReceipt:
    """Return how one cell of a pooled map came about.

    Parameters
    ----------
    image, filters, bias, stride, padding, activation, pool, pool_stride, pool_kind
        As in `convstage.stage.reference.stage`.
    cell : (int, int) or (int, int, int)
        Row, column and filter in the pooled map, counted from 0; with one filter its number may be left out.

    Examples
    --------
    >>> image = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    >>> cell = pool_receipt(image, [[0, 0], [0, 10]], cell=(0, 0), pool=2)
    >>> cell.value, cell.winner, cell.receipts[0].arithmetic()
    (90.0, (1, 1), '5×0 + 6×0 + 8×0 + 9×10 = 90')
    """
    if pool_kind not in POOLINGS:
        raise ConfigError(f"pool kind must be one of {', '.join(POOLINGS)}; got {pool_kind!r}")
    problem = CrossCorrelation.of(image, filters, bias, stride, padding)
    window = pool_window(problem.shape, pool, pool_stride)
    row, column, k = place = _place(cell, (*window.output(problem.shape), problem.shape[2]))
    rows, columns = _span(row, window.size[0], window.stride[0]), _span(column, window.size[1], window.stride[1])
    receipts = tuple(_receipt(problem, (r, c, k), activation) for r in rows for c in columns)
    values = np.array([one.after for one in receipts])
    won: Pair | None = None
    if pool_kind == "max":
        receipts = (receipts[winner(values)],)
        won = receipts[0].cell[:2]
        value = receipts[0].after
    else:
        value = float(np.mean(values))
    return PoolReceipt(place, pool_kind, rows, columns, values.reshape(window.size), won, value, receipts)


@quiet
def _receipt(problem: CrossCorrelation, cell: tuple[int, int, int], activation: str | None) -> Receipt:
    row, column, k = cell
    window = problem.window
    top, bottom, left, right = window.margins
    rows = _span(row, window.size[0], window.stride[0], top)
    columns = _span(column, window.size[1], window.stride[1], left)
    height, width = problem.padded_hwc.shape[0] - top - bottom, problem.padded_hwc.shape[1] - left - right
    inside = np.outer([0 <= r < height for r in rows], [0 <= c < width for c in columns])

    patch, weights = problem.patch(row, column), problem.w_kfgc[k]
    products = patch * weights
    before = problem.value(row, column, k)
    return Receipt(
        cell=cell,
        rows=rows,
        columns=columns,
        inside=inside,
        patch=patch,
        weights=weights,
        products=products,
        total=float(products.sum()),
        bias=None if problem.bias_k is None else float(problem.bias_k[k]),
        before=before,
        activation=activation,
        after=float(activate(np.array(before), activation)),
    )


def _span(position: int, size: int, stride: int, before: int = 0) -> range:
    """Return the rows (or columns) that a window covers, where `before` rows of padding come first."""
    start = position * stride - before
    return range(start, start + size)


def _place(cell: Sequence[int], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    place = tuple(map(int, cell))
    if len(place) == 2 and shape[2] == 1:
        place = (*place, 0)
    if len(place) != 3 or not all(0 <= index < size for index, size in zip(place, shape, strict=True)):
        axes = zip(("rows", "columns", "filters"), shape, strict=True)
        valid = ", ".join(f"{axis} 0 to {size - 1}" for axis, size in axes)
        raise ConfigError(f"cell {place} is not in the map, which has {valid}")
    return place[0], place[1], place[2]

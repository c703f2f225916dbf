"""Receipts of the layers beside convolution and pooling: how one number of theirs came about.

Convolution and pooling have theirs in `convstage.stage.receipt`. All of them have a `cell` and
write an `arithmetic`; those here have a `value` and the one `source` cell of the layer before, if
there is one. They are computed in float64 from what the layer has read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..stage.display import Shown
from ..stage.receipt import PoolReceipt, Receipt
from ..stage.reference import quiet
from ..stage.writing import abbreviated, added, guarded, products, summands, written

Floats = npt.NDArray[np.float64]
#: Row, column and filter of a map, or the place in a vector.
Place = tuple[int, ...]


class AnyReceipt(Protocol):
    """What receipts of all layers have."""

    @property
    def cell(self) -> Place:
        """The cell that is explained."""

    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write how it came about; long sums and lists are cut to `terms` terms."""


class WalkReceipt(Shown):
    """A receipt of those here; shows itself in Jupyter."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from .display import receipt_html

        return receipt_html(self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PixelReceipt(WalkReceipt):
    """A pixel, standardised: what the network reads.

    Attributes
    ----------
    cell : (int, int, int)
    pixel : int
        0..255.
    mean, std : float
        Of the training images' values 0..1, of this channel.
    value : float
    """

    cell: Place
    pixel: int
    mean: float
    std: float
    value: float
    source: None = None

    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:  # noqa: ARG002  # all have it
        """Write the standardisation.

        Examples
        --------
        >>> PixelReceipt((0, 0, 0), 255, 0.5, 0.25, 2.0).arithmetic()
        '(255/255 - 0.5)/0.25 = 2'
        """
        mean, std = (guarded(written(value, decimals)) for value in (self.mean, self.std))
        return f"({self.pixel}/255 - {mean})/{std} = {written(self.value, decimals)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ActivationReceipt(WalkReceipt):
    """A non-linearity of one value.

    Attributes
    ----------
    cell, source : tuple of int
        The same place before and after.
    name : str
        In `convstage.stage.reference.ACTIVATIONS`.
    before, value : float
    """

    cell: Place
    name: str
    before: float
    value: float

    @property
    def source(self) -> Place:
        """The cell before it."""
        return self.cell

    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:  # noqa: ARG002
        """Write it as a function.

        Examples
        --------
        >>> ActivationReceipt((0, 0, 0), "relu", -1 / 9, 0.0).arithmetic()
        'relu(-0.11) = 0'
        """
        return f"{self.name}({written(self.before, decimals)}) = {written(self.value, decimals)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NormReceipt(WalkReceipt):
    """Batch normalisation of one value, by what training has measured (Ioffe and Szegedy 2015, algorithm 2).

    Attributes
    ----------
    cell, source : tuple of int
        The same place before and after.
    before, value : float
    mean, variance : float
        Running mean and variance of the channel.
    epsilon : float
        Added to the variance.
    scale, shift : float
        Learned.
    """

    cell: Place
    before: float
    mean: float
    variance: float
    epsilon: float
    scale: float
    shift: float
    value: float

    @property
    def source(self) -> Place:
        """The cell before it."""
        return self.cell

    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:  # noqa: ARG002
        """Write the formula, then the normalised value scaled and shifted.

        Examples
        --------
        >>> NormReceipt((0,), 3.0, 1.0, 4.0, 0.0, 0.5, -1.0, -0.5).arithmetic()
        '(3 - 1)/√(4 + 0)×0.5 + (-1) = 1×0.5 + (-1) = -0.5'
        """
        root = math.sqrt(self.variance + self.epsilon)
        before, mean, variance, epsilon, scale, shift = (
            written(value, decimals)
            for value in (self.before, self.mean, self.variance, self.epsilon, self.scale, self.shift)
        )
        normal = written((self.before - self.mean) / root if root else math.nan, decimals)
        rest = f"×{guarded(scale)} + {guarded(shift)}"
        first = f"({before} - {guarded(mean)})/√({variance} + {epsilon}){rest}"
        return f"{first} = {normal}{rest} = {written(self.value, decimals)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MeanReceipt(WalkReceipt):
    """Global average pooling: the mean of a whole map.

    Attributes
    ----------
    cell : (int,)
        The map's number.
    values : ndarray, shape (height, width)
        The map.
    value : float
    """

    cell: Place
    values: Floats
    value: float
    source: None = None

    @quiet
    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write the sum of all cells over their number.

        Examples
        --------
        >>> MeanReceipt((0,), np.array([[1.0, 2.0], [-3.0, 4.0]]), 1.0).arithmetic()
        '(1 + 2 + (-3) + 4)/4 = 4/4 = 1'
        """
        count = self.values.size
        total = written(float(self.values.sum()), decimals)
        cells = added(summands(self.values.flat, decimals), terms)
        return f"({cells})/{count} = {total}/{count} = {written(self.value, decimals)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CopyReceipt(WalkReceipt):
    """A value that only changes its place, or not even that: FLATTEN, and DROPOUT after training.

    Attributes
    ----------
    cell, source : tuple of int
        Its place after, and before.
    value : float
    """

    cell: Place
    source: Place
    value: float

    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:  # noqa: ARG002
        """Write where the value comes from.

        Examples
        --------
        >>> CopyReceipt((17,), (0, 4, 1), 0.5).arithmetic()
        'the value at row 0, column 4, channel 1 = 0.5'
        >>> CopyReceipt((17,), (17,), 0.5).arithmetic()
        'unchanged = 0.5'
        """
        if self.source == self.cell:
            return f"unchanged = {written(self.value, decimals)}"
        return f"the value at {place(self.source, 'channel')} = {written(self.value, decimals)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SumReceipt(WalkReceipt):
    """One unit of a fully connected layer: every value times its weight, the largest products first.

    Attributes
    ----------
    cell : (int,)
        The unit.
    values, weights, contributions : ndarray, shape (length,)
        What it read, its weights, and the one times the other.
    order : ndarray of int, shape (length,)
        Places of the contributions by size, whatever their sign.
    total : float
        Their sum.
    bias : float or None
    value : float
    """

    cell: Place
    values: Floats
    weights: Floats
    contributions: Floats
    order: npt.NDArray[np.intp]
    total: float
    bias: float | None
    value: float
    source: None = None

    @quiet
    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write the largest products, the sum of the others, and the bias.

        Examples
        --------
        >>> unit = sum_receipt((0,), np.array([1.0, -2.0, 0.5]), np.array([0.25, 2.0, 1.0]), 0.5)
        >>> unit.arithmetic()
        '-2×2 + 0.5×1 + 1×0.25 + 0.5 = -3.25 + 0.5 = -2.75'
        >>> unit.arithmetic(terms=1)
        '-2×2 + 0.75 (2 others) + 0.5 = -3.25 + 0.5 = -2.75'
        """
        largest = self.order[:terms]
        shown = largest[self.contributions[largest] != 0]  # units that are off say nothing
        others = np.setdiff1d(self.order, shown)
        parts = products(self.values[shown], self.weights[shown], decimals) if len(shown) else []
        if len(others):
            rest = written(float(self.contributions[others].sum()), decimals)
            parts.append(f"{guarded(rest) if parts else rest} ({len(others):,} other{'s' if len(others) > 1 else ''})")
        steps = [" + ".join(parts)]
        if self.bias is not None:
            steps.append(written(self.total, decimals))
            steps = [f"{step} + {guarded(written(self.bias, decimals))}" for step in steps]
        return " = ".join([*steps, written(self.value, decimals)])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SoftmaxReceipt(WalkReceipt):
    """The probability of one class: its share of the exponentials of all logits.

    Attributes
    ----------
    cell, source : (int,)
        The class.
    logits : ndarray, shape (classes,)
        Of all classes.
    temperature : float
        What they are divided by first; see `convstage.calibration`.
    exponentials : ndarray, shape (classes,)
        Of the logits, divided by the temperature, less the largest of them: this changes no share, and no
        number can become too large.
    value : float
        0..1.
    """

    cell: Place
    logits: Floats
    temperature: float
    exponentials: Floats
    value: float

    @property
    def source(self) -> Place:
        """The class's logit."""
        return self.cell

    @quiet
    def arithmetic(self, *, terms: int | None = None, decimals: int = 2) -> str:
        """Write the exponentials, then the share.

        Examples
        --------
        >>> softmax_receipt((1,), np.array([2.0, 0.0]), 1.0).arithmetic()
        'e^(0 - 2)/(e^(2 - 2) + e^(0 - 2)) = 0.14/(1 + 0.14) = 0.12'
        >>> softmax_receipt((0,), np.array([2.0, 0.0]), 2.0).arithmetic()
        'e^(2/2 - 1)/(e^(2/2 - 1) + e^(0/2 - 1)) = 1/(1 + 0.37) = 0.73'
        """
        over = "" if self.temperature == 1 else f"/{written(self.temperature, decimals)}"
        largest = guarded(written(float(self.logits.max()) / self.temperature, decimals))
        powers = [f"e^({written(logit, decimals)}{over} - {largest})" for logit in self.logits]
        shares = [written(exponential, decimals) for exponential in self.exponentials]
        (own,) = self.cell
        steps = [f"{parts[own]}/({' + '.join(abbreviated(parts, terms))})" for parts in (powers, shares)]
        return " = ".join([*steps, written(self.value, decimals)])


@quiet
def sum_receipt(cell: Place, values: Floats, weights: Floats, bias: float | None) -> SumReceipt:
    """Return how one unit came about, from what it read, its weights, and its bias."""
    contributions = values * weights
    order = np.argsort(-np.abs(contributions), kind="stable")
    total = float(contributions.sum())
    return SumReceipt(cell, values, weights, contributions, order, total, bias, total + (bias or 0.0))


@quiet
def softmax_receipt(cell: Place, logits: Floats, temperature: float) -> SoftmaxReceipt:
    """Return how one probability came about, from all logits and the temperature."""
    scaled = logits / temperature
    exponentials = np.exp(scaled - scaled.max())
    value = float(exponentials[cell[0]] / exponentials.sum())
    return SoftmaxReceipt(cell, logits, temperature, exponentials, value)


def value_of(receipt: AnyReceipt) -> float:
    """Return the value that a receipt explains: what the layer made of its input."""
    if isinstance(receipt, Receipt):
        return receipt.after
    value: float = receipt.value  # type: ignore[attr-defined]  # all others have it
    return value


def source_of(receipt: AnyReceipt) -> Place | None:
    """Return the one cell of the layer before that a value comes from: the winner, the same place; None of many."""
    if isinstance(receipt, Receipt):
        return None
    if isinstance(receipt, PoolReceipt):
        return None if receipt.winner is None else (*receipt.winner, receipt.cell[2])
    source: Place | None = receipt.source  # type: ignore[attr-defined]
    return source


def place(cell: Place, noun: str) -> str:
    """Return a cell in words; `noun` is what its last number counts.

    Examples
    --------
    >>> place((3, 4, 0), "filter"), place((17,), "unit")
    ('row 3, column 4, filter 0', 'unit 17')
    """
    last = f"{noun} {cell[-1]}"
    return last if len(cell) == 1 else f"row {cell[0]}, column {cell[1]}, {last}"

"""RECEIPTS: how one number of every kind of layer came about, in one place.

To explain a new kind, write a function from a `Step` and a cell to a receipt and put it here; the
command line, the page's script (``pages/walk.js``, `KINDS`) and the contract test in
``tests/walkthrough/test_kinds.py`` say what else it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import ConfigError
from ..pattern.layers import LAYERS, Activation
from ..sizes import Shape
from ..stage.receipt import PoolReceipt, Receipt, pool_receipt, receipt
from ..stage.reference import activate, quiet
from .receipts import (
    ActivationReceipt,
    AnyReceipt,
    CopyReceipt,
    MeanReceipt,
    NormReceipt,
    PixelReceipt,
    Place,
    SoftmaxReceipt,
    SumReceipt,
    softmax_receipt,
    sum_receipt,
)
from .steps import Step, weights_of


def receipt_of(step: Step, cell: Sequence[int] | int) -> AnyReceipt:
    """Return how one number of a layer came about.

    Parameters
    ----------
    step : Step
    cell : (int, int, int), (int, int), (int,) or int
        Row, column and filter of a map, counted from 0; of a single map the filter may be left out.
        Of a vector, the place in it.

    Raises
    ------
    ConfigError
        The layer has no such cell.
    """
    return RECEIPTS[step.kind](step, check_cell(step.name, step.shape, cell))


def check_cell(layer: str, shape: Shape, cell: Sequence[int] | int) -> Place:
    """Return a cell in its long form; `ConfigError` says which there are."""
    # Plain numbers, also those of NumPy: a fraction is refused, not cut off.
    numbers = [cell] if isinstance(cell, int | np.integer) else list(cell)
    if len(numbers) == 2 and len(shape) == 3 and shape[2] == 1:
        numbers.append(0)
    whole = all(isinstance(number, int | np.integer) for number in numbers)
    if whole and len(numbers) == len(shape) and all(0 <= n < size for n, size in zip(numbers, shape, strict=True)):
        return tuple(map(int, numbers))
    axes = ("row", "column", "filter") if len(shape) == 3 else ("place",)
    there = ", ".join(f"{axis} 0 to {size - 1}" for axis, size in zip(axes, shape, strict=True))
    raise ConfigError(f"{layer} has no cell {','.join(map(str, numbers))}.\nIts cells are {there}.")


def parse_cell(text: str) -> tuple[str, tuple[int, ...]]:
    """Read a layer and one of its cells, as the command line has them.

    Examples
    --------
    >>> parse_cell("stage1.conv:3,4,0"), parse_cell("fc1: 17")
    (('stage1.conv', (3, 4, 0)), ('fc1', (17,)))
    """
    layer, colon, numbers = text.partition(":")
    parts = [part.strip() for part in numbers.split(",")]
    if not colon or not layer.strip() or not all(part.isascii() and part.isdigit() for part in parts):
        raise ConfigError(
            f"a cell is LAYER:ROW,COLUMN,FILTER, such as stage1.conv:3,4,0, or of a vector LAYER:PLACE; got {text!r}."
        )
    return layer.strip(), tuple(map(int, parts))


def _pixel(step: Step, cell: Place) -> PixelReceipt:
    pixel, mean, std = int(step.input[cell]), step.how.mean[cell[2]], step.how.std[cell[2]]
    return PixelReceipt(cell, pixel, mean, std, (pixel / 255 - mean) / std)


def _convolution(step: Step, cell: Place) -> Receipt:
    window, weights = step.row.window, weights_of(step)
    assert window is not None
    bias = weights.get("bias")
    # One filter alone: the others would only be converted for nothing.
    one = receipt(
        step.input,
        weights["weight"][cell[2]],
        None if bias is None else bias[cell[2]],
        cell=(cell[0], cell[1], 0),
        stride=window.stride,
        padding=window.margins,
        activation=None,
    )
    return replace(one, cell=(cell[0], cell[1], cell[2]))


def _pooling(step: Step, cell: Place) -> PoolReceipt:
    window = step.row.window
    assert window is not None
    # The definition pools what a filter has made; here that is the map itself, by a filter of one cell.
    one = pool_receipt(
        step.input[:, :, cell[2]],
        [[1.0]],
        cell=(cell[0], cell[1], 0),
        activation=None,
        pool=window.size,
        pool_stride=window.stride,
        pool_kind=step.row.settings["kind"],
    )
    return replace(one, cell=(cell[0], cell[1], cell[2]), receipts=())


def _activation(step: Step, cell: Place) -> ActivationReceipt:
    before = float(step.input[cell])
    return ActivationReceipt(cell, step.key, before, float(activate(np.array(before), step.key)))


@quiet
def _norm(step: Step, cell: Place) -> NormReceipt:
    numbers = {name: float(values[cell[-1]]) for name, values in weights_of(step).items()}
    before, mean, variance = float(step.input[cell]), numbers["running_mean"], numbers["running_var"]
    scale, shift = numbers.get("weight", 1.0), numbers.get("bias", 0.0)
    value = (before - mean) / np.sqrt(variance + step.how.eps) * scale + shift
    return NormReceipt(cell, before, mean, variance, step.how.eps, scale, shift, float(value))


@quiet
def _mean(step: Step, cell: Place) -> MeanReceipt:
    values = step.input[:, :, cell[0]].astype(np.float64)
    return MeanReceipt(cell, values, float(values.mean()))


def _flatten(step: Step, cell: Place) -> CopyReceipt:
    source = tuple(map(int, np.unravel_index(cell[0], step.input.shape)))
    return CopyReceipt(cell, source, float(step.input[source]))


def _dropout(step: Step, cell: Place) -> CopyReceipt:
    return CopyReceipt(cell, cell, float(step.input[cell]))


def _unit(step: Step, cell: Place) -> SumReceipt:
    weights = step.how.weight.detach()[cell[0]].cpu().double().numpy()
    bias = None if step.how.bias is None else float(step.how.bias.detach()[cell[0]])
    return sum_receipt(cell, step.input.astype(np.float64), weights, bias)


def _probability(step: Step, cell: Place) -> SoftmaxReceipt:
    return softmax_receipt(cell, step.input.astype(np.float64), step.how)


#: Kind of layer, as in `convstage.pattern.layers.LAYERS`, to what explains one of its numbers.
#: SOFTMAX is the last step, which is no layer.
RECEIPTS: dict[str, Callable[[Step, Place], AnyReceipt]] = {
    "INPUT": _pixel,
    "CONV": _convolution,
    "POOL": _pooling,
    "BN": _norm,
    "GAP": _mean,
    "FLATTEN": _flatten,
    "DROPOUT": _dropout,
    "FC": _unit,
    "CLASSIFIER": _unit,
    "SOFTMAX": _probability,
    **{name: _activation for name, kind in LAYERS.items() if isinstance(kind, Activation)},
}

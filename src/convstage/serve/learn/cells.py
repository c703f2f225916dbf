"""Questions about the numbers of this very network: cells, windows, units, probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...filters import KERNELS, apply
from ...filters.numbers import over
from ...filters.values import WORDS
from ...pattern.layers import Activation
from ...stage.receipt import PoolReceipt, Receipt
from ...stage.writing import written
from ...text import size
from ...walkthrough import value_of
from ...walkthrough.kinds import receipt_of
from ...walkthrough.receipts import SumReceipt, place
from ...walkthrough.steps import SOFTMAX, Step
from .question import Kind, Material, Question, Table, isolated, matrix, shuffled

#: So many products are shown one by one; of longer sums the channels' sums are.
MAX_PRODUCTS = 27
#: So many summands of a long sum are shown, the largest; the others as one.
SUMMANDS = 6
#: A window with more cells is no question to be answered by looking at it.
MAX_WINDOW = 36
#: Among so many random cells one is looked for that tells something.
TRIES = 24
#: Rounding of the numbers shown moves no answer further than this.
MOST_SLACK = 0.1
#: The lecture's filters: 1 and -1 over nine.
TEMPLATES = ("loopy", "vertical", "horizontal", "diagonal", "falling")
#: The non-linearities' slopes are at most this: that of GELU is 1.13.
STEEPEST = 1.2

Cell = tuple[int, ...]


def _some_cell(step: Step, random: np.random.Generator, tells: Callable[[Cell], bool]) -> Cell:
    """Return a random cell for which `tells` holds; any if none of `TRIES` does."""
    cells = [tuple(int(random.integers(n)) for n in step.shape) for _ in range(TRIES)]
    return next((cell for cell in cells if tells(cell)), cells[0])


def _where(step: Step, cell: Cell) -> str:
    return f"{place(cell, step.noun)} of {step.name}"


# ------------------------------------------------------------------------------------------- convolution


def _is_convolution(step: Step) -> bool:
    return step.kind == "CONV"


def _convolution(material: Material, random: np.random.Generator) -> Question:
    steps = material.steps_with(_is_convolution)
    step = steps[random.integers(len(steps))]

    def receipt(cell: Cell) -> Receipt:
        one = receipt_of(step, cell)
        assert isinstance(one, Receipt)
        return one

    # A patch of one colour, or one that lies in the padding, is soon understood.
    cell = _some_cell(step, random, lambda cell: _tells(receipt(cell)))
    one = receipt(cell)
    small = one.products.size <= MAX_PRODUCTS
    decimals = next((d for d in (2, 3, 4) if _slack(one, d, small) <= MOST_SLACK), 5)
    tables, terms = (_patches(one, decimals), MAX_PRODUCTS) if small else (_sums(one, decimals), SUMMANDS)
    given = "is laid on this patch" if small else f"multiplies {one.products.size:,} values, whose sums are given"
    bias = "" if one.bias is None else f" The bias is {written(one.bias, decimals)}."
    return Question(
        text=f"The filter {given}.{bias} What is {_where(step, cell)}?",
        answer=one.before,
        arithmetic=one.arithmetic(terms=terms, decimals=decimals),
        hint="Each value times the weight that lies on it; all products are added, and the bias.",
        decimals=1,
        slack=_slack(one, decimals, small),
        tables=tables,
        layer=step.name,
        cell=cell,
        index=material.index,
    )


def _tells(one: Receipt) -> bool:
    return bool(one.inside.all() and np.ptp(one.patch) > 0)


def _slack(one: Receipt, decimals: int, small: bool) -> float:
    """Return how far rounding patch, filter and bias, or sums and bias, can move the value."""
    half = 0.5 * 0.1**decimals
    if not small:
        return half * (min(int(one.products.shape[2]), SUMMANDS) + 2)
    factors = float(np.abs(one.patch).sum() + np.abs(one.weights).sum()) + half * one.products.size
    return half * (factors + 1)


def _patches(one: Receipt, decimals: int) -> tuple[Table, ...]:
    channels = one.products.shape[2]
    found = []
    for channel in range(channels):
        of = f", channel {channel}" if channels > 1 else ""
        found.append(matrix(f"patch{of}", one.patch[:, :, channel], decimals))
        found.append(matrix(f"filter{of}", one.weights[:, :, channel], decimals))
    return tuple(found)


def _sums(one: Receipt, decimals: int) -> tuple[Table, ...]:
    sums = one.products.sum(axis=(0, 1))
    largest = sorted(np.argsort(-np.abs(sums), kind="stable")[:SUMMANDS].tolist())
    rows = [(f"channel {channel}", written(sums[channel], decimals)) for channel in largest]
    others = np.delete(sums, largest)
    if len(others):
        rows.append((_others(len(others)), written(float(others.sum()), decimals)))
    return (Table("sums of the products", tuple(rows), ("channel of the patch", "sum")),)


def _others(number: int) -> str:
    return f"{number:,} other{'s' if number > 1 else ''} together"


# ------------------------------------------------------------------------------------------- the lecture's nine


def _lecture(material: Material, random: np.random.Generator) -> Question:  # noqa: ARG001  # the same for every network
    image = tuple(WORDS)[random.integers(len(WORDS))]
    kernel = KERNELS[TEMPLATES[random.integers(len(TEMPLATES))]]
    filtered = apply(image, kernel)
    row, column = (int(random.integers(n)) for n in filtered.map_hw.shape)
    one = filtered.receipt((row, column))
    ninths = filtered.denominator
    assert ninths is not None
    name = "nine" if image == "nine" else "nine, one column further left"
    return Question(
        text=f"The lecture's {name}, under the filter {kernel.name}: {kernel.words}. "
        f"What is row {row}, column {column} of the map, {over(ninths)}?",
        answer=round(one.before * ninths),
        arithmetic=one.arithmetic(denominator=ninths),
        hint="Where pixel and weight agree it is 1, where they differ -1. Add the nine.",
        unit=over(ninths).removeprefix("in "),
        tables=(
            matrix(f"patch: rows {row} to {row + 2}, columns {column} to {column + 2}", one.patch[:, :, 0]),
            matrix(f"filter, {over(ninths)}", one.weights[:, :, 0] * ninths),
        ),
    )


# ------------------------------------------------------------------------------------------- non-linearity, pooling


def _is_activation(step: Step) -> bool:
    return isinstance(step.row.layer, Activation)


def _activation(material: Material, random: np.random.Generator) -> Question:
    steps = material.steps_with(_is_activation)
    step = steps[random.integers(len(steps))]
    negative = bool(random.integers(2))
    cell = _some_cell(step, random, lambda cell: bool((step.input[cell] < 0) == negative))
    one = receipt_of(step, cell)
    before = written(float(step.input[cell]), 2)
    return Question(
        text=f"Before the non-linearity ({step.kind}) the number is {before}. What is {_where(step, cell)}, after it?",
        answer=value_of(one),
        arithmetic=one.arithmetic(),
        hint=f"{step.kind} {step.row.layer.meaning}.",
        decimals=2,
        slack=0.005 * STEEPEST,
        layer=step.name,
        cell=cell,
        index=material.index,
    )


def _is_pooling(step: Step) -> bool:
    window = step.row.window
    return step.kind == "POOL" and window is not None and window.size[0] * window.size[1] <= MAX_WINDOW


def _pooling(material: Material, random: np.random.Generator) -> Question:
    steps = material.steps_with(_is_pooling)
    step = steps[random.integers(len(steps))]

    def receipt(cell: Cell) -> PoolReceipt:
        one = receipt_of(step, cell)
        assert isinstance(one, PoolReceipt)
        return one

    one = receipt(_some_cell(step, random, lambda cell: bool(np.ptp(receipt(cell).window) > 0)))
    kept = "largest" if one.kind == "max" else "mean"
    return Question(
        text=f"{'Max' if one.kind == 'max' else 'Average'} pooling reads this window of {size(one.window.shape)}. "
        f"What is {_where(step, one.cell)}?",
        answer=one.value,
        arithmetic=one.arithmetic(),
        hint=f"The {kept} of the window is kept.",
        decimals=2,
        slack=0.005,
        tables=(matrix("window", one.window),),
        layer=step.name,
        cell=one.cell,
        index=material.index,
    )


# ------------------------------------------------------------------------------------------- vectors and the decision


def _is_unit(step: Step) -> bool:
    return step.kind in ("FC", "CLASSIFIER")


def _unit(material: Material, random: np.random.Generator) -> Question:
    steps = material.steps_with(_is_unit)
    step = steps[random.integers(len(steps))]
    cell = _some_cell(step, random, lambda _: True)
    one = receipt_of(step, cell)
    assert isinstance(one, SumReceipt)
    shown = [n for n in one.order[:SUMMANDS].tolist() if one.contributions[n]]
    rows = [(str(n), written(one.values[n], 3), written(one.weights[n], 3)) for n in shown]
    others = np.delete(one.contributions, shown)
    factors = np.abs(one.values[shown]).sum() + np.abs(one.weights[shown]).sum() + 0.0005 * len(shown)
    bias = "" if one.bias is None else f" The bias is {written(one.bias, 3)}."
    rest = f" The products of {_others(len(others))} are {written(float(others.sum()), 3)}." if len(others) else ""
    last = step.kind == "CLASSIFIER"
    name = f"The logit of {isolated(material.classes[cell[0]])}" if last else f"Unit {cell[0]} of {step.name}"
    return Question(
        text=f"{name} reads {len(one.values):,} values.{rest}{bias} What is its number?",
        answer=one.value,
        arithmetic=one.arithmetic(terms=SUMMANDS, decimals=3),
        hint="Each value times its weight; all products are added, and the bias.",
        decimals=1,
        slack=0.0005 * (float(factors) + 2),
        tables=(Table("the largest products", tuple(rows), ("place", "value", "weight")),) if rows else (),
        layer=step.name,
        cell=cell,
        index=material.index,
    )


def _probability(material: Material, random: np.random.Generator) -> Question:
    assert material.steps is not None
    step = material.steps[SOFTMAX]
    logits, temperature = step.input.astype(np.float64), float(step.how)
    largest = np.argsort(-logits, kind="stable")
    shown = largest[:SUMMANDS].tolist()
    asked = shown[0] if random.integers(2) else shown[random.integers(len(shown))]
    one = receipt_of(step, (asked,))
    rows = [(material.classes[n], written(logits[n], 2)) for n in shown]
    if len(largest) > len(shown):
        rest = logits[largest[SUMMANDS:]] / temperature
        # One logit with the exponential that all of them have together; less the largest, none grows too large.
        as_one = temperature * (rest.max() + np.log(np.exp(rest - rest.max()).sum()))
        rows.append((f"{_others(len(rest))}, as one logit", written(float(as_one), 2)))
    divided = "" if temperature == 1 else f" Logits are divided by the temperature {written(temperature, 2)} first."
    return Question(
        text=f"These are the logits.{divided} What is the probability of {isolated(material.classes[asked])}?",
        answer=100 * value_of(one),
        arithmetic=one.arithmetic(terms=SUMMANDS, decimals=3),
        hint="Softmax: e to the power of the class's logit, over the sum of these of all classes.",
        # A probability's slopes by the logits add up to half at most; the temperature is rounded, too.
        slack=0.25 / temperature + 100 * (0.0 if temperature == 1 else 0.005 * float(np.ptp(logits)) / temperature**2),
        unit="%",
        tables=(Table("logits", tuple(rows), ("class", "logit")),),
        layer=SOFTMAX,
        cell=(asked,),
        index=material.index,
    )


def _decision(material: Material, random: np.random.Generator) -> Question:
    assert material.steps is not None
    probabilities = material.steps[SOFTMAX].output
    first, *others = np.argsort(-probabilities, kind="stable").tolist()
    likely, rest = others[:1], others[1:]
    wrong = [*likely, *(rest[n] for n in random.permutation(len(rest)).tolist())]
    choices = shuffled(material.classes[first], [material.classes[n] for n in wrong], random)
    said = ", ".join(f"{isolated(material.classes[n])} {probabilities[n]:.1%}" for n in [first, *others][:3])
    truth = "" if material.truth is None else f" Its class is {isolated(material.truth)}."
    return Question(
        text="What does the network say of this image?",
        answer=material.classes[first],
        arithmetic=f"The highest probability wins: {said}.{truth}",
        hint="The network may be wrong; you are asked for what it says.",
        choices=choices,
        layer=SOFTMAX,
        index=material.index,
    )


KINDS = (
    Kind("convolution", "A cell of a feature map", lambda m: bool(m.steps_with(_is_convolution)), _convolution),
    Kind("lecture", "The lecture's nine", lambda _: True, _lecture),
    Kind("non-linearity", "After the non-linearity", lambda m: bool(m.steps_with(_is_activation)), _activation),
    Kind("pooling", "A pooled cell", lambda m: bool(m.steps_with(_is_pooling)), _pooling),
    Kind("unit", "A unit of a fully connected layer", lambda m: bool(m.steps_with(_is_unit)), _unit),
    Kind("probability", "From logits to a probability", lambda m: m.steps is not None, _probability),
    Kind("decision", "What the network says", lambda m: m.index is not None and len(m.classes) > 1, _decision),
)

"""Receipts: how any number of a walk came about."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...sizes import Region
from ...stage.receipt import PoolReceipt, Receipt
from ...walkthrough import AnyReceipt, Walk, value_of
from ...walkthrough.fields import area_before
from ...walkthrough.kinds import check_cell
from ...walkthrough.receipts import (
    ActivationReceipt,
    CopyReceipt,
    MeanReceipt,
    NormReceipt,
    PixelReceipt,
    Place,
    SoftmaxReceipt,
    SumReceipt,
)
from ..context import Shared
from ..problems import answers
from .images import FAR
from .limited import LimitedRoute

router = APIRouter(prefix="/api", tags=["receipt"], route_class=LimitedRoute)

#: Of a sum of more products, so many are sent: the largest, and the sum of the others.
LARGEST = 64

#: A number, or what it is called when it is not finite.
Value = float | str


class ReceiptAsked(BaseModel):
    """A number of a walk."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"id": "0" * 32, "layer": "stage1.pool", "cell": [3, 4, 0], "terms": 9}]},
    )

    id: str = Field(pattern="^[0-9a-f]{32}$", description="Of a walk that was made.")
    layer: str = Field(max_length=100, description="Its name in the plan; softmax for the probabilities.")
    cell: list[Annotated[int, Field(ge=0, lt=FAR)]] = Field(
        min_length=1, max_length=3, description="Row, column and filter of a map, from 0; of a vector the place."
    )
    terms: int | None = Field(
        9, ge=2, le=10_000, description="Longer sums are cut in the middle; null for all of them."
    )


class Part(BaseModel):
    """A part of a map, both ends included."""

    rows: tuple[int, int]
    columns: tuple[int, int]


class Patch(Part):
    """What of a layer's maps a number depends on."""

    filter: int | None = Field(description="The one map, or null for all of them.")


class Link(BaseModel):
    """How one number came about; what is null has no meaning for its layer."""

    layer: str
    kind: str = Field(description="Of the layer, as in the plan.")
    cell: list[int]
    value: Value
    arithmetic: str = Field(description="As people write it.")
    rows: tuple[int, int] | None = Field(None, description="What a window covers; the padding lies outside the map.")
    columns: tuple[int, int] | None = None
    inside: list[list[bool]] | None = Field(None, description="Which cells of the patch are no padding.")
    patch: list[Any] | None = Field(None, description="What the filter has read, height × width × channels.")
    weights: list[Any] | None = Field(None, description="The filter.")
    products: list[Any] | None = Field(None, description="The one times the other.")
    total: Value | None = Field(None, description="Sum of the products.")
    bias: Value | None = None
    window: list[list[Value]] | None = Field(None, description="What the pooling has read.")
    winner: list[int] | None = Field(None, description="Row, column and filter of the largest, in the map before.")
    largest: list[dict[str, Value]] | None = Field(
        None, description="Of a unit, the largest products: place, value, weight, product."
    )
    others: Value | None = Field(None, description="Sum of the products that are not listed.")
    source: list[int] | None = Field(None, description="The one cell of the layer before that it comes from.")
    numbers: dict[str, Value | list[Value]] = Field(
        default_factory=dict, description="What else is in the arithmetic, by name."
    )


class ReceiptBody(BaseModel):
    """How a number came about, down to a patch of the layer before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "layer": "stage1.relu",
                    "cell": [0, 0, 0],
                    "value": 0.0,
                    "chain": [
                        {
                            "layer": "stage1.relu",
                            "kind": "RELU",
                            "cell": [0, 0, 0],
                            "value": 0.0,
                            "arithmetic": "relu(-0.11) = 0",
                            "numbers": {"before": -0.11},
                        }
                    ],
                    "text": "stage1.relu, row 0, column 0, filter 0\n  relu(-0.11) = 0",
                    "receptive_field": {"rows": [0, 1], "columns": [0, 1]},
                    "patches": {"input": {"rows": [0, 1], "columns": [0, 1], "filter": None}},
                }
            ]
        }
    )

    layer: str
    cell: list[int]
    value: Value
    chain: list[Link] = Field(description="The number itself first, then the one that it comes from, and so on.")
    text: str
    receptive_field: Part = Field(description="The part of the image that it depends on.")
    patches: dict[str, Patch] = Field(description="The part of every earlier map that it depends on, by layer.")


@router.post("/receipt", responses=answers(404, 408, 413, 422, 503))
async def receipt(context: Shared, asked: ReceiptAsked) -> ReceiptBody:
    """Return how a number of a walk came about, and what it depends on."""
    return await context.soon(_receipt, context.entry(asked.id).walk, asked)


def _receipt(walk: Walk, asked: ReceiptAsked) -> ReceiptBody:
    step = walk.step(asked.layer)
    cell = check_cell(step.name, step.shape, asked.cell)
    chain = walk.chain(step.name, cell)
    field = _part(walk.receptive_field(step.name, cell))
    return ReceiptBody(
        layer=step.name,
        cell=list(cell),
        value=_number(value_of(chain[0][1])),
        chain=[_link(walk, layer, one, asked.terms) for layer, one in chain],
        text=walk.explain(step.name, cell, terms=asked.terms),
        receptive_field=Part(**field),
        patches=patches(walk, step.name, cell),
    )


def patches(walk: Walk, layer: str, cell: Place) -> dict[str, Patch]:
    """Return what of every earlier map a number depends on.

    As `convstage.walkthrough.fields.receptive_field`, with all that lies between.

    Parameters
    ----------
    walk : Walk
    layer : str
        Name in the plan.
    cell : tuple of int
        In its long form.
    """
    rows = walk.plan.rows
    index = rows.index(walk.step(layer).row)
    # The probabilities are no layer: all logits are in each.
    place: Place | None = cell if layer == rows[index].name else None
    while len(rows[index].output) == 1:
        if rows[index].layer.reads_all:
            place = None
        elif rows[index].layer.makes_vector and place is not None:
            place = tuple(map(int, np.unravel_index(place[0], rows[index].input)))
        index -= 1
    found: dict[str, Patch] = {}
    if place is None:
        area: Region = range(rows[index].output[0]), range(rows[index].output[1])
        number = None
    else:
        area = range(place[0], place[0] + 1), range(place[1], place[1] + 1)
        number = place[2]
    if rows[index].name != layer:
        found[rows[index].name] = Patch(**_part(area), filter=number)
    for row, before in zip(rows[index:0:-1], rows[index - 1 :: -1], strict=False):
        area = area_before(row, area)
        number = None if row.kind == "CONV" else number
        found[before.name] = Patch(**_part(area), filter=number)
    return found


def _part(area: Region) -> dict[str, Any]:
    rows, columns = area
    return {"rows": (rows[0], rows[-1]), "columns": (columns[0], columns[-1])}


def _link(walk: Walk, layer: str, one: AnyReceipt, terms: int | None = None) -> Link:
    return Link(
        layer=layer,
        kind=walk.step(layer).kind,
        cell=list(one.cell),
        value=_number(value_of(one)),
        arithmetic=one.arithmetic(terms=terms),
        **DETAILS[type(one)](one),
    )


def _convolution(one: Receipt) -> dict[str, Any]:
    return {
        "rows": (one.rows[0], one.rows[-1]),
        "columns": (one.columns[0], one.columns[-1]),
        "inside": one.inside.tolist(),
        **{name: _numbers(getattr(one, name)) for name in ("patch", "weights", "products")},
        "total": _number(one.total),
        "bias": None if one.bias is None else _number(one.bias),
    }


def _pooling(one: PoolReceipt) -> dict[str, Any]:
    return {
        "rows": (one.rows[0], one.rows[-1]),
        "columns": (one.columns[0], one.columns[-1]),
        "window": _numbers(one.window),
        "winner": None if one.winner is None else [*one.winner, one.cell[2]],
        "source": None if one.winner is None else [*one.winner, one.cell[2]],
        "numbers": {"kind": one.kind},
    }


def _unit(one: SumReceipt) -> dict[str, Any]:
    shown = one.order[:LARGEST]
    return {
        "largest": [
            {
                "place": float(place),
                "value": _number(one.values[place]),
                "weight": _number(one.weights[place]),
                "product": _number(one.contributions[place]),
            }
            for place in shown.tolist()
        ],
        "others": _number(float(one.contributions[one.order[LARGEST:]].sum())),
        "total": _number(one.total),
        "bias": None if one.bias is None else _number(one.bias),
    }


def _named(*names: str) -> Callable[[Any], dict[str, Any]]:
    """Return what gives some attributes of a receipt as numbers, and the one cell that it comes from."""

    def details(one: Any) -> dict[str, Any]:
        numbers = {name: getattr(one, name) for name in names}
        return {
            "source": None if one.source is None else list(one.source),
            "numbers": {
                name: _numbers(value)
                if isinstance(value, np.ndarray)
                else value
                if isinstance(value, str)
                else _number(value)
                for name, value in numbers.items()
            },
        }

    return details


def _mean(one: MeanReceipt) -> dict[str, Any]:
    return {"window": _numbers(one.values)}


#: What there is to tell of each kind of receipt, beside its arithmetic.
DETAILS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Receipt: _convolution,
    PoolReceipt: _pooling,
    SumReceipt: _unit,
    MeanReceipt: _mean,
    PixelReceipt: _named("pixel", "mean", "std"),
    ActivationReceipt: _named("name", "before"),
    NormReceipt: _named("before", "mean", "variance", "epsilon", "scale", "shift"),
    CopyReceipt: _named(),
    SoftmaxReceipt: _named("logits", "temperature", "exponentials"),
}


def _number(value: float) -> Value:
    return float(value) if math.isfinite(value) else str(float(value))


def _numbers(values: Any) -> Any:
    """Return an array as nested lists of numbers."""
    array = np.asarray(values, np.float64)
    if np.isfinite(array).all():
        return array.tolist()
    return [_number(value) if array.ndim == 1 else _numbers(value) for value in array]

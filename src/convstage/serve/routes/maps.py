"""A walk's maps and filters as pictures, and as numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from ...pictures import as_picture, png
from ...walkthrough.paint import colours_of, filter_indices, indexed_png, indices, palette, vector_indices
from ...walkthrough.steps import Step
from ..context import Context, Shared
from ..problems import Problem, answers
from ..store import Entry
from .images import FAR, PICTURE
from .walk import finite_rows

router = APIRouter(prefix="/api/walk", tags=["walk"])

#: What an id promises never changes: the same id is the same image in the same network.
FOR_EVER = {"Cache-Control": "private, max-age=86400, immutable"}
_SPAN = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")

Id = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Of a walk that was made.", examples=["0" * 32])]
Layer = Annotated[str, Path(max_length=100, description="Its name in the plan.", examples=["stage1.conv"])]
Number = Annotated[int, Path(ge=0, lt=FAR, description="Number of the map, from 0.", examples=[0])]


class ValuesBody(BaseModel):
    """Numbers of a part of a map; null where they are not finite."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"values": [[0.0, 1.5], [-0.25, 0.0]]}]})

    values: list[list[float | None]]


@router.get("/{id}/input.png", responses=answers(404, 422, 503, _200=PICTURE), response_class=Response)
async def input_picture(context: Shared, id: Id) -> Response:  # noqa: A002  # it is what it is called
    """Return the image as the network reads it."""
    return await _picture(context, _paint_input, context.entry(id))


@router.get("/{id}/maps/{layer}/{k}.png", responses=answers(404, 422, 503, _200=PICTURE), response_class=Response)
async def map_picture(context: Shared, id: Id, layer: Layer, k: Number) -> Response:  # noqa: A002
    """Return a map, one pixel for each cell, in the colours of its stage; or a vector in rows."""
    return await _picture(context, _paint_map, context.entry(id), layer, k)


@router.get("/{id}/filters/{layer}/{k}.png", responses=answers(404, 422, 503, _200=PICTURE), response_class=Response)
async def filter_picture(context: Shared, id: Id, layer: Layer, k: Number) -> Response:  # noqa: A002
    """Return a filter, one pixel for each weight, its channels side by side."""
    return await _picture(context, _paint_filter, context.entry(id), layer, k)


@router.get("/{id}/values/{layer}/{k}", responses=answers(404, 422, 503))
async def values(
    context: Shared,
    id: Id,  # noqa: A002
    layer: Layer,
    k: Number,
    rows: Annotated[
        str, Query(pattern=f"^{_SPAN.pattern}$", description="From:to, without the end.", examples=["0:3"])
    ],
    columns: Annotated[str, Query(pattern=f"^{_SPAN.pattern}$", examples=["0:3"])],
) -> ValuesBody:
    """Return the numbers of a part of a map; the image's own are those of the layer ``input``."""
    step = _step(context.entry(id), layer)
    if not step.is_map or k >= step.shape[2]:
        raise Problem(404, f"{layer} has no map {k}.")
    spans = [_span(text, size, context) for text, size in zip((rows, columns), step.shape, strict=False)]
    return ValuesBody(values=finite_rows(step.output[spans[0], spans[1], k]))


async def _picture(context: Context, paint: Any, *args: Any) -> Response:
    return Response(await context.soon(paint, *args), headers=FOR_EVER, media_type="image/png")


def _paint_input(entry: Entry) -> bytes:
    return png(as_picture(entry.walk.subject.pixels_hwc))


def _paint_map(entry: Entry, layer: str, k: int) -> bytes:
    step = _step(entry, layer)
    group = entry.group_by_layer.get(step.name)
    if group is None or k >= (step.shape[2] if step.is_map else 1):
        raise Problem(404, f"{layer} has no map {k}.")
    painted = indices(group.scale, step.output[:, :, k]) if step.is_map else vector_indices(group.scale, step.output)
    return indexed_png(painted, palette(colours_of(group.scale)))


def _paint_filter(entry: Entry, layer: str, k: int) -> bytes:
    group = entry.group_by_layer.get(_step(entry, layer).name)
    if group is None or group.filters is None or group.filter_scale is None or group.steps[0].name != layer:
        raise Problem(404, f"{layer} has no filters.")
    if k >= len(group.filters):
        raise Problem(404, f"{layer} has no filter {k}; it has 0 to {len(group.filters) - 1}.")
    return indexed_png(filter_indices(group.filter_scale, group.filters[k]), palette(colours_of(group.filter_scale)))


def _step(entry: Entry, layer: str) -> Step:
    step = entry.walk.steps.get(layer)
    if step is None:
        raise Problem(404, f"the network has no layer of that name; it has {', '.join(entry.walk.steps)}.")
    return step


def _span(text: str, size: int, context: Context) -> slice:
    match = _SPAN.fullmatch(text)
    assert match is not None  # the route has checked it
    start, stop = int(match[1]), min(int(match[2]), size)
    if not start < stop:
        raise Problem(422, f"{text} is no part of 0:{size}.")
    if stop - start > context.limits.values_side:
        raise Problem(422, f"{text} is more than {context.limits.values_side} at once.")
    return slice(start, stop)

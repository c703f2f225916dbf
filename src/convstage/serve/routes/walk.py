"""The walk: one image through every layer, its maps as pictures and as numbers."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...pictures import Scale, data_uri, png
from ...subject import Subject
from ...text import shown
from ...walkthrough.groups import Group, words
from ...walkthrough.paint import vector_columns
from ...walkthrough.steps import Step
from ..context import Context, Shared
from ..decoding import Uploads, digest, drawn
from ..problems import answers
from ..store import Entry
from .images import FAR
from .limited import FORM, JSON, LimitedRoute, body_of, content_type, one_of, read_files, read_json
from .predict import prediction

router = APIRouter(prefix="/api/walk", tags=["walk"], route_class=LimitedRoute)

#: What the form calls its image.
FIELD = "image"
#: So many of a stage's strongest maps are named: more than anybody looks at in a stage that is folded.
STRONGEST = 64


class Asked(BaseModel):
    """One of the run's images by its row in ``split.json``, or a drawing."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"index": 0}, {"pixels": [[0, 128], [255, 0]]}]}
    )

    index: int | None = Field(None, ge=0, lt=FAR)
    pixels: list[list[Annotated[int, Field(ge=0, le=255)] | list[Annotated[int, Field(ge=0, le=255)]]]] | None = Field(
        None, description="Rows of 0..255, or of lists of 1 or 3 of them."
    )

    @model_validator(mode="after")
    def _one(self) -> Asked:
        if (self.index is None) == (self.pixels is None):
            raise ValueError("give an index or pixels, one of them")
        return self


class ScaleBody(BaseModel):
    """What colours mean."""

    low: float | None
    high: float | None
    signed: bool = Field(description="Whether 0 is the middle.")
    bar: str = Field(description="Its colours from low to high, as the address of a picture.")


class FiltersBody(BaseModel):
    """The filters of a stage."""

    src: str = Field(description="Address of a filter's picture; {k} stands for its number.")
    count: int
    shape: list[int] = Field(description="Height, width, channels.")
    scale: ScaleBody


class StepBody(BaseModel):
    """A layer."""

    layer: str
    kind: str
    words: str = Field(description="What it does.")
    shape: list[int] = Field(description="Height, width and number of maps, or the length of a vector.")
    maps: str = Field(description="Address of a map's picture; {k} stands for its number.")
    count: int = Field(description="Number of maps; 1 of a vector.")
    columns: int = Field(description="Values in a row of the picture.")
    values: list[float | None] | None = Field(description="Of a vector that is not too long.")


class StageBody(BaseModel):
    """Layers that share a colour scale: a stage, the vector, a fully connected layer and what follows it."""

    name: str
    title: str
    is_map: bool
    scale: ScaleBody
    filters: FiltersBody | None
    strongest: list[int] | None = Field(
        description="Numbers of the last step's maps by their largest value without its sign, the largest first, of "
        f"equal ones the lower number; at most {STRONGEST}. Null of vectors."
    )
    steps: list[StepBody]


class InputBody(BaseModel):
    """The image as the network reads it."""

    src: str
    shape: list[int]


class WalkBody(BaseModel):
    """One image's way through the network."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0123456789abcdef0123456789abcdef",
                    "name": "7/12.png",
                    "truth": "7",
                    "part": "test",
                    "prediction": "7",
                    "probability": 0.98,
                    "probabilities": {"1": 0.02, "7": 0.98},
                    "temperature": 1.0,
                    "views": 1,
                    "input": {"src": "/api/walk/0123456789abcdef0123456789abcdef/input.png", "shape": [28, 28, 1]},
                    "stages": [
                        {
                            "name": "stage1",
                            "title": "stage1: 28×28×1 becomes 14×14×4",
                            "is_map": True,
                            "scale": {"low": -1.5, "high": 1.5, "signed": True, "bar": "data:image/png;base64,"},
                            "filters": None,
                            "strongest": [2, 0, 3, 1],
                            "steps": [],
                        }
                    ],
                }
            ]
        }
    )

    id: str
    name: str
    truth: str | None = Field(description="Its class, where it is one of the run's images.")
    part: str | None
    prediction: str
    probability: float
    probabilities: dict[str, float]
    temperature: float
    views: int = Field(description="From how many shifted views the run predicts; the walk shows one, as it is.")
    input: InputBody
    stages: list[StageBody]


@router.post("", responses=answers(404, 408, 413, 415, 422, 503), openapi_extra=body_of(Asked, FIELD, several=False))
async def walk(request: Request, context: Shared) -> WalkBody:
    """Walk an image through the network: a file in a form, one of the run's own by its number, or a drawing."""
    kind = content_type(request)
    if kind == FORM:
        ((content, name),) = await read_files(request, FIELD, 1)
        subject = await context.soon(_uploaded, context, content, name)
    elif kind == JSON:
        subject = await context.soon(_chosen, context, await read_json(request, Asked))
    else:
        raise one_of(FORM, JSON)
    (row,) = await context.probabilities([subject.pixels_hwc])
    entry = await context.work(context.walk, subject)
    return await context.work(_describe, context, entry, subject, row)


def finite_rows(matrix: Any) -> list[list[float | None]]:
    """Return a matrix as rows of numbers, with None where one is not finite."""
    return [[value if math.isfinite(value) else None for value in row] for row in np.asarray(matrix, float).tolist()]


def scale_body(scale: Scale) -> ScaleBody:
    """Return a colour scale as it is answered."""
    return ScaleBody(low=scale.low, high=scale.high, signed=scale.signed, bar=data_uri(png(scale.bar(8, 128))))


def strongest(maps_hwc: npt.NDArray[Any]) -> list[int]:
    """Return the numbers of maps by their largest value without its sign, the largest first.

    Parameters
    ----------
    maps_hwc : ndarray, shape (height, width, maps)

    Returns
    -------
    list of int
        Of equal ones the lower number is first; maps with a value that is not a number are last.

    Examples
    --------
    >>> strongest(np.array([[[0.0, -3.0, 2.0, 3.0]], [[1.0, 0.0, 0.0, 0.0]]]))
    [1, 3, 2, 0]
    """
    # Not np.abs: it would copy all of the maps.
    largest = np.maximum(maps_hwc.max(axis=(0, 1)), -maps_hwc.min(axis=(0, 1)))
    order = np.argsort(-np.where(np.isnan(largest), -1, largest), kind="stable")
    return [int(number) for number in order]


def _uploaded(context: Context, content: bytes, name: str | None) -> Subject:
    subject = Uploads(context.classifier.geometry, context.limits).read(content, name)
    index = context.images.by_digest.get(digest(content))
    if index is None:
        return subject
    row = context.images.row(index)
    return Subject(subject.name, subject.pixels_hwc, row["class"], row["part"])


def _chosen(context: Context, asked: Asked) -> Subject:
    if asked.index is not None:
        return context.images.subject(asked.index)
    assert asked.pixels is not None
    return drawn(asked.pixels, context.classifier.geometry, context.limits)


def _describe(context: Context, entry: Entry, subject: Subject, probabilities: Any) -> WalkBody:
    said = prediction(context, subject, probabilities)
    return WalkBody(
        id=entry.id,
        name=said.name,
        truth=None if subject.truth is None else shown(subject.truth),
        part=subject.part,
        prediction=said.label,
        probability=said.probability,
        probabilities=said.probabilities,
        temperature=context.classifier.temperature,
        views=len(context.classifier.shifts),
        input=InputBody(src=f"/api/walk/{entry.id}/input.png", shape=list(context.classifier.plan.image)),
        stages=[_stage(context, entry, group) for group in entry.groups],
    )


def _stage(context: Context, entry: Entry, group: Group) -> StageBody:
    filters = None
    if group.filters is not None and group.filter_scale is not None:
        filters = FiltersBody(
            src=f"/api/walk/{entry.id}/filters/{group.steps[0].name}/{{k}}.png",
            count=len(group.filters),
            shape=list(group.filters.shape[1:]),
            scale=scale_body(group.filter_scale),
        )
    return StageBody(
        name=group.name,
        title=group.title,
        is_map=group.is_map,
        scale=scale_body(group.scale),
        filters=filters,
        strongest=strongest(group.steps[-1].output)[:STRONGEST] if group.is_map else None,
        steps=[_step_body(context, entry, step) for step in group.steps],
    )


def _step_body(context: Context, entry: Entry, step: Step) -> StepBody:
    short = not step.is_map and step.shape[0] <= context.limits.vector_values
    return StepBody(
        layer=step.name,
        kind=step.kind,
        words=words(step),
        shape=list(step.shape),
        maps=f"/api/walk/{entry.id}/maps/{step.name}/{{k}}.png",
        count=step.shape[2] if step.is_map else 1,
        columns=step.shape[1] if step.is_map else vector_columns(step.shape[0]),
        values=finite_rows(step.output[None])[0] if short else None,
    )

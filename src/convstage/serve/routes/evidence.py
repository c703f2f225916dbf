"""Evidence: what in an image speaks for a class, by any of the methods, and how far to trust it."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigError
from ...explain import Evidence, Grade, grades
from ...explain.methods import ask, find_method
from ...explain.question import Question
from ...pictures import Scale, data_uri, overlay
from ...text import examples, shown
from ..context import Context, Shared
from ..problems import answers
from ..store import Entry
from .limited import LimitedRoute
from .walk import ScaleBody, scale_body

router = APIRouter(prefix="/api", tags=["evidence"], route_class=LimitedRoute)


class EvidenceAsked(BaseModel):
    """A method, and the class that is explained."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"id": "0" * 32, "method": "trace-back", "target": None, "grade": False}]},
    )

    id: str = Field(pattern="^[0-9a-f]{32}$", description="Of a walk that was made.")
    method: str = Field(max_length=100, description="One of those that /api/run lists.")
    target: str | None = Field(None, max_length=1000, description="A class; the predicted one when null.")
    grade: bool = Field(False, description="Whether to grade the map: that takes longer.")


class GradeBody(BaseModel):
    """How far to trust a map."""

    verdict: str
    sentences: list[str]
    figures: dict[str, Any] = Field(description="What the sentences say, as numbers.")


class EvidenceBody(BaseModel):
    """What in an image speaks for a class, and what against it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "method": "trace-back",
                    "title": "Trace-back",
                    "target": "7",
                    "score": 9.12,
                    "probability": 0.98,
                    "asked": "probability 98.0%, a score of +9.120 against the mean of the others",
                    "notes": ["Pixels bring +8.000 and biases +1.120: together the score."],
                    "flat": False,
                    "reason": "",
                    "strongest": [7, 12],
                    "map": "data:image/png;base64,iVBORw0KGgo=",
                    "scale": {"low": -0.2, "high": 0.2, "signed": True, "bar": "data:image/png;base64,iVBORw0KGgo="},
                    "details": {"pixels": 8.0, "biases": 1.12, "sum": 9.12, "relative_error": 1e-12},
                    "grade": None,
                }
            ]
        }
    )

    method: str
    title: str
    target: str
    score: float
    probability: float
    asked: str = Field(description="What is explained, in words.")
    notes: list[str]
    flat: bool = Field(description="Whether the map says nothing of where.")
    reason: str = Field(description="Why it is flat.")
    strongest: tuple[int, int] | None = Field(description="Row and column of the strongest point for the class.")
    map: str = Field(description="The map as the address of a picture, clear where there is nothing; red speaks for.")
    scale: ScaleBody
    details: dict[str, Any] = Field(description="Figures of the method's own: trace-back's sums.")
    grade: GradeBody | None


@router.post("/evidence", responses=answers(404, 408, 413, 422, 503))
async def evidence(context: Shared, asked: EvidenceAsked) -> EvidenceBody:
    """Return what in a walk's image speaks for a class; a method that cannot be used says why."""
    return await context.work(_evidence, context, context.entry(asked.id), asked)


def _evidence(context: Context, entry: Entry, asked: EvidenceAsked) -> EvidenceBody:
    method = find_method(asked.method)
    question = Question(context.classifier, entry.walk.subject, _target(context, asked.target))
    found = ask(method, question)
    (grade,) = grades([found]) if asked.grade else (None,)
    return EvidenceBody(
        method=found.method,
        title=found.title,
        target=shown(found.target),
        score=found.score,
        probability=found.probability,
        asked=found.asked,
        notes=[shown(note) for note in found.notes],
        flat=found.flat,
        reason=found.reason,
        strongest=found.strongest,
        map=data_uri(_layer(found)),
        scale=scale_body(Scale.of(found.smooth_hw, signed=True)),
        details=finite(dict(found.details)),
        grade=grade and _grade(grade),
    )


def _target(context: Context, target: str | None) -> int | None:
    """Return the number of a class by its name as it is shown."""
    names = [shown(name) for name in context.classifier.classes]
    if target is None:
        return None
    if target not in names:
        raise ConfigError(f"the network knows no class {target!r}.\nChoose one of {examples(names, 10)}.")
    return names.index(target)


def _grade(grade: Grade) -> GradeBody:
    figures = grade.to_dict()
    return GradeBody(verdict=figures.pop("verdict"), sentences=figures.pop("sentences"), figures=finite(figures))


def _layer(found: Evidence) -> bytes:
    """Return the map as the content of a PNG file to be laid over the image: clear where there is nothing.

    Over black a colour c of opacity a shows as a·c, over white as 255·(1 - a) + a·c: both say what a and c are,
    so that the page shows the very colours of all other pictures of evidence.
    """
    map_hw = found.smooth_hw
    black: npt.NDArray[np.uint8] = np.zeros((*map_hw.shape, 3), np.uint8)
    if found.flat:
        rgba = np.zeros((*map_hw.shape, 4), np.uint8)
    else:
        over_black, over_white = (overlay(picture, map_hw, opacity=1).astype(float) for picture in (black, 255 - black))
        opacity = 1 - (over_white - over_black).mean(axis=2, keepdims=True) / 255
        colours = np.divide(over_black, opacity, out=np.zeros_like(over_black), where=opacity > 0)
        rgba = np.rint(np.concatenate([colours.clip(0, 255), opacity * 255], axis=2)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgba).save(buffer, "PNG")
    return buffer.getvalue()


def finite(data: Any) -> Any:
    """Return plain data for JSON: numbers that are not finite become null, names become text."""
    if isinstance(data, dict):
        return {shown(str(name)): finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    if isinstance(data, float | np.floating):
        return float(data) if math.isfinite(data) else None
    return int(data) if isinstance(data, np.integer) else data

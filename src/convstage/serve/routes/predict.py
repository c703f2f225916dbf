"""Predictions: of images that are sent, and of the run's own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ...errors import DataError
from ...subject import Subject
from ...text import shown
from ..context import Context, Shared
from ..decoding import Uploads
from ..limits import Limits
from ..problems import Problem, answers
from .images import FAR
from .limited import FORM, IMAGE, JSON, LimitedRoute, body_of, content_type, is_image, one_of, read_files, read_json

router = APIRouter(prefix="/api", tags=["prediction"], route_class=LimitedRoute)

#: What the form calls its images.
FIELD = "images"
_LIMITS = Limits()


class Indices(BaseModel):
    """Images of the run's data, by their rows in ``split.json``."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"indices": [0, 1]}]})

    indices: list[Annotated[int, Field(ge=0, lt=FAR)]] = Field(min_length=1, max_length=_LIMITS.images)


class PredictionBody(BaseModel):
    """What the network says of an image."""

    name: str
    label: str
    probability: float
    probabilities: dict[str, float]


class PredictionsBody(BaseModel):
    """What the network says of some images, in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "predictions": [
                        {
                            "name": "seven.png",
                            "label": "7",
                            "probability": 0.98,
                            "probabilities": {"1": 0.02, "7": 0.98},
                        }
                    ]
                }
            ]
        }
    )

    predictions: list[PredictionBody]


@router.post(
    "/predict",
    response_model=PredictionsBody,
    responses=answers(404, 408, 413, 415, 422, 503),
    openapi_extra=body_of(Indices, FIELD, several=True, bare=True),
)
async def predict(request: Request, context: Shared) -> Response:
    """Return class names and probabilities of images: the body, files in a form, or the run's own.

    All of them are predicted, or none: a problem says which one cannot be read.
    """
    kind = content_type(request)
    if kind == FORM:
        files = await read_files(request, FIELD, context.limits.images)
        subjects = await context.soon(_read, context, files)
    elif kind == JSON:
        asked = await read_json(request, Indices)
        subjects = await context.soon(_own, context, asked.indices)
    elif is_image(kind):
        subjects = await context.soon(_read, context, [(await request.body(), None)])
    else:
        raise one_of(FORM, JSON, IMAGE)
    rows = await context.probabilities([subject.pixels_hwc for subject in subjects])
    said = [prediction(context, subject, row) for subject, row in zip(subjects, rows, strict=True)]
    # As text at once: FastAPI would check the model a second time, a tenth of what a small image costs.
    return Response(PredictionsBody(predictions=said).model_dump_json(), media_type=JSON)


def prediction(context: Context, subject: Subject, probabilities: Any) -> PredictionBody:
    """Return the probabilities, shape (classes,), of an image as it is answered."""
    said = context.classifier.describe(probabilities)
    return PredictionBody(
        name=shown(subject.name),
        label=shown(said.label),
        probability=said.probability,
        probabilities={shown(name): value for name, value in said.probabilities.items()},
    )


def _read(context: Context, files: list[tuple[bytes, str | None]]) -> list[Subject]:
    uploads, subjects = Uploads(context.classifier.geometry, context.limits), []
    for number, (content, name) in enumerate(files, 1):
        try:
            subjects.append(uploads.read(content, name))
        except DataError as error:
            where = f"image {number} of {len(files)}, " if len(files) > 1 else ""
            raise Problem(422, f"{where}{error}", number=number) from None
    return subjects


def _own(context: Context, indices: list[int]) -> list[Subject]:
    return [context.images.subject(index) for index in indices]

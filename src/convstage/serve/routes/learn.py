"""Learn: questions made from this very network, and whether an answer is right; nothing is kept between the two."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...text import shown
from ...walkthrough.steps import steps_of
from ..context import Context, Shared
from ..learn import SEEDS, Kind, Material, Question, ask, kind_of, kinds_for, mark
from ..problems import Problem, answers
from .limited import LimitedRoute

router = APIRouter(tags=["learn"], route_class=LimitedRoute)

#: Text of an answer; the longest is the name of a class.
LONGEST_ANSWER = 1000
NO_IMAGE = (
    "The run's images are missing or have changed since training, so that questions are not about an image's way."
)


class LearnRequest(BaseModel):
    """Which question."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"kind": "convolution", "seed": 7}]})

    kind: Annotated[
        str | None,
        Field(max_length=60, description="The kind of question; of null the one whose turn it is by the seed."),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=SEEDS, strict=True, description="The same seed asks the same question.")]
    index: Annotated[
        int | None,
        Field(ge=0, strict=True, description="The image that goes through the network; of null one by seed."),
    ] = None


class KindName(BaseModel):
    """A kind of question."""

    name: str
    title: str


class QuestionTable(BaseModel):
    """Numbers that a question gives; a matrix has no heads."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class About(BaseModel):
    """What a question is about."""

    layer: str | None = Field(description="A layer by its name in the plan.")
    cell: list[int] | None = Field(description="Row, column and filter of its map, or the place in its vector.")
    index: int | None = Field(description="An image, by its number among the run's images.")


EXAMPLE: dict[str, Any] = {
    "kind": "output-size",
    "title": "The size of an output",
    "seed": 7,
    "question": "stage1.conv reads maps of 28×28×1. With a filter of 5×5, stride 2 and padding 0, "
    "how many rows would its output have?",
    "hint": "n_out = floor((n + 2p - f)/s) + 1",
    "decimals": 0,
    "unit": "rows",
    "choices": None,
    "tables": [],
    "about": {"layer": "stage1.conv", "cell": None, "index": None},
    "kinds": [{"name": "output-size", "title": "The size of an output"}],
    "note": None,
}


class LearnResponse(BaseModel):
    """A question. Its answer is not in it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    kind: str
    title: str
    seed: int
    question: str
    hint: str = Field(description="The rule that leads to the answer.")
    decimals: int = Field(description="So many decimals are asked for; 0 for a count.")
    unit: str
    choices: list[str] | None = Field(description="What to choose from; null where a number is asked for.")
    tables: list[QuestionTable]
    about: About
    kinds: list[KindName] = Field(description="Kinds that can be asked about this network.")
    note: str | None = Field(description="Why something is left out.")


class AnswerRequest(LearnRequest):
    """An answer to the question that kind, seed and index stand for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "output-size", "seed": 7, "answer": "12"}]}
    )

    answer: (
        Annotated[float, Field(strict=True, allow_inf_nan=False)]
        | Annotated[str, Field(strict=True, max_length=LONGEST_ANSWER)]
        | None
    ) = Field(description="A number, also as text such as -1/9, or one of the choices; null only to see what is right.")


class AnswerResponse(BaseModel):
    """Whether an answer is right, and how the right one comes about."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "right": True,
                    "answer": "12 rows",
                    "explanation": "floor((28 + 2×0 - 5)/2) + 1 = floor(23/2) + 1 = 11 + 1 = 12",
                    "about": {"layer": "stage1.conv", "cell": None, "index": None},
                }
            ]
        }
    )

    right: bool
    answer: str
    explanation: str
    about: About


@router.post(
    "/api/learn", response_model=LearnResponse, responses=answers(404, 413, 422, 503), summary="A question to predict"
)
async def learn(asked: LearnRequest, context: Shared) -> dict[str, Any]:
    """Return a question about this very network. The same kind, seed and image give the same question."""
    return await context.work(_question, context, asked)


@router.post(
    "/api/learn/answer",
    response_model=AnswerResponse,
    responses=answers(404, 413, 422, 503),
    summary="Whether an answer is right",
)
async def answer(given: AnswerRequest, context: Shared) -> dict[str, Any]:
    """Return whether an answer is right, computed anew from kind, seed and image, and the arithmetic behind it."""
    return await context.work(_answer, context, given)


def _question(context: Context, asked: LearnRequest) -> dict[str, Any]:
    material, kind, question = _made(context, asked)
    return {
        **question.to_dict(),
        "kind": kind.name,
        "title": kind.title,
        "seed": asked.seed,
        "kinds": [{"name": one.name, "title": one.title} for one in kinds_for(material)],
        "note": None if material.steps else NO_IMAGE,
    }


def _answer(context: Context, given: AnswerRequest) -> dict[str, Any]:
    _, _, question = _made(context, given)
    right = given.answer is not None and mark(question, given.answer)
    return {
        "right": right,
        "answer": question.written,
        "explanation": question.arithmetic,
        "about": question.to_dict()["about"],
    }


def _made(context: Context, asked: LearnRequest) -> tuple[Material, Kind, Question]:
    material = _material(context, asked.index, asked.seed)
    kind = kind_of(material, asked.kind, asked.seed)
    return material, kind, ask(material, kind, asked.seed)


def _material(context: Context, index: int | None, seed: int) -> Material:
    """Return what questions are about: the image that is named, or one of the test images by seed."""
    classifier = context.classifier
    classes = tuple(map(shown, classifier.classes))
    counted = Counter((row["part"], shown(row["class"])) for row in context.images.rows)
    parts = {part: {name: counted[part, name] for name in classes} for part in ("train", "val", "test")}
    rows = context.images.of_part("test") or context.images.of_part(None)
    place = index if index is not None else rows[seed % len(rows)] if rows else None
    if place is None:
        return Material(classifier.plan, classes, parts)
    try:
        subject = context.images.subject(place)
    except Problem:
        if index is not None:
            raise
        return Material(classifier.plan, classes, parts)
    truth = None if subject.truth is None else shown(subject.truth)
    return Material(classifier.plan, classes, parts, steps_of(classifier, subject), place, truth)

"""The pattern bench: the plan of a pattern, its picture, and the members of a family."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...errors import ConfigError, PatternError
from ...pattern import Family, Pattern, Plan
from ...pattern.draw import draw
from ...pattern.pattern import image_shape
from ...pattern.show import COLUMNS, plan_members
from ...pattern.tree import Chain, Layer, Node, Optional, Repeat, optionals, substitute
from ...text import count, memory, size
from ..context import Context, Shared
from ..limits import Limits
from ..problems import answers
from .limited import LimitedRoute

router = APIRouter(prefix="/api", tags=["plan"], route_class=LimitedRoute)

_LIMITS = Limits()
#: The counts of a free letter when nothing is said of it.
USUAL = "1..3"
#: The most that a letter is tried with, to say what fits: as far as a slider goes.
FAR = 9
#: Layers that are planned, of all letters together, to say what fits.
TRIED_LAYERS = 5_000
#: Pictures that are kept: a slider goes back and forth.
PICTURES = 32
#: Fonts and styles of drawings belong to the process: one drawing at a time.
_DRAWING = Lock()

Shape = tuple[int, int, int]


class PlanAsked(BaseModel):
    """A pattern or a family."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"pattern": "INPUT -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER", "input": "28x28x1", "classes": 10},
                {"pattern": "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> CLASSIFIER", "counts": {"N": "1..2", "M": "2"}},
                {"pattern": "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> CLASSIFIER", "members": False},
            ]
        },
    )

    pattern: str = Field(max_length=_LIMITS.pattern_characters)
    input: str | None = Field(None, max_length=40, description="Such as 28x28x1; the network's when nothing says it.")
    classes: int | None = Field(None, ge=1, le=10**6, description="The network's when nothing says it.")
    counts: dict[Annotated[str, Field(pattern="^[A-Za-z]$")], Annotated[str, Field(max_length=20)]] | None = Field(
        None, description="Of free letters: a count such as 2, or a range such as 1..3."
    )
    keep: list[bool | None] | None = Field(
        None, max_length=64, description="Of optional parts, in the order of the text; null tries both."
    )
    members: bool = Field(
        True, description="Whether the members of a family are listed; else it is only said what it is, however large."
    )
    picture: bool = Field(True, description="Whether to draw it: that takes most of the time.")


class TableBody(BaseModel):
    """The plan as people read it."""

    titles: list[str]
    rows: list[list[str]]
    totals: dict[str, str]


class LetterBody(BaseModel):
    """The counts of a free letter."""

    low: int
    high: int
    fits: list[int] = Field(
        description=f"The counts from 0 to {FAR} that fit, while every other letter has its lowest count and "
        "optional parts are there unless it is said that they are not; fewer where those are too many layers to try."
    )


class FamilyBody(BaseModel):
    """The members of a family."""

    letters: dict[str, LetterBody]
    optional: list[str] = Field(description="The optional parts, in the order of the text.")
    total: int = Field(description="How many members there are, whether they are listed or not.")
    members: list[dict[str, Any]] = Field(
        description="Of each counts, pattern, fits; parameters and multiply_adds, or the problem."
    )


class Assumed(BaseModel):
    """What was taken of the network that is served, as nothing else said it."""

    input: str | None
    classes: int | None


class PlanBody(BaseModel):
    """A plan, or a family."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "pattern": "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER",
                    "plan": {"layers": [], "totals": {"parameters": 7890}},
                    "table": {"titles": ["layer"], "rows": [["input"]], "totals": {"parameters": "7,890"}},
                    "svg": "<svg/>",
                    "assumed": {"input": "28x28x1", "classes": 10},
                    "family": None,
                }
            ]
        }
    )

    pattern: str
    plan: dict[str, Any] | None = Field(description="The account of every layer, and totals; null of a family.")
    table: TableBody | None
    svg: str | None = Field(description="The picture.")
    assumed: Assumed
    family: FamilyBody | None


@router.post("/plan", responses=answers(408, 413, 422, 503))
async def plan(context: Shared, asked: PlanAsked) -> PlanBody:
    """Account for every layer of a pattern, or list the members of a family; nothing is allocated."""
    return await context.work(_plan, context, asked)


def _plan(context: Context, asked: PlanAsked) -> PlanBody:
    pattern = _kept(Pattern(asked.pattern), asked.keep)
    image = image_shape(asked.input) if asked.input else None if pattern.image else context.classifier.plan.image
    classes = asked.classes or (None if pattern.classes else len(context.classifier.classes))
    assumed = Assumed(
        input="x".join(map(str, image)) if image and not asked.input else None,
        classes=None if asked.classes else classes,
    )
    family = None
    if pattern.is_family or asked.counts:
        ranges = dict.fromkeys(pattern.letters, USUAL)
        ranges |= {letter.upper(): counts for letter, counts in (asked.counts or {}).items()}
        members = pattern.family(**ranges)
        if len(members) > 1 or not asked.members:
            return PlanBody(
                pattern=str(pattern), plan=None, table=None, svg=None, assumed=assumed,
                family=_family(context, members, image, classes, listed=asked.members),
            )  # fmt: skip
        family = _described(members, image, classes)
        pattern = next(iter(members))
    _check_size(pattern.tree, 1, context)
    planned = pattern.plan(image, classes)
    return PlanBody(
        pattern=planned.pattern,
        plan=planned.to_dict(),
        table=_table(planned),
        svg=picture(planned.pattern, planned.image, planned.classes) if asked.picture else None,
        assumed=assumed,
        family=family,
    )


def _kept(pattern: Pattern, keep: list[bool | None] | None) -> Pattern:
    """Return the pattern with some optional parts kept, or left out."""
    parts = optionals(pattern.tree)
    chosen = keep or []
    if len(chosen) > len(parts):
        raise ConfigError(f"the pattern has {len(parts)} optional parts; {len(chosen)} are chosen.")
    spans = {part.span: choice for part, choice in zip(parts, chosen, strict=False) if choice is not None}
    tree = substitute(pattern.tree, {}, spans)
    return Pattern(pattern.text, tree if isinstance(tree, Chain) else Chain((tree,), pattern.tree.span))


def _family(context: Context, family: Family, image: Shape | None, classes: int | None, *, listed: bool) -> FamilyBody:
    if not listed:
        return _described(family, image, classes)
    limits = context.limits
    if len(family) > limits.members:
        raise ConfigError(
            f"the family has {len(family):,} members; at most {limits.members} are listed.\n"
            "Narrow a range, or choose for an optional part whether it is kept."
        )
    largest = {letter: counts[-1] for letter, counts in family.ranges.items()}
    _check_size(substitute(family.pattern.tree, largest, {}), len(family), context)
    members = plan_members(family, image, classes)
    if not any(member.plan for member in members):
        members[0].pattern.plan(image, classes)  # raises: what is wrong with it is wrong with all
    said = _described(family, image, classes)
    said.members = [{"counts": member.counts, **_without(member.to_dict(), member.counts)} for member in members]
    return said


def _described(family: Family, image: Shape | None, classes: int | None) -> FamilyBody:
    fits = _fitting(family, image, classes)
    return FamilyBody(
        letters={
            letter: LetterBody(low=min(counts), high=max(counts), fits=fits[letter])
            for letter, counts in family.ranges.items()
        },
        optional=[str(part.body) for part in optionals(family.pattern.tree)],
        total=len(family),
        members=[],
    )


def _fitting(family: Family, image: Shape | None, classes: int | None) -> dict[str, list[int]]:
    """Return the counts of each letter that fit, while the others have their lowest."""
    tree = substitute(
        family.pattern.tree, {}, dict.fromkeys((part.span for part in optionals(family.pattern.tree)), True)
    )
    lowest = {letter: min(counts) for letter, counts in family.ranges.items()}
    fits: dict[str, list[int]] = {letter: [] for letter in lowest}
    layers = 0
    for number in range(FAR + 1):
        members = {letter: substitute(tree, lowest | {letter: number}, {}) for letter in lowest}
        layers += sum(map(_layers, members.values()))
        if layers > TRIED_LAYERS:
            break
        for letter, member in members.items():
            assert isinstance(member, Chain)
            with suppress(PatternError):
                Pattern(family.pattern.text, member).plan(image, classes)
                fits[letter].append(number)
    return fits


def _without(data: dict[str, Any], names: dict[str, int]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


def _check_size(tree: Node, members: int, context: Context) -> None:
    """Refuse what would take long to plan, before it is written out."""
    layers = _layers(tree) * members
    if layers > context.limits.planned_layers:
        raise ConfigError(
            f"that is {layers:,} layers to plan; at most {context.limits.planned_layers:,} are planned at once.\n"
            "Repeat less often, or narrow a range."
        )


def _layers(node: Node) -> int:
    match node:
        case Chain(terms):
            return sum(map(_layers, terms))
        case Repeat(body, int() as number):
            return _layers(body) * number
        case Repeat(body) | Optional(body):
            return _layers(body)
        case Layer():
            return 1


def _table(planned: Plan) -> TableBody:
    return TableBody(
        titles=[column.title for column in COLUMNS],
        rows=[[column.cell(row) for column in COLUMNS] for row in planned.rows],
        totals={
            "parameters": count(planned.parameters),
            "multiply-adds": count(planned.multiply_adds),
            "memory": memory(planned.activation_bytes),
            "input": size(planned.image),
        },
    )


@lru_cache(PICTURES)
def picture(pattern: str, image: Shape, classes: int) -> str:
    """Return the picture of a plan as SVG.

    Parameters
    ----------
    pattern : str
        As a plan writes it.
    image : (int, int, int)
    classes : int
    """
    with _DRAWING, tempfile.TemporaryDirectory() as folder:
        drawn = draw(Pattern(pattern).plan(image, classes), Path(folder) / "network.svg").read_text(encoding="utf-8")
    return drawn[drawn.index("<svg") :]

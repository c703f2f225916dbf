"""What is served: the run, its network, and what can be done with it."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ...errors import RunError
from ...explain import METHODS
from ...filters import KERNELS
from ...run import Run
from ...stage.reference import POOLINGS
from ...text import shown
from ..context import Context, Shared
from ..problems import answers

router = APIRouter(prefix="/api", tags=["run"])

#: Figures of the evaluation that the page shows.
FIGURES = ("accuracy", "balanced_accuracy", "auroc")


class Input(BaseModel):
    """What the network reads."""

    height: int
    width: int
    channels: int


class Group(BaseModel):
    """Layers that are shown together."""

    name: str
    title: str
    steps: list[str]


class MethodBody(BaseModel):
    """A way to find evidence."""

    name: str
    title: str
    words: str
    source: str
    exact: bool


class KernelBody(BaseModel):
    """A filter made by hand."""

    name: str
    words: str
    rows: list[list[str]] = Field(description="Its weights as fractions.")
    denominator: int | None
    source: str


class RunBody(BaseModel):
    """A run, its network, and what can be done with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "digits-1",
                    "pattern": "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER",
                    "classes": ["0", "1"],
                    "input": {"height": 28, "width": 28, "channels": 1},
                    "plan": {"totals": {"parameters": 1610}},
                    "stages": [{"name": "stage1", "title": "stage1: 28×28×1 becomes 14×14×4",
                                "steps": ["stage1.conv", "stage1.relu", "stage1.pool"]}],
                    "methods": [{"name": "trace-back", "title": "Trace-back", "words": "the score as an exact sum",
                                 "source": "Shrikumar et al. 2016", "exact": True}],
                    "kernels": [{"name": "loopy", "words": "a small loop", "rows": [["1/9"]], "denominator": 9,
                                 "source": "the lecture"}],
                    "poolings": ["max", "avg"],
                    "images": {"train": 700, "val": 150, "test": 150},
                    "figures": {"accuracy": {"value": 0.97, "low": 0.94, "high": 0.99}},
                    "verdict": "The network clearly exceeds the shortcut.",
                    "limits": {"images": 64},
                    "version": "0.1.0",
                }
            ]
        }
    )  # fmt: skip

    name: str
    pattern: str
    classes: list[str]
    input: Input
    plan: dict[str, Any] = Field(description="The account of every layer, and totals.")
    stages: list[Group]
    methods: list[MethodBody]
    kernels: list[KernelBody]
    poolings: list[str]
    images: dict[str, int] = Field(description="How many images each part has.")
    figures: dict[str, Any] | None = Field(description="What the run is worth; null when it was not evaluated.")
    verdict: str | None = Field(description="Whether it is better than the strongest shortcut, in words.")
    limits: dict[str, float]
    version: str


@router.get("/run", responses=answers())
async def run(context: Shared) -> RunBody:
    """Describe the run, its network, and what can be done with it."""
    return await context.work(_describe, context)


def _describe(context: Context) -> RunBody:
    plan, figures, verdict = context.classifier.plan, None, None
    metrics = _metrics(context.run)
    if metrics is not None:
        figures = {name: metrics[name] for name in FIGURES if name in metrics}
        verdict = (metrics.get("verdict") or {}).get("words")
    height, width, channels = plan.image
    return RunBody(
        name=shown(context.run.path.resolve().name),
        pattern=plan.pattern,
        classes=[shown(name) for name in context.classifier.classes],
        input=Input(height=height, width=width, channels=channels),
        plan=plan.to_dict(),
        stages=[Group(name=name, title=title, steps=steps) for name, title, steps in context.stages],
        methods=[MethodBody.model_validate(method, from_attributes=True) for method in METHODS.values()],
        kernels=[
            KernelBody(
                name=kernel.name,
                words=kernel.words,
                rows=[[str(number) for number in row] for row in kernel.rows],
                denominator=kernel.denominator,
                source=kernel.source,
            )
            for kernel in KERNELS.values()
        ],
        poolings=list(POOLINGS),
        images=context.images.counts,
        figures=figures,
        verdict=verdict,
        limits=asdict(context.limits),
        version=version("convstage"),
    )


def _metrics(run: Run) -> dict[str, Any] | None:
    try:
        return run.metrics if run.has_metrics else None
    except RunError:
        return None

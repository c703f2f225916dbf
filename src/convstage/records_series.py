"""What the JSON files of a series must hold: of a cross-validation, and of a comparison."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .records import (
    Count,
    FigureRecord,
    MetricsRecord,
    ModelRecord,
    Name,
    Part,
    Record,
    SettingsRecord,
    Share,
    Text,
)

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seconds = Annotated[float, Field(ge=0)]


class SeriesImageRecord(Record):
    """An image of a series."""

    name: Name
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    label: Annotated[Text, Field(alias="class")]
    group: Text = ""


class SeriesRecord(Record):
    """What the settings of every series hold."""

    format: int
    data: Name
    settings: SettingsRecord
    model: ModelRecord

    def _check_images(self, images: list[Any]) -> None:
        if len({image.name for image in images}) < len(images):
            raise ValueError("every image must be named once")
        if not {image.label for image in images} <= set(self.model.classes):
            raise ValueError("every image's class must be one of the model's")


# ------------------------------------------------------------- folds.json, crossval.json


class FoldImageRecord(SeriesImageRecord):
    """An image, and the fold that tests it."""

    fold: Annotated[int, Field(ge=1)]


class FoldsRecord(SeriesRecord):
    """``folds.json``, see `convstage.cross_validation.crossval`."""

    folds: Annotated[int, Field(ge=2, le=100)]
    images: Annotated[list[FoldImageRecord], Field(min_length=1)]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self._check_images(self.images)
        if {image.fold for image in self.images} != set(range(1, self.folds + 1)):
            raise ValueError("every fold must have images, and every image one of the folds")
        return self


class FoldRecord(Record):
    """The figures of a fold."""

    fold: Count
    run: Text
    epochs: Count
    images: Count
    accuracy: Share
    balanced_accuracy: Share
    macro_f1: float | None
    auroc: float | None
    average_precision: float | None


class SpreadRecord(Record):
    """Mean and standard deviation."""

    mean: float
    std: float


class CrossValidationRecord(Record):
    """``crossval.json``."""

    folds: Count
    per_fold: Annotated[list[FoldRecord], Field(min_length=1)]
    over_folds: dict[Text, SpreadRecord | None]
    pooled: MetricsRecord

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if missing := set(FoldRecord.model_fields) - {"fold", "run", "epochs", "images"} - set(self.over_folds):
            raise ValueError(f"over_folds must have {min(missing)}")
        return self


# ------------------------------------------------------------- compare.json, comparison.json, shifts.json


class ComparedImageRecord(SeriesImageRecord):
    """An image, and its part for each seed."""

    parts: list[Part]


class CompareRecord(SeriesRecord):
    """``compare.json``, see `convstage.comparison.compare`."""

    patterns: Annotated[list[Name], Field(min_length=1)]
    baselines: list[Name]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    images: Annotated[list[ComparedImageRecord], Field(min_length=1)]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        self._check_images(self.images)
        for several, what in ((self.seeds, "seed"), (self.patterns, "pattern"), (self.baselines, "baseline")):
            if len(set(several)) < len(several):
                raise ValueError(f"every {what} must be named once")
        if {len(image.parts) for image in self.images} != {len(self.seeds)}:
            raise ValueError("every image must have a part for each seed")
        return self


class TurnRecord(Record):
    """How one training did."""

    seed: Seed
    run: Text
    images: Count
    accuracy: FigureRecord
    shifts: list[FigureRecord]
    seconds: Seconds
    epochs: Count


class OverSeedsRecord(Record):
    """Means and standard deviations over the seeds."""

    accuracy: SpreadRecord
    shifts: list[SpreadRecord]
    seconds: Seconds
    epochs: Seconds


class DifferenceRecord(Record):
    """How much better one is than the first."""

    conclusion: Literal["clearly better", "clearly worse", "not told apart", "too few images to tell"]
    accuracy: FigureRecord
    images: Count
    groups: Count


class SideRecord(Record):
    """One of what is compared."""

    name: Text
    kind: Literal["pattern", "baseline"]
    what: Text
    parameters: Count
    multiply_adds: Count
    per_seed: Annotated[list[TurnRecord], Field(min_length=1)]
    over_seeds: OverSeedsRecord | None
    difference: DifferenceRecord | None


class ComparisonRecord(Record):
    """``comparison.json``."""

    data: Text
    images: Count
    seeds: Annotated[list[Seed], Field(min_length=1)]
    distances: Annotated[list[Count], Field(min_length=1)]
    sides: Annotated[list[SideRecord], Field(min_length=1)]
    intervals: Text
    processor: Text
    threads: Count

    @model_validator(mode="after")
    def _agree(self) -> Self:
        far = len(self.distances)
        for place, side in enumerate(self.sides):
            over = [side.over_seeds.shifts] if side.over_seeds else []
            if {len(shifts) for shifts in [turn.shifts for turn in side.per_seed] + over} != {far}:
                raise ValueError("every side must have a figure for each distance")
            if bool(side.difference) != bool(place):
                raise ValueError("every side but the first must have a difference")
        return self


class ShiftsRecord(Record):
    """``shifts.json``: the share of moved copies of each test image that were told right, for every distance."""

    distances: list[Count]
    right: Annotated[dict[Text, list[Share]], Field(min_length=1)]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if {len(shares) for shares in self.right.values()} != {len(self.distances)}:
            raise ValueError("every image must have a share for each distance")
        return self


class BaselineRecord(Record):
    """What a baseline is and cost, in its ``metrics.json``."""

    name: Text
    what: Text
    parameters: Count
    multiply_adds: Count
    epochs: Count
    seconds: Seconds


__all__ = [
    "BaselineRecord",
    "CompareRecord",
    "ComparisonRecord",
    "CrossValidationRecord",
    "FoldsRecord",
    "ShiftsRecord",
]

"""What the files of a search must hold, and its study: a folder and a data base may come from anybody."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..records import (
    Count,
    Figure,
    ImageRecord,
    ModelRecord,
    Name,
    Record,
    SettingsRecord,
    SplitRecord,
    Text,
)
from ..records_series import DifferenceRecord

Monitor = Literal["balanced_accuracy", "accuracy", "loss"]


class SearchRecord(SplitRecord):
    """``search.json``, see `convstage.search.joining`."""

    format: int
    study: Name
    storage: Name | None
    data: Name
    here: dict[Text, Any]
    model: ModelRecord
    images: Annotated[list[ImageRecord], Field(min_length=1)]

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not {image.label for image in self.images} <= set(self.model.classes):
            raise ValueError("every image's class must be one of the model's")
        return self


class ImagesRecord(Record):
    """What tells data from other data."""

    count: Count
    classes: list[Text]
    sha256: Text


class SearchSettingsRecord(SettingsRecord):
    """The settings that all trials have in common."""

    monitor: Monitor
    epochs: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]


class ChoiceRecord(Record):
    """How a setting is searched, see `convstage.search.choices.Choice`."""

    name: Name
    values: list[bool | int | float | Text]
    low: float
    high: float
    log: bool

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.values and not (0 < self.low < self.high if self.log else self.low < self.high):
            raise ValueError("there must be values, or a range from low to high")
        return self


class SetupRecord(Record):
    """What a study says of itself, see `convstage.search.setup.Setup`."""

    layout: int
    family: Name
    letters: dict[Text, Annotated[list[Count], Field(min_length=1)]]
    searched: dict[Text, ChoiceRecord]
    limits: dict[Text, Any]
    sampler: Text
    pruner: Text
    default: bool
    settings: SearchSettingsRecord
    images: ImagesRecord


class TrialRecord(Record):
    """A line of the leaderboard."""

    rank: Annotated[int, Field(ge=1)] | None
    trial: Count
    state: Text
    default: bool
    pattern: Text | None
    parts: dict[Text, Any]
    settings: dict[Text, Any]
    value: float | None
    figures: dict[Text, Figure] | None
    epochs: Count | None
    seconds_per_epoch: Annotated[float, Field(ge=0)] | None
    parameters: Count | None
    multiply_adds: Count | None
    front: bool
    problem: Text | None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.rank or self.front) and None in (self.value, self.multiply_adds, self.parameters):
            raise ValueError("a trial with a rank must have its value and its costs")
        return self


class WinnerRecord(Record):
    """How a trial did on the test part."""

    trial: Count
    images: Count | None
    accuracy: Figure
    balanced_accuracy: Figure

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.accuracy is not None and None in (self.images, self.balanced_accuracy):
            raise ValueError("with an accuracy there must be the others")
        return self


class ElsewhereRecord(Record):
    """Where a winner lies that is not here."""

    machine: Text | None
    run: Text | None


class LeaderboardRecord(Record):
    """``leaderboard.json``, see `convstage.search.result.result`."""

    study: Text
    monitor: Monitor
    counts: dict[Text, Count]
    trials: list[TrialRecord]
    winner: WinnerRecord | None
    default: WinnerRecord | None
    difference: DifferenceRecord | None
    elsewhere: ElsewhereRecord | None
    looks: Count

    @model_validator(mode="after")
    def _agree(self) -> Self:
        ranks = [row.rank for row in self.trials if row.rank is not None]
        if ranks != list(range(1, len(ranks) + 1)) or len({row.trial for row in self.trials}) < len(self.trials):
            raise ValueError("every trial must be named once, and ranks be 1, 2, 3 …")
        if any(row.front for row in self.trials if row.rank is None) or "trials" not in self.counts:
            raise ValueError("counts, ranks and front must say the same")
        return self


__all__ = ["LeaderboardRecord", "SearchRecord", "SetupRecord"]

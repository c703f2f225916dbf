"""What the JSON files of a run folder must hold, so that whoever reads one may rely on it.

A run folder may come from anybody, by mail or from a shared disk, and may have been edited. `checked`
compares what a file holds with one of the shapes below. They ask for what is used, and let pass what
a later version may add.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .data.images import Channels, Resize
from .errors import RunError
from .files import read_json

#: Longest side of an image; `--size` takes no more, either.
SIDE = 99_999


def _text(value: Any) -> Any:
    # Pydantic's own texts are UTF-8; names of files and of class folders need not be, see `os.fsdecode`.
    if not isinstance(value, str):
        raise PydanticCustomError("text", "it should be a text")
    return value


def _name(value: Any) -> Any:
    if not _text(value):
        raise PydanticCustomError("name", "it should not be empty")
    return value


Text = Annotated[str, PlainValidator(_text)]
Name = Annotated[str, PlainValidator(_name)]
Part = Literal["train", "val", "test"]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=SIDE)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Record(BaseModel):
    """A JSON object: no conversions, no numbers that are not finite; more keys than these may be there."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)


# ------------------------------------------------------------- config.json, model.safetensors


class GeometryRecord(Record):
    """How images become pixels, see `convstage.data.Geometry`."""

    model_config = ConfigDict(extra="forbid")

    height: Side
    width: Side
    channels: Channels = "grey"
    resize: Resize = "stretch"


class StandardisationRecord(Record):
    """What values are shifted and scaled by, see `convstage.data.Standardisation`."""

    mean: Annotated[list[float], Field(min_length=1, max_length=3)]
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1, max_length=3)]


class ModelRecord(Record):
    """What it takes, beside the weights, to use a network; see `convstage.predict.describe_model`."""

    pattern: Name
    image: Annotated[list[Side], Field(min_length=3, max_length=3)]
    classes: Annotated[list[Name], Field(min_length=2)]
    geometry: GeometryRecord
    standardisation: StandardisationRecord
    shifts: Annotated[
        list[Annotated[list[Annotated[int, Field(ge=-SIDE, le=SIDE)]], Field(min_length=2, max_length=2)]],
        Field(min_length=1, max_length=9),
    ] = [[0, 0]]
    epoch: Count = 0

    @model_validator(mode="after")
    def _agree(self) -> Self:
        height, width, channels = self.image
        expected = 3 if self.geometry.channels == "colour" else 1
        if (height, width) != (self.geometry.height, self.geometry.width) or channels != expected:
            raise ValueError("image and geometry must say the same size and channels")
        if {len(self.standardisation.mean), len(self.standardisation.std)} != {channels}:
            raise ValueError("standardisation must have a mean and a std for every channel")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("every class must be named once")
        return self


class EnvironmentRecord(Record):
    """Versions and machine, see `convstage.run.environment`."""

    versions: dict[Text, Text]


class SettingsRecord(Record):
    """The settings as they were resolved; `convstage.config.make_config` checks the others when they are used."""

    batch_size: Annotated[int, Field(ge=1)]


class ChosenRecord(Record):
    """Of a search's winner: how many trials it was the best of, and by which validation figure."""

    trials: Annotated[int, Field(ge=1, le=2**40)]
    by: Text


class ConfigRecord(Record):
    """``config.json``."""

    format: int
    data: Name
    settings: SettingsRecord
    model: ModelRecord
    environment: EnvironmentRecord
    processes: Annotated[int, Field(ge=1, le=2**20)] = 1
    chosen: ChosenRecord | None = None


# ------------------------------------------------------------- split.json


class ImageRecord(Record):
    """An image of ``split.json``."""

    name: Name
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    label: Annotated[Text, Field(alias="class")]
    part: Part
    group: Text = ""


class SplitRecord(Record):
    """``split.json``."""

    images: Annotated[list[ImageRecord], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({image.name for image in self.images}) < len(self.images):
            raise ValueError("every image must be named once")
        return self


# ------------------------------------------------------------- last.safetensors, history.csv


class EpochRecord(Record):
    """A line of the history."""

    epoch: Count
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    images_per_second: float


class PositionRecord(Record):
    """Where training stands, see `convstage.checkpoint.Position`."""

    epoch: Count
    step: Count
    loss_sum: float
    correct: Count
    seen: Count
    best: Annotated[list[float], Field(max_length=2)]
    best_epoch: Count
    history: list[EpochRecord]

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if [line.epoch for line in self.history] != list(range(1, self.epoch + 1)):
            raise ValueError("the history must have every epoch up to the last")
        if self.best_epoch > self.epoch or len(self.best) != (2 if self.best_epoch else 0):
            raise ValueError("best and best_epoch must say the same")
        if self.correct > self.seen or bool(self.step) != bool(self.seen):
            raise ValueError("step, seen and correct must say the same")
        return self


# ------------------------------------------------------------- metrics.json, calibration.json


class FigureRecord(Record):
    """A figure and its interval."""

    value: float
    low: float
    high: float


Figure = FigureRecord | None


class ClassRecord(Record):
    """The figures of a class."""

    images: Count
    sensitivity: Figure
    specificity: Figure
    precision: Figure
    f1: Figure
    auroc: Figure
    average_precision: Figure


class CalibrationRecord(Record):
    """``calibration.json``, see `convstage.calibration.Calibration`."""

    temperature: Annotated[float, Field(gt=0)]
    images: Count
    nll: dict[Literal["before", "after"], float]
    calibration_error: dict[Literal["before", "after"], float]


class VerdictRecord(Record):
    """Whether the network beats the shortcut, see `convstage.verdict.Verdict`."""

    conclusion: Text
    words: Text
    images: Count
    cue: Text | None
    network: Figure
    shortcut: Figure
    difference: Figure


class MistakeRecord(Record):
    """An image that the network was wrong about."""

    image: Text
    truth: Text
    prediction: Text
    probability: Share


class MetricsRecord(Record):
    """``metrics.json``, see `convstage.evaluation.evaluate`."""

    data: Text
    part: Literal["train", "val", "test", "all", "folds"]
    classes: list[Text]
    images: Annotated[int, Field(ge=1, lt=2**63)]
    groups: Count = 0
    accuracy: FigureRecord
    balanced_accuracy: FigureRecord
    macro_f1: Figure
    auroc: Figure
    average_precision: Figure
    brier: Figure
    calibration_error: Figure
    per_class: dict[Text, ClassRecord]
    confusion: list[list[Count]]
    intervals: Text
    learned: Count = 0
    mistakes: list[MistakeRecord] = []
    calibration: CalibrationRecord | None = None
    verdict: VerdictRecord | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if set(self.per_class) != set(self.classes) or len(self.per_class) != len(self.classes):
            raise ValueError("per_class must have every class once")
        if {len(self.confusion), *map(len, self.confusion)} != {len(self.classes)}:
            raise ValueError("confusion must have a row and a column for every class")
        return self


# ------------------------------------------------------------- audit.json


class ListedRecord(Record):
    """An image that a finding is about."""

    file: Text
    remark: Text


class FindingRecord(Record):
    """Something that may mislead, see `convstage.audit.Finding`."""

    check: Text
    severity: Literal["error", "warning", "note"]
    message: Text
    files: list[ListedRecord] = []


class CueRecord(Record):
    """What a cue says of the classes."""

    constant: bool
    auroc: FigureRecord
    per_class: dict[Text, FigureRecord]


class ProbeRecord(Record):
    """The shortcut probe; without a reason why there is none, it names the strongest cue."""

    reason: Text
    strongest: Text | None = None
    cues: dict[Text, CueRecord] = {}
    images: Count = 0
    measured: Count = 0
    method: Text = ""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.reason and "strongest" not in self.model_fields_set:
            raise ValueError("there must be a reason, or the strongest cue")
        return self


class AuditRecord(Record):
    """``audit.json``, see `convstage.audit.Audit.to_dict`."""

    data: Text = ""
    images: Count = 0
    classes: list[Text] = []
    checks: dict[Text, Text] = {}
    findings: list[FindingRecord] = []
    probe: ProbeRecord


def stored(file: str | Path, shape: type[Record], remedy: str = "Restore it from a copy.") -> dict[str, Any]:
    """Return what a JSON file holds when it has a shape, see `checked`.

    Raises
    ------
    RunError
        It cannot be read, or has another shape.
    """
    return checked(file, read_json(file), shape, remedy)


def checked(
    file: str | Path, data: Any, shape: type[Record], remedy: str = "Restore it from a copy."
) -> dict[str, Any]:
    """Return what a file holds when it has a shape; the very data, not the shape's copy of it.

    Parameters
    ----------
    file : path
        Where it is from, for the message.
    data
        What the file holds, as JSON has it.
    shape : type
        One of the shapes of this module.
    remedy : str
        What to do about it, when it has another.

    Raises
    ------
    RunError
        It has another shape; the message says where.
    """
    try:
        shape.model_validate(data)
    except ValidationError as error:
        raise RunError(f"{file} is damaged: {_first(error)}.\n{remedy}") from None
    return dict(data)


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, as "model.image[2]: it should be …"."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    message = message[0].lower() + message[1:]
    return f"{place}: {message}" if place else message

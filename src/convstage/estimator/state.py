"""The state of a fitted estimator as plain data: for copies and other processes, and as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator

from ..data import Geometry
from ..errors import ConfigError, ConvstageError, RunError
from ..files import parse_json, read_tensors, write_tensors
from ..network import Network
from ..pattern import Pattern
from ..predict import restore
from ..records import GeometryRecord, Name, Record, Side, Text, checked
from ..text import cut
from .samples import Numbers

if TYPE_CHECKING:
    from .classifier import ConvNetClassifier

    Classifier = TypeVar("Classifier", bound=ConvNetClassifier)

#: Key of the file's metadata that describes the estimator; layout of the description.
KEY, FORMAT = "convstage-estimator", 1
#: What labels in a file may be: bool, whole and other numbers, and texts.
_TYPES = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|U\d+|O)")
#: More channels than this are taken for a slip, or an attack.
MAX_CHANNELS = 4096

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Channels = Field(min_length=1, max_length=MAX_CHANNELS)


class LabelsRecord(Record):
    """The labels, in the order of the logits, and their type as NumPy writes it."""

    dtype: Text
    values: Annotated[list[bool | int | float | Text], Field(min_length=2)]


class ScalingRecord(Record):
    """What values are shifted and scaled by, per channel."""

    mean: Annotated[list[float], _Channels]
    std: Annotated[list[Annotated[float, Field(gt=0)]], _Channels]


class EstimatorRecord(Record):
    """The description in a file of `ConvNetClassifier.save`."""

    format: Literal[1]
    parameters: dict[Text, Any]
    labels: LabelsRecord
    pattern: Name
    image: Annotated[list[Side], Field(min_length=3, max_length=3)]
    geometry: GeometryRecord | None
    standardisation: ScalingRecord
    shifts: Annotated[
        list[Annotated[list[Annotated[int, Field(ge=-99_999, le=99_999)]], Field(min_length=2, max_length=2)]],
        Field(min_length=1, max_length=9),
    ]
    history: list[dict[Text, _Finite]]
    best_epoch: Annotated[int, Field(ge=1)]
    feature_names: list[Text] | None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        height, width, channels = self.image
        if {len(self.standardisation.mean), len(self.standardisation.std)} != {channels}:
            raise ValueError("standardisation must have a mean and a std for every channel")
        if self.geometry is not None:
            of_files = (self.geometry.height, self.geometry.width, 3 if self.geometry.channels == "colour" else 1)
            if of_files != (height, width, channels):
                raise ValueError("image and geometry must say the same size and channels")
        if self.feature_names is not None and len(self.feature_names) != height * width * channels:
            raise ValueError("every feature must have a name, or none")
        return self


def to_plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return an estimator's state with the network as arrays, and without what follows from the rest."""
    if "network_" not in state:
        return state
    plain = {name: value for name, value in state.items() if name not in ("network_", "plan_")}
    weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in state["network_"].state_dict().items()}
    return {**plain, "pattern_": state["plan_"].pattern, "weights_": weights}


def from_plain(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state that `to_plain` was given."""
    if "weights_" not in state:
        return state
    whole = {name: value for name, value in state.items() if name not in ("pattern_", "weights_")}
    plan = Pattern(state["pattern_"]).plan(state["image_shape_"], len(state["classes_"]))
    network = plan.build(seed=0)
    # Copies: arrays that are mapped from a file cannot be written to, and tensors could be.
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state["weights_"].items()})
    return {**whole, "plan_": plan, "network_": network.eval()}


def save_file(estimator: ConvNetClassifier, path: Path) -> None:
    """Write a fitted estimator; see `ConvNetClassifier.save`."""
    network: Network = estimator.network_
    names = getattr(estimator, "feature_names_in_", None)
    described = {
        "format": FORMAT,
        "parameters": {name: _storable(name, value) for name, value in estimator.get_params(deep=False).items()},
        "labels": _labels(estimator.classes_),
        "pattern": estimator.plan_.pattern,
        "image": list(estimator.image_shape_),
        "geometry": None if estimator.geometry_ is None else estimator.geometry_.to_dict(),
        "standardisation": estimator.standardisation_.to_dict(),
        "shifts": [list(shift) for shift in estimator.shifts_],
        "history": estimator.history_,
        "best_epoch": estimator.best_epoch_,
        "feature_names": None if names is None else names.tolist(),
    }
    write_tensors(path, network.state_dict(), {KEY: json.dumps(described, allow_nan=False)})


def load_file(cls: type[Classifier], path: Path, device: str) -> Classifier:
    """Return the estimator that `save_file` has written."""
    tensors, metadata = read_tensors(path)
    if KEY not in metadata:
        raise RunError(f"{path} is another file: no estimator was saved to it.\nGive one that save has written.")
    told = checked(path, parse_json(metadata[KEY], path), EstimatorRecord)
    classes = _labels_from(path, told["labels"])
    estimator = _with_parameters(cls, path, told["parameters"])
    height, width, channels = told["image"]
    geometry = None if told["geometry"] is None else Geometry(**told["geometry"])
    description = {
        "pattern": told["pattern"],
        "image": told["image"],
        "classes": [str(label) for label in classes],
        "geometry": (geometry or Geometry(height, width)).to_dict(),
        "standardisation": told["standardisation"],
    }
    try:
        restored = restore(tensors, description, device)
    except ConvstageError as error:
        raise RunError(f"{path}: {error}") from None
    estimator.classes_ = classes
    estimator.image_shape_ = (height, width, channels)
    estimator.n_features_in_ = height * width * channels
    estimator.geometry_ = geometry
    estimator.plan_ = restored.plan
    estimator.network_ = restored.network
    estimator.standardisation_ = Numbers.from_dict(told["standardisation"])
    estimator.shifts_ = tuple((down, right) for down, right in told["shifts"])
    estimator.history_ = told["history"]
    estimator.best_epoch_ = told["best_epoch"]
    if told["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(told["feature_names"], object)
    return estimator


def _storable(name: str, value: Any) -> Any:
    """Return a parameter as JSON has it."""
    if isinstance(value, Pattern):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if name == "image_shape" and value is not None:
        return [int(side) for side in value]
    if name == "class_weight" and isinstance(value, Mapping):
        return [[_storable("", label), float(weight)] for label, weight in value.items()]
    if name == "random_state" and not isinstance(value, int):
        return None  # a stream of random numbers has gone on since
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ConfigError(f"{name or 'a label'} = {cut(repr(value))} cannot be saved.\nUse texts or numbers.")
    return value


def _with_parameters(cls: type[Classifier], path: Path, told: dict[str, Any]) -> Classifier:
    """Return an estimator with parameters of a file."""
    unknown = sorted(told.keys() - cls().get_params(deep=False).keys())
    if unknown:
        raise RunError(f"{path} is of another version: there is no parameter {cut(unknown[0])!r}.")
    parameters = dict(told)
    if isinstance(parameters.get("image_shape"), list):
        parameters["image_shape"] = tuple(parameters["image_shape"])
    try:
        if isinstance(parameters.get("class_weight"), list):
            parameters["class_weight"] = dict(parameters["class_weight"])
        estimator = cls(**parameters)
        estimator.settings()
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error}") from None
    return estimator


def _labels(classes: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return labels as JSON has them."""
    if not _TYPES.fullmatch(classes.dtype.str):
        raise ConfigError(f"labels of type {classes.dtype} cannot be saved.\nUse texts or numbers.")
    return {"dtype": classes.dtype.str, "values": [_storable("", label) for label in classes.tolist()]}


def _labels_from(path: Path, told: dict[str, Any]) -> np.ndarray[Any, Any]:
    try:
        if _TYPES.fullmatch(told["dtype"]):
            # Texts take the room that they need, and no more, whatever the file says.
            classes = np.array(told["values"], np.str_ if "U" in told["dtype"] else told["dtype"])
            if classes.tolist() == told["values"]:
                return classes
    except (ValueError, TypeError, OverflowError):
        pass
    raise RunError(f"{path} is damaged: its labels are not of the type that it says.\nRestore it from a copy.")

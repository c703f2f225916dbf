"""Every setting of a training: defined once, here, with its default, its limits and its meaning.

The command line's flags, the config file's keys and the keywords of `convstage.train`
are these fields.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from reprlib import Repr
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from .data.augment import Flip
from .data.images import Resize
from .errors import ConfigError
from .pattern import Pattern

#: Shows a wrong value, of which a file may have made a long one.
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 200


class Config(BaseModel):
    """Settings of a training; `make_config` turns mistakes into errors for people."""

    # A setting that is not finite could not be written down: JSON has no such number.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    pattern: str | None = Field(None, description="Layer pattern; chosen from the image size when not given.")
    size: str | None = Field(None, description="Image size, 160 or 120x160 (height x width); found from the images.")
    channels: Literal["auto", "binary", "grey", "colour"] = Field("auto", description="How pixels are read.")
    resize: Resize = Field("stretch", description="What happens to other proportions.")

    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training images.")
    batch_size: int | None = Field(None, ge=1, le=65_536, description="Images per step; 64 for small images, else 32.")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="Largest learning rate of the schedule.")
    weight_decay: float = Field(1e-2, ge=0, le=1, description="Decoupled weight decay; biases have none.")
    clip_norm: float = Field(1.0, gt=0, description="Gradients longer than this are shortened to it.")
    find_lr: bool = Field(False, description="Look for the learning rate first, by a range test, and use it.")
    balance: Literal["auto", "weights", "sampling", "off"] = Field(
        "auto",
        description="How rare classes come to count as much as others: by weights in the loss, or by being drawn as "
        "often; auto: weights when the largest class has more than 1.5 times the smallest.",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread evenly over all classes.")
    ema: float = Field(
        0.0, ge=0, lt=1, description="Decay per step of a moving average of the weights, kept in their place; 0: none."
    )
    tta: int = Field(
        1, ge=1, le=9, description="Views of an image in prediction, each shifted a little; 5 or 9; 1: as it is."
    )

    augment: bool = Field(True, description="Vary the training images a little, as the next fields say.")
    shift: float = Field(0.08, ge=0, le=0.5, description="Largest shift, as a share of the side.")
    rotate: float = Field(8.0, ge=0, le=180, description="Largest turn, in degrees.")
    zoom: float = Field(0.1, ge=0, le=0.5, description="Largest change of scale, as a share.")
    brightness: float = Field(0.1, ge=0, le=2, description="Largest change of brightness, in standard deviations.")
    contrast: float = Field(0.1, ge=0, le=0.9, description="Largest change of contrast, as a share.")
    flip: Flip = Field("none", description="Mirror half of the images.")

    classes: str | tuple[str, ...] | None = Field(
        None, description="These classes only, in this order, separated by commas; all when not given."
    )
    max_unreadable: float = Field(0.05, ge=0, le=1, description="Share of the files that may be unreadable.")

    val: float = Field(0.15, gt=0, lt=0.5, description="Share of the images for validation.")
    test: float = Field(0.15, ge=0, lt=0.5, description="Share of the images for the final test.")
    split_file: str | None = Field(
        None, description="File that names the parts: a CSV file of name and split, or a run's split.json."
    )
    group_regex: str | None = Field(
        None, description="Regular expression for what of an image's name is its group, such as the patient."
    )
    monitor: Literal["balanced_accuracy", "accuracy", "loss"] = Field(
        "balanced_accuracy", description="Validation figure that picks the best epoch; ties go to the lower loss."
    )
    calibrate: bool = Field(False, description="Fit a temperature to the validation part, so that probabilities hold.")
    patience: int = Field(12, ge=1, description="Epochs without a better figure until training stops.")

    stream: bool | None = Field(
        None, description="Read shards as they are needed; when not given, if their pixels do not fit into the cache."
    )
    audit: bool = Field(True, description="Look for duplicates, leaks and shortcuts in the data before training.")
    report: bool = Field(True, description="Write report.html and CARD.md at the end.")
    log: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), description="Who follows the training: tensorboard, mlflow, or both, separated by commas."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Fixes the split, the weights and the order of the images.")
    device: str = Field("auto", description="cpu, cuda, or auto: cuda where there is one.")
    threads: int | None = Field(None, ge=1, le=1024, description="Processor threads; all when not given.")
    save_every: float = Field(60.0, gt=0, description="Seconds between checkpoints within an epoch.")
    name: str | None = Field(None, description="Name of the run's folder; numbered after the data when not given.")
    out: str = Field("runs", description="Where run folders are made.")

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes(cls, value: object, info: ValidationInfo) -> object:
        """Refuse yes and no where a number or a text is meant; a switch takes them."""
        if isinstance(value, bool) and bool not in _kinds(cls.model_fields[str(info.field_name)].annotation):
            raise PydanticCustomError("switch", "this is no switch, to be on or off")
        return value

    @field_validator("pattern", "size", "name", "out", "split_file", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Take what stands for a text: a path, a size that YAML reads as a number, a `Pattern`."""
        return str(value) if isinstance(value, int | Path | Pattern) and not isinstance(value, bool) else value

    @field_validator("log", mode="before")
    @classmethod
    def _once(cls, value: object) -> object:
        """Take names apart, each once."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        return tuple(dict.fromkeys(name.strip() for name in names if name.strip())) if _texts(names) else names

    @field_validator("classes", mode="before")
    @classmethod
    def _as_names(cls, value: object) -> object:
        """Take names apart; those in a list, from a config file or a program, may be numbers and hold commas."""
        names = value.split(",") if isinstance(value, str) else [value] if isinstance(value, int) else value
        if not isinstance(names, list | tuple):
            return value
        names = tuple(str(name).strip() for name in names)
        if len(set(names)) < len(names) or not all(names):
            raise PydanticCustomError("classes", "every class must be named, and once")
        return names


def _texts(values: list[Any] | tuple[Any, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a field may have."""
    return get_args(annotation) or (annotation,)


def make_config(file: str | Path | None = None, /, **settings: Any) -> Config:
    """Return the settings of a training: defaults, overruled by a YAML file, overruled by `settings`.

    Raises
    ------
    ConfigError
        A file that cannot be read, an unknown setting, or a value that is impossible.

    Examples
    --------
    >>> make_config(epochs=5).epochs
    5
    >>> make_config(epoch=5)
    Traceback (most recent call last):
    convstage.errors.ConfigError: there is no setting 'epoch'.
    Did you mean epochs?
    """
    merged = {} if file is None else _read(Path(file))
    where = "" if file is None else f" (in {file})"
    for name in [*merged, *settings]:
        if name not in Config.model_fields:
            near = difflib.get_close_matches(name, Config.model_fields, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Settings are {', '.join(Config.model_fields)}."
            raise ConfigError(f"there is no setting {_SHORT.repr(name)}{where if name in merged else ''}.\n{hint}")
    merged.update(settings)
    try:
        return Config(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        source = where if name not in settings else ""
        message = first["msg"][0].lower() + first["msg"][1:]
        meaning = Config.model_fields[name].description
        raise ConfigError(f"{name} = {_SHORT.repr(first['input'])}{source}: {message}.\n{name}: {meaning}") from None


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise ConfigError(
            f"the config file {path} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from None
    try:
        content = yaml.safe_load(text)
    except RecursionError:
        raise ConfigError(f"the config file {path} is no YAML for settings: it is nested too deeply.") from None
    except Exception as error:  # beside YAMLError what its converters of numbers and dates raise, of several kinds
        raise ConfigError(f"the config file {path} is no YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"the config file {path} must hold settings, one a line, such as 'epochs: 30'.")
    settings: dict[str, Any] = {}
    for name, value in content.items():
        field = str(name).replace("-", "_")
        if field in settings:
            raise ConfigError(f"the config file {path} has {field} twice, as {name} and in another spelling.")
        settings[field] = value
    return settings

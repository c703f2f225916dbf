"""What the trials of a search have in common: agreed on by all of its workers, or they do not join."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..data import Dataset
from ..errors import ConfigError, DataError, RunError
from ..records import checked
from .choices import Choice
from .records import SetupRecord
from .space import Limits

if TYPE_CHECKING:
    from optuna import Study

#: Raised when an older convstage could not join.
LAYOUT = 1
#: Names under which a study keeps it, how many trials there are to be, that the first ones wait, and the result.
SETUP, TRIALS, READY, RESULT = "convstage", "trials", "ready", "result"
#: Settings that each worker has for itself, or that are not of a training.
OWN = ("pattern", "name", "out", "split_file", "threads", "device", "save_every", "report", "audit")
#: Seconds until a study that another worker is making must be there.
PATIENCE = 20.0
_ANOTHER = "Take another --name."


@dataclass(frozen=True)
class Setup:
    """What must be the same for all trials of a search.

    Attributes
    ----------
    family : str
        The family's text.
    letters : dict
        The counts that each letter runs through.
    searched : dict of str to Choice
    limits : Limits
    sampler, pruner : str
    default : bool
        Whether the default recipe is the first trial.
    settings : dict
        All settings of the training; of those that are searched, the value in the default recipe.
    images : dict
        Number, classes, and a digest of every image's name, content, class and part.
    """

    family: str
    letters: dict[str, list[int]]
    searched: dict[str, Choice]
    limits: Limits
    sampler: str
    pruner: str
    default: bool
    settings: dict[str, Any]
    images: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return dict(json.loads(json.dumps({"layout": LAYOUT, **asdict(self)})))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Setup:
        """Return what `to_dict` has made plain."""
        told = {name: value for name, value in content.items() if name != "layout"}
        choices = {name: _choice(value) for name, value in told["searched"].items()}
        return cls(**told | {"searched": choices, "limits": Limits(**told["limits"])})

    def words(self) -> dict[str, str]:
        """Return it by name, in words, for those who compare two."""
        told = {
            "family": self.family,
            **{letter: _counts(counts) for letter, counts in self.letters.items()},
            **{name: str(choice) for name, choice in self.searched.items()},
            "limits": str(self.limits) or "none",
            "sampler": self.sampler,
            "pruner": self.pruner,
            "default recipe": "first trial" if self.default else "left out",
        }
        return {name: _said(value) for name, value in self.settings.items()} | told


def settings_of(config: Config) -> dict[str, Any]:
    """Return the settings that all trials have in common; of those that are searched, those of the default recipe."""
    return {name: value for name, value in json.loads(config.model_dump_json()).items() if name not in OWN}


def describe_images(dataset: Dataset) -> dict[str, Any]:
    """Return what tells data from other data: the same wherever it lies."""
    rows = sorted((row["name"], row["sha256"], row["class"], row["part"]) for row in dataset.split_rows())
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    return {"count": len(rows), "classes": list(dataset.classes), "sha256": digest}


def get(study: Study) -> Setup:
    """Return the setup of a study, waiting for another worker that is just making it.

    Raises
    ------
    RunError
        A study that convstage has not made, or of another layout.
    """
    until = time.monotonic() + PATIENCE
    while SETUP not in (attributes := study.user_attrs):
        if time.monotonic() > until:
            raise RunError(
                f"the study {study.study_name!r} was not made by convstage search, or its making was cut off.\n"
                f"{_ANOTHER}"
            )
        time.sleep(0.2)
    content, told = attributes[SETUP], f"the study {study.study_name!r}"
    found = content.get("layout") if isinstance(content, dict) else None
    if found != LAYOUT:
        raise RunError(f"{told} has layout {found}; this version of convstage reads layout {LAYOUT}.")
    content = checked(told, content, SetupRecord, _ANOTHER)
    try:
        return Setup.from_dict(content)
    except (TypeError, ValueError) as error:
        raise RunError(f"{told} is damaged: {error}.\n{_ANOTHER}") from None


def check_same(study: Setup, here: Setup, name: str) -> None:
    """Refuse to join a study with other settings or other images, saying what differs.

    Raises
    ------
    DataError
        The images are others.
    ConfigError
        The settings are others.
    """
    if study.images != here.images:
        raise DataError(
            f"the study {name!r} is of other data: {_images(study.images)} there, {_images(here.images)} here.\n"
            "Every worker needs the same images, under the same names and divided alike; or take another --name."
        )
    there, mine = study.words(), here.words()
    differing = [key for key in [*there, *(key for key in mine if key not in there)] if there.get(key) != mine.get(key)]
    if differing:
        lines = [f"  {key}: {there.get(key, 'not said')} in the study, {mine.get(key, 'not said')} here"
                 for key in differing]  # fmt: skip
        raise ConfigError(
            f"the study {name!r} has other settings:\n"
            + "\n".join(lines)
            + "\nJoin it with its own, or take another --name for a search of your own."
        )


def _choice(content: Mapping[str, Any]) -> Choice:
    return Choice(**{**content, "values": tuple(content["values"])})


def _counts(counts: list[int]) -> str:
    consecutive = len(counts) > 1 and counts == list(range(counts[0], counts[0] + len(counts)))
    return f"{counts[0]}..{counts[-1]}" if consecutive else ",".join(map(str, counts))


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _images(images: Mapping[str, Any]) -> str:
    return f"{images['count']:,} images of {len(images['classes'])} classes ({images['sha256'][:8]})"

"""What a tracker is: whatever shows a training elsewhere, told of settings, epochs and test figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..pictures import Picture
from ..run import Run

#: A setting as trackers take it.
Value = str | int | float


class Ended(Enum):
    """How a training has ended."""

    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Told:
    """What a tracker is told before the first epoch.

    Attributes
    ----------
    run : Run
        The run folder. What a tracker writes or remembers lies in it.
    settings : dict
        Hyperparameters: the settings as they are used, and what the plan costs.
    about : dict of str
        The folder's path, the data, the pattern and the version.
    results : tuple of str
        Names of the figures of the test, which are known at the end only.
    epochs : int
        Those that are done already, when a training goes on.
    """

    run: Run
    settings: Mapping[str, Value] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    results: tuple[str, ...] = ()
    epochs: int = 0


class Tracker(ABC):
    """One tracker at work on one training. It may raise what it will: `follow.Log` goes on without it.

    A subclass begins in its constructor, which takes a `Told`. Of a run that it knows already it goes on with
    the same record, and `steps` says what that holds, so that nothing is told twice.
    """

    @abstractmethod
    def steps(self, name: str) -> set[int]:
        """Return the epochs whose value of a figure it has from before."""

    @abstractmethod
    def figures(self, values: Mapping[str, float], epoch: int) -> None:
        """Take figures of an epoch; they must not be lost if the training is killed now."""

    def picture(self, name: str, picture: Picture, epoch: int) -> None:  # noqa: B027
        """Take a picture, if pictures can be shown."""

    @abstractmethod
    def close(self, ended: Ended) -> None:
        """Come to an end."""

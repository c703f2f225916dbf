"""TRACKERS: who can be told of a training, one entry each.

To add one, write a `Tracker` in a file of its own, put it here, and its name into the type of
`convstage.Config.log`. It is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from ..errors import ConfigError
from .tracker import Told, Tracker


@dataclass(frozen=True, slots=True)
class Entry:
    """A tracker that can be asked for.

    Attributes
    ----------
    name : str
        As in ``--log``; also the extra that installs what it needs.
    title : str
    needs : str
        The module that must be there.
    begin : callable
        What it is told, to the tracker at work.
    """

    name: str
    title: str
    needs: str
    begin: Callable[[Told], Tracker]


def _tensorboard(told: Told) -> Tracker:
    from .tensorboard import TensorBoard

    return TensorBoard(told)


def _mlflow(told: Told) -> Tracker:
    from .mlflow import MLflow

    return MLflow(told)


TRACKERS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("tensorboard", "TensorBoard", "tensorboard", _tensorboard),
        Entry("mlflow", "MLflow", "mlflow", _mlflow),
    )
}


def check(names: Iterable[str]) -> None:
    """Refuse trackers that are not installed.

    Raises
    ------
    ConfigError
        The message has the line that installs it.
    """
    for name in names:
        entry = TRACKERS[name]
        try:
            import_module(entry.needs)
        except ImportError:
            raise ConfigError(
                f"log = {name}: {entry.title} is not installed.\npip install 'convstage[{name}]'"
            ) from None

"""Where a training keeps what it makes: a run folder, or memory alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Keeper(Protocol):
    """What the loop of a training asks of it; a `convstage.Run` is one."""

    @property
    def path(self) -> Path | None:
        """The folder from which the training can go on when it is stopped; None where it cannot."""

    @property
    def config(self) -> dict[str, Any]:
        """What describes the training; of that, ``model`` goes to `write_model`."""

    def write_model(self, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
        """Keep the best weights so far."""

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Keep one line per epoch."""

    def write_last(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Keep where training stands."""


@dataclass
class Memory:
    """A training of which nothing is written: it cannot go on when it is stopped.

    Attributes
    ----------
    weights : dict of str to Tensor
        Copies of the best weights so far.
    history : list of dict
        One line per epoch.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def path(self) -> None:
        """There is no folder."""

    @property
    def config(self) -> dict[str, Any]:
        """Nothing is described."""
        return {"model": {}}

    def write_model(self, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:  # noqa: ARG002
        self.weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        self.history = [dict(row) for row in history]

    def write_last(self, tensors: Mapping[str, Tensor], position: Mapping[str, Any]) -> None:
        """Keep nothing: training does not go on from here."""

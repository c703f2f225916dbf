"""Training in memory, by the recipe and the loop of every training, without a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..computing import device, quiet_torch
from ..config import Config
from ..data import Dataset
from ..keeping import Memory
from ..loop import begin_state, loop
from ..memory import keep_memory
from ..network import Network
from ..pattern import Plan


@dataclass(frozen=True)
class Fitted:
    """What a training in memory leaves.

    Attributes
    ----------
    network : Network
        With the weights of the best epoch; without a validation part those of the last.
    history : list of dict
        One line per epoch.
    best_epoch : int
        Counted from 1.
    """

    network: Network
    history: list[dict[str, Any]]
    best_epoch: int


def train_in_memory(dataset: Dataset, plan: Plan, config: Config, *, verbose: bool) -> Fitted:
    """Train a network of `plan`; nothing is written.

    Raises
    ------
    ConfigError
        There is no such device here.
    TrainingError
        A loss that is not finite.
    """
    where = device(config)
    keep_memory()
    kept = Memory()
    with quiet_torch(config.threads):
        state = begin_state(plan, config, where)
        loop(kept, config, dataset, state, where, quiet=not verbose)
    state.network.load_state_dict(kept.weights)
    return Fitted(state.network.eval(), kept.history, state.position.best_epoch)

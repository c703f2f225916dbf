"""Samplers and pruners: which settings are tried next, and which trials are not worth going on with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, TrialState

#: System attribute by which a trial says which one it goes on with; Optuna's own callback for retries writes it, too.
RETRIED = "failed_trial"
#: Trials before the median says anything, and the share of the epochs before anything is pruned.
START, WARM_UP = 5, 0.2


def origin(trial: FrozenTrial) -> int:
    """Return Optuna's number of the trial that this one goes on with: its own, if it is a new one."""
    number: int = trial.system_attrs.get(RETRIED, trial.number)
    return number


def number_of(trial: FrozenTrial, every: Sequence[FrozenTrial]) -> int:
    """Return the number that people know a trial by: it does not depend on how often trials were taken up again.

    Parameters
    ----------
    trial : FrozenTrial
    every : sequence of FrozenTrial
        All trials of its study.
    """
    first = origin(trial)
    return first - sum(RETRIED in one.system_attrs for one in every if one.number < first)


def _tpe(seed: int) -> BaseSampler:
    # In groups: a trial of the default recipe has no letters, and must not hide those of the others.
    return TPESampler(seed=seed, multivariate=True, group=True)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


#: Name -> sampler for a seed. A grid is enqueued when the study is made; then nothing is left to draw.
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "random": _random, "grid": _random}


class Seeded(BaseSampler):
    """A sampler whose choices are a function of the seed, the trial's place, and the trials before.

    Optuna's own draws from one stream, which begins anew in every worker: a search that goes on after
    an interruption would try its first trials again, and all workers would try the same.

    Parameters
    ----------
    make : callable
        From a seed to a sampler.
    seed : int
        Of the search.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make, self.seed = make, seed
        self.sampler = make(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        place = number_of(trial, study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence((self.seed, place)).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that groups are experimental
            self.sampler = self.make(seed)
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self.sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Do nothing: the next trial has a seed of its own anyway."""


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Return the sampler of a search."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Seeded(SAMPLERS[name], seed)


def _median(epochs: int) -> BasePruner:
    return MedianPruner(n_startup_trials=START, n_warmup_steps=round(WARM_UP * epochs))


def _hyperband(epochs: int) -> BasePruner:
    return HyperbandPruner(min_resource=1, max_resource=epochs)


def _none(_epochs: int) -> BasePruner:
    return NopPruner()


#: Name -> pruner for trials of so many epochs.
PRUNERS: dict[str, Callable[[int], BasePruner]] = {"median": _median, "hyperband": _hyperband, "none": _none}

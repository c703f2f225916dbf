"""One trial: an ordinary training in the search's folder, told of after every epoch, and pruned when it lags behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..config import Config
from ..data import Dataset
from ..errors import TrainingError
from ..figures import decision_points, decision_trials, figure
from ..pattern import Pattern, Plan
from ..predict import load
from ..resampling import intervals, number_groups
from ..run import HISTORY, Run
from ..terminal import console
from ..training import begin, fit
from ..weighted import decisions
from .folder import Search
from .sampling import number_of
from .space import Proposal, Space
from .worker_id import me

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

#: User attributes: of the trial that is the default recipe; what a trial trains; what came of it; who trains it.
IS_DEFAULT, PROPOSAL, FOUND, WORKER = "default", "proposal", "found", "worker"
#: Figures of the validation part that are told with their intervals.
FIGURES = ("balanced_accuracy", "accuracy")

Floats = npt.NDArray[np.float64]


class Surplus(Exception):  # nobody's mistake: two workers have begun the last trial at once
    """A trial beyond those that were wanted."""


class Lost(Exception):  # it is no error of anybody's
    """A trial that another worker has taken up, because this one was silent for too long."""


@dataclass
class Objective:
    """What Optuna calls for every trial.

    Attributes
    ----------
    search : Search
        The folder.
    space : Space
    base : Config
        The settings that all trials have in common, with the place and the threads of this worker.
    dataset : Dataset
        Without its test part.
    default : Plan
        The default recipe's network.
    is_surplus : callable
        Whether a trial is beyond those that are wanted.
    should_stop : callable
        Asked after epochs: a signal's number when somebody wants the worker to stop, else 0.
    told : str
        What is said of a trial beside its number.
    running : int or None
        Number of the trial that is trained now; None between two.
    problem : Exception or None
        What has ended the last trial early.
    """

    search: Search
    space: Space
    base: Config
    dataset: Dataset
    default: Plan
    is_surplus: Callable[[FrozenTrial], bool] = lambda _: False
    should_stop: Callable[[], int] = lambda: 0
    told: str = ""
    running: int | None = field(default=None, init=False)
    problem: Exception | None = field(default=None, init=False)

    def __call__(self, trial: Trial) -> float:
        """Train a trial, from wherever it stands, and return its best epoch's validation figure.

        Raises
        ------
        optuna.TrialPruned
            It lags behind, or cannot be trained.
        Surplus, Lost
            It is not this worker's.
        TrainingStopped
            Somebody wants it to stop; where it stands is saved.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        self.running, self.problem = trial.number, None
        try:
            return self._value(trial)
        except UpdateFinishedTrialError:
            self.problem = Lost()
            raise self.problem from None
        except Exception as error:
            self.problem = error
            raise

    def _value(self, trial: Trial) -> float:
        from optuna import TrialPruned

        frozen = _frozen(trial)
        if self.is_surplus(frozen):
            raise Surplus
        trial.set_user_attr(WORKER, me())
        proposal = self._proposal(trial)
        number = number_of(frozen, trial.study.get_trials(deepcopy=False))
        run = self.search.trial(number)
        # One write for all that is known of it: each of them waits for the disk.
        trial.set_user_attr(PROPOSAL, {**asdict(proposal), "run": str(run.path.resolve())})
        console.print(f"trial {number}{self.told}: {proposal}", highlight=False, markup=False, soft_wrap=True)
        if (twin := self._twin(trial, proposal)) is not None:
            return self._copied(trial, twin)
        try:
            self._train(trial, run, proposal)
        except TrainingError as error:
            # Pruned, not failed: that it cannot be trained so is worth knowing for the next proposals.
            trial.set_user_attr(FOUND, {"problem": str(error).splitlines()[0]})
            raise TrialPruned from None
        best = best_epoch(run.history, self.base.monitor)
        trial.set_user_attr(FOUND, self._found(run, best))
        return value_of(best, self.base.monitor)

    def _proposal(self, trial: Trial) -> Proposal:
        """Let the trial choose; the default recipe has nothing to choose, but says what it has of what is searched."""
        if not trial.user_attrs.get(IS_DEFAULT):
            return self.space.propose(trial)
        settings = {
            choice.name: choice.suggest(trial)
            for choice in self.space.choices
            if choice.name in Config.model_fields and choice.holds(getattr(self.base, choice.name))
        }
        return Proposal(self.default.pattern, self.default.parameters, self.default.multiply_adds, {}, settings)

    def _twin(self, trial: Trial, proposal: Proposal) -> FrozenTrial | None:
        """Return a trial that is done and was the same; training it again would give the same."""
        from optuna.trial import TrialState

        for other in trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            known = other.user_attrs[PROPOSAL]
            theirs = {name: value for name, value in known["settings"].items() if name in proposal.training}
            same = known["pattern"] == proposal.pattern and theirs == proposal.training
            if same and "same_as" not in other.user_attrs[FOUND]:
                return other
        return None

    def _copied(self, trial: Trial, twin: FrozenTrial) -> float:
        trial.set_user_attr(
            FOUND, {**twin.user_attrs[FOUND], "same_as": number_of(twin, trial.study.get_trials(deepcopy=False))}
        )
        assert twin.value is not None
        return twin.value

    def _train(self, trial: Trial, run: Run, proposal: Proposal) -> None:
        """Train, in a run folder that may hold the beginning already."""
        plan = Pattern(proposal.pattern).plan(self.space.image, self.space.classes)
        place = {"out": str(run.path.parent), "name": run.path.name, "pattern": proposal.pattern}
        dataset = self.dataset
        pruning = Pruning(trial, self.base, set(_frozen(trial).intermediate_values), self._stopped)
        if run.is_begun:
            run.sweep()
            if (run.path / HISTORY).is_file():
                pruning.tell_again(run.history)
        else:
            shutil.rmtree(run.path, ignore_errors=True)  # cut off before it held all that is needed to go on
            begin(self.base.model_copy(update={**place, **proposal.training}), dataset, plan)
        fit(run, dataset, plan, pruning)

    def _stopped(self) -> None:
        if signal := self.should_stop():
            raise self.search.stopped(signal)

    def _found(self, run: Run, best: Mapping[str, float]) -> dict[str, Any]:
        speed = np.array([float(row["images_per_second"]) for row in run.history])
        seconds = float((len(self.dataset.rows("train")) / speed[speed > 0]).sum())
        return {
            "figures": validated(run, self.dataset),
            "loss": best["val_loss"],
            "epoch": int(best["epoch"]),
            "epochs": len(run.history),
            "seconds": seconds,
            "images_per_second": float(speed.mean()),
        }


@dataclass
class Pruning:
    """Tells Optuna of each epoch, and ends the training of a trial that lags behind."""

    trial: Trial
    config: Config
    told: set[int]
    check: Callable[[], None] = lambda: None

    def __call__(self, row: Mapping[str, float]) -> None:
        """Tell of an epoch, once; raise when the trial is not worth going on with.

        Raises
        ------
        optuna.TrialPruned
            It lags behind.
        optuna.exceptions.UpdateFinishedTrialError
            Another worker has taken it up.
        TrainingStopped
            Somebody wants it to stop.
        """
        from optuna import TrialPruned

        epoch = self._tell(row)
        # The default recipe is what others are measured by; and after its last epoch there is nothing to save.
        spared = self.trial.user_attrs.get(IS_DEFAULT) or epoch >= self.config.epochs
        if not spared and self.trial.should_prune():
            raise TrialPruned
        self.check()

    def tell_again(self, history: Sequence[Mapping[str, str]]) -> None:
        """Tell what a worker that is gone may not have told, and decide again what it may not have decided."""
        rows = [{name: float(value) for name, value in row.items()} for row in history]
        for row in rows[:-1]:
            self._tell(row)
        if rows:
            self(rows[-1])

    def _tell(self, row: Mapping[str, float]) -> int:
        epoch = int(row["epoch"])
        if epoch not in self.told:
            self.trial.report(value_of(row, self.config.monitor), epoch)
            self.told.add(epoch)
        return epoch


def _frozen(trial: Trial) -> FrozenTrial:
    """Return what the storage knows of a trial."""
    return trial.study.get_trials(deepcopy=False)[trial.number]


def value_of(row: Mapping[str, Any], monitor: str) -> float:
    """Return the figure of an epoch that trials are ranked by."""
    return float(row[f"val_{monitor}"])


def best_epoch(history: list[dict[str, str]], monitor: str) -> dict[str, float]:
    """Return the line of the epoch that was kept: the best figure, of those with the same the lowest loss."""
    rows = [{name: float(value) for name, value in row.items()} for row in history]
    sign = -1 if monitor == "loss" else 1
    return max(rows, key=lambda row: (sign * value_of(row, monitor), -row["val_loss"]))


def without_test(dataset: Dataset) -> Dataset:
    """Return the data set without its test part, which no trial may see."""
    rows = np.flatnonzero(dataset.parts != "test")
    names, sha256, groups = ([of[row] for row in rows] for of in (dataset.names, dataset.sha256, dataset.groups))
    return replace(
        dataset,
        pixels=dataset.pixels.take(rows),
        labels=dataset.labels[rows],
        parts=dataset.parts[rows],
        names=names,
        sha256=sha256,
        groups=groups,
    )


def validated(run: Run, dataset: Dataset) -> dict[str, dict[str, float] | None]:
    """Return the figures of the kept weights on the validation part, with their intervals."""
    rows = dataset.rows("val")
    truth, size = dataset.labels[rows], len(dataset.classes)
    predicted = load(run).probabilities(dataset.pixels.take(rows)).argmax(axis=1)
    groups = number_groups([dataset.groups[row] for row in rows], len(rows))
    points, trials = decision_points(truth, predicted, size), decision_trials(truth, predicted, size, groups)
    decide = decisions(truth, predicted, size)

    def figures(weights: Floats) -> dict[str, Floats]:
        return {name: values for name, values in decide(weights).items() if name in FIGURES}

    chosen = {name: points[name] for name in FIGURES}
    bounds = intervals(figures, chosen, groups, {name: trials[name] for name in FIGURES})
    return {name: figure(points[name], bounds[name]) for name in FIGURES}

"""A worker: takes one trial after another from the study, until there are as many as are wanted.

Workers know of one another by the storage alone. One that dies leaves a trial that is running: a
worker on the same machine sees at once that its process is gone; on another machine it counts as
dead after `MISSED` signs of life have not come. Its trial is then enqueued again, with what it has
reported, and goes on from its checkpoint where that can be reached, else from the start.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.progress import TaskID

from ..errors import TrainingStopped
from ..stopping import Stop, stop_signals
from ..terminal import bar, console
from .objective import WORKER, Lost, Objective, Surplus
from .sampling import RETRIED, number_of, origin
from .setup import TRIALS
from .storage import HEARTBEAT, MISSED, MOST_TRIES, quiet_optuna
from .worker_id import is_gone

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from rich.progress import Progress

#: Seconds between two looks at trials of others that are still running.
LOOK = 1.0
#: System attribute: the numbers of the trials that a worker has died of, or was silent in.
TRIES = "retry_history"


@dataclass
class Worker:
    """One worker of a study.

    Attributes
    ----------
    study : Study
    objective : Objective
    heartbeat : int
        Seconds between two signs of life.
    timeout : float or None
        Seconds after which no trial is begun.
    """

    study: Study
    objective: Objective
    heartbeat: int = HEARTBEAT
    timeout: float | None = None
    _silent: dict[int, float] = field(default_factory=dict, init=False)

    def work(self) -> bool:
        """Take trials until all are done; return whether they are.

        Not so when the time is over, and others still have trials.

        Raises
        ------
        TrainingStopped
            Somebody wants it to stop; the trial that was running is saved and waits for a worker.
        """
        began = time.monotonic()
        waiting = False
        with quiet_optuna(), stop_signals() as stop, bar("trials") as progress:
            task = progress.add_task("Searching", total=self.wanted(), note="")
            while True:
                self._check(stop)
                self._take_from_the_dead()
                self._show(progress, task)
                states = counted(self.study)
                if self._is_over(began):
                    return not states["running"]
                if states["waiting"] or sum(states.values()) < self.wanted():
                    waiting = False
                    self._one_trial()
                    continue
                if not states["running"]:
                    return True
                if not waiting:
                    waiting = True
                    many = f"{states['running']} trial{'' if states['running'] == 1 else 's'}"
                    console.print(f"waiting for {many} of other workers", highlight=False)
                time.sleep(LOOK)

    def wanted(self) -> int:
        """Return how many trials there are to be; a worker that joins may have raised it."""
        return int(self.study.user_attrs[TRIALS])

    def is_surplus(self, trial: FrozenTrial) -> bool:
        """Return whether there are enough trials without this one: of two that were begun at once, the later is."""
        every = self.study.get_trials(deepcopy=False)
        earlier = sum(counts(one, every) for one in every if one.number < trial.number)
        return earlier >= self.wanted() and RETRIED not in trial.system_attrs

    def _one_trial(self) -> None:
        """Run one trial; what it was stopped in waits for the next worker."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=_experimental())
                self.study.optimize(self.objective, n_trials=1, catch=(Surplus,))
        except TrainingStopped as stopped:
            assert self.objective.running is not None
            enqueue_again(self.study, self.study.get_trials()[self.objective.running])
            raise self.objective.search.stopped(stopped.signal) from None
        except (Lost, ValueError):
            # When a trial was taken away, Optuna complains that it cannot be told how it went: a ValueError, too.
            problem = self.objective.problem
            if isinstance(problem, TrainingStopped):
                raise self.objective.search.stopped(problem.signal) from None
            if not isinstance(problem, Lost | _pruned() | None):
                raise
            told = "this trial was taken up by another worker, which had not heard of this one for too long"
            console.print(told, highlight=False)
        finally:
            self.objective.running = None

    def _check(self, stop: Stop) -> None:
        if signal := stop.signal or self.objective.should_stop():
            raise self.objective.search.stopped(signal)

    def _is_over(self, began: float) -> bool:
        return self.timeout is not None and time.monotonic() - began > self.timeout

    def _show(self, progress: Progress, task: TaskID) -> None:
        """Bring the bar up to date: how many are done, and the best so far."""
        finished = counted(self.study)
        done = sum(finished.values()) - finished["running"] - finished["waiting"]
        progress.update(task, completed=done, total=self.wanted(), note=best_words(self.study))
        self.objective.told = f" ({min(done + 1, self.wanted())} of {self.wanted()})"

    def _take_from_the_dead(self) -> None:
        """Enqueue the trials of workers that are gone."""
        for trial in self.study.get_trials(deepcopy=False, states=(_state("RUNNING"),)):
            if is_gone(trial.user_attrs.get(WORKER)) or self._has_never_spoken(trial):
                give_up(self.study, trial)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=_experimental())
            _fail_stale(self.study)

    def _has_never_spoken(self, trial: FrozenTrial) -> bool:
        """Return whether a worker was ended between taking a trial and its first sign of life, by our own clock."""
        if WORKER in trial.user_attrs:
            self._silent.pop(trial.number, None)
            return False
        first = self._silent.setdefault(trial.number, time.monotonic())
        return time.monotonic() - first > MISSED * self.heartbeat


def give_up(study: Study, trial: FrozenTrial) -> bool:
    """Take a trial from its worker, which is gone, and enqueue it again; return whether that was us, not another."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        study.tell(trial.number, state=_state("FAIL"))
    except (UpdateFinishedTrialError, ValueError):
        return False  # another worker was faster
    take_up_again(study, study.get_trials()[trial.number])
    return True


def take_up_again(study: Study, trial: FrozenTrial) -> None:
    """Enqueue a trial whose worker is gone; one that has ended `MOST_TRIES` of them is given up."""
    tries = [*trial.system_attrs.get(TRIES, ()), trial.number]
    number = number_of(trial, study.get_trials(deepcopy=False))
    if len(tries) < MOST_TRIES:
        enqueue_again(study, trial, tries)
        told = f"trial {number}: its worker is gone; it is taken up again"
    else:
        told = f"trial {number} is given up: it has ended {len(tries)} workers"
    console.print(told, highlight=False)


def enqueue_again(study: Study, trial: FrozenTrial, tries: list[int] | None = None) -> None:
    """Let a trial that was cut off wait for a worker, with what it has chosen and reported.

    It gets a number of its own, and keeps the folder of its beginning.
    """
    from optuna.trial import create_trial

    system = {**trial.system_attrs, RETRIED: origin(trial)}
    if tries is not None:
        system[TRIES] = tries
    study.add_trial(
        create_trial(
            state=_state("WAITING"),
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={name: value for name, value in trial.user_attrs.items() if name != WORKER},
            system_attrs=system,
            intermediate_values=trial.intermediate_values,
        )
    )


def counts(trial: FrozenTrial, every: Sequence[FrozenTrial]) -> bool:
    """Return whether a trial is one of those that are wanted: not one that goes on under another number."""
    if trial.state.name != "FAIL":
        return True
    # Given up for good: it has ended as many workers as it may, and nobody has enqueued it again.
    again = any(origin(one) == origin(trial) for one in every if one.number > trial.number)
    return len(trial.system_attrs.get(TRIES, ())) >= MOST_TRIES - 1 and not again


def counted(study: Study) -> dict[str, int]:
    """Return how many trials there are that count, by their state."""
    states = {"running": 0, "waiting": 0, "complete": 0, "pruned": 0, "fail": 0}
    every = study.get_trials(deepcopy=False)
    for trial in every:
        if counts(trial, every):
            states[trial.state.name.lower()] += 1
    return states


def best_words(study: Study) -> str:
    """Return the best figure so far and whose it is; nothing before there is one."""
    done = study.get_trials(deepcopy=False, states=(_state("COMPLETE"),))
    if not done:
        return ""
    best = study.best_trial
    shown = f"{best.value:.4f}" if study.direction.name == "MINIMIZE" else f"{best.value:.2%}"
    return f"best {shown} (trial {number_of(best, study.get_trials(deepcopy=False))})"


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def _pruned() -> type[Exception]:
    from optuna import TrialPruned

    return TrialPruned


def _experimental() -> type[Warning]:
    from optuna.exceptions import ExperimentalWarning

    return ExperimentalWarning


def _fail_stale(study: Study) -> None:
    from optuna.storages import fail_stale_trials

    fail_stale_trials(study)

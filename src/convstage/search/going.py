"""The work on a search: a worker, or a crew of them, and the result when all trials are done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGINT
from typing import TYPE_CHECKING

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ..audit import audit
from ..config import Config
from ..data import Dataset
from ..errors import TrainingStopped
from ..pattern import Pattern
from ..recipe import default_pattern
from ..run import Run
from ..terminal import console
from ..text import size
from ..training import Ready, keep_audit
from .crew import Crew
from .folder import Search
from .objective import Objective, without_test
from .result import finish, write_tables
from .setup import TRIALS, Setup
from .space import Space
from .storage import HEARTBEAT, reachable
from .worker import Worker, counted

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Here:
    """What a worker has for itself: it need not be the same for all.

    Attributes
    ----------
    storage : str
        The address of the data base, with its password.
    workers : int
        Processes on this machine.
    timeout : float or None
        Seconds after which no trial is begun.
    heartbeat : int
        Seconds between two signs of life.
    should_stop : callable
        A signal's number when somebody wants the worker to stop, else 0.
    finishes : bool
        Whether this worker evaluates the winner when all trials are done.
    """

    storage: str
    workers: int = 1
    timeout: float | None = None
    heartbeat: int = HEARTBEAT
    should_stop: Callable[[], int] = lambda: 0
    finishes: bool = True


def introduce_search(search: Search, ready: Ready, space: Space) -> None:
    """Say what is searched on what, and audit the images, once for all trials."""
    dataset = ready.dataset
    counts = ", ".join(f"{name} ({n:,})" for name, n in zip(dataset.classes, dataset.counts(), strict=True))
    parts = ", ".join(f"{part} {len(dataset.rows(part)):,}" for part in ("train", "val", "test"))
    lines = [
        f"{len(dataset.labels):,} images of {dataset.source}: {counts}",
        f"{parts}; read as {size(dataset.geometry.size)} {dataset.geometry.channels}",
        *dataset.notes,
        space.said,
    ]
    if dataset.unreadable:
        lines.append(f"{len(dataset.unreadable):,} files cannot be read and are left out, see {search.path}")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if ready.config.audit:
        keep_audit(Run(search.path), audit(ready.source, dataset))


def go_on(
    search: Search, study: Study, setup: Setup, space: Space, dataset: Dataset, config: Config, here: Here
) -> Search:
    """Work until all trials are done; then evaluate the winner.

    Raises
    ------
    TrainingStopped
        Somebody wants it to stop; it says how to go on.
    RunError
        The storage does not answer any more.
    """
    from .joining import equip

    equip(study, setup)
    command = f"convstage search --resume {search.path}"
    try:
        with reachable(here.storage, command), _threads(config.threads):
            try:
                is_done = _work(search, study, space, dataset, config, here)
            except TrainingStopped:
                if here.finishes:
                    write_tables(search, study, setup)
                raise
            if not here.finishes:
                return search
            if is_done:
                finish(search, study, setup, dataset, config.report)
            else:
                write_tables(search, study, setup)
            states = counted(study)
            left = study.user_attrs[TRIALS] - sum(states.values()) + states["waiting"] + states["running"]
            if left > 0:
                console.print(f"{left} trials are left; go on with: {command}", highlight=False, markup=False)
    except KeyboardInterrupt:  # between two trials; during one, the worker says it
        raise search.stopped(SIGINT) from None
    return search


def _work(search: Search, study: Study, space: Space, dataset: Dataset, config: Config, here: Here) -> bool:
    """Let one worker, or several, do what is left; return whether all is done."""
    states = counted(study)
    if states["running"] + states["waiting"] == 0 and sum(states.values()) >= study.user_attrs[TRIALS]:
        return True
    if here.workers > 1:
        threads = config.threads or max(1, (torch.get_num_threads() or os.cpu_count() or 1) // here.workers)
        return Crew(search, study, here.storage, here.workers, threads, here.timeout, here.heartbeat).work()
    height, width, _ = space.image
    plan = Pattern(default_pattern(height, width)).plan(space.image, space.classes)
    objective = Objective(search, space, config, without_test(dataset), plan, should_stop=here.should_stop)
    worker = Worker(study, objective, here.heartbeat, here.timeout)
    objective.is_surplus = worker.is_surplus
    return worker.work()


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Compute with so many threads, also between trainings, and leave torch as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)

"""What a training works on: a run folder with its images and its plan; taken up again, or told by another process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import Config
from .data import Dataset, restore_dataset
from .distributed import World
from .distributed.launch import Launch
from .errors import RunError
from .pattern import Pattern, Plan
from .run import Run, check_new
from .terminal import console


@dataclass(frozen=True)
class Work:
    """A training that can begin, or go on."""

    run: Run
    dataset: Dataset
    plan: Plan


def reopen(path: str | Path, processes: int = 1) -> Work:
    """Take up a run again, and its images.

    Parameters
    ----------
    path : path
        A run folder.
    processes : int
        How many train together now.

    Raises
    ------
    RunError, DataError
        No run folder, or images that are no longer those it was trained with.
    """
    run = Run.open(path)
    run.sweep()
    config = run.config
    if (before := config.get("processes", 1)) != processes:
        console.print(
            f"begun with {_processes(before)}, goes on with {_processes(processes)}: "
            "the result is the same up to rounding, not bit for bit",
            highlight=False,
            soft_wrap=True,
        )
    stream = config["settings"].get("stream")
    return _restored(run, config["data"], run.split, config["model"], stream)


def new_run(config: Config, stem: str, launch: Launch | None) -> Run:
    """Make a run folder; after a restart, return the one that the launch had made when it was cut off.

    Parameters
    ----------
    config : Config
        Says where, and under which name.
    stem : str
        The name without one.
    launch : Launch or None
        Remembers it.
    """
    if launch is None:
        return Run.create(config.out, config.name, stem)
    if launch.begun is not None:
        Path(launch.begun).mkdir(parents=True, exist_ok=True)
        return Run(Path(launch.begun))
    if config.name is not None:
        check_new(config.out, config.name)
        launch.remember(str((Path(config.out) / config.name).absolute()))
    run = Run.create(config.out, config.name, stem)
    launch.remember(str(run.path.absolute()))
    return run


def begun_before(launch: Launch | None, config: Config) -> Path | None:
    """Return the run that an earlier start of this launch has begun, for the leading process; None where there is none.

    Raises
    ------
    RunError
        Its folder is not on this machine.
    """
    if launch is None or not launch.world.leads:
        return None
    path = None if launch.begun is None else Path(launch.begun)
    if path is None and launch.place.restarts and config.name is not None:
        path = Path(config.out) / config.name  # the launcher keeps nothing for us, but the name says it
    if path is None:
        return None
    if not path.parent.is_dir():
        raise RunError(
            f"{path}, which this launch has begun, is not on this machine.\n"
            "Where processes may move to another machine, --out must be a folder that all of them share."
        )
    if not Run(path).is_begun:
        return None
    console.print(f"started again: goes on with {path}", highlight=False, markup=False, soft_wrap=True)
    return path


def share_work(launch: Launch, start: Callable[[], Work], data: str | Path | None) -> Work:
    """Return what all processes of a launch work on: the leading one starts, and tells the others.

    Parameters
    ----------
    launch : Launch
        The processes.
    start : callable
        What the leading process does first.
    data : path or str, optional
        Where the others find the images, if not where the leading one has.
    """
    world = launch.world
    work = start() if world.leads else None
    launch.gather()
    told = world.told(None if work is None else _telling(work))
    launch.run = told["run"]
    if work is None:
        work = _restored(
            Run(Path(told["run"])), str(data or told["data"]), told["split"], told["model"], told["stream"]
        )
    return work


def introduce_processes(world: World, threads: int, batch: int) -> None:
    """Say how many processes train together, and what each of them has to do."""
    if not world.alone:
        each = "a thread" if threads == 1 else f"{threads} threads"
        told = f"{world.size} processes of {each} each train together; the {batch} images of a step are for all of them"
        console.print(told, highlight=False, soft_wrap=True)


def _telling(work: Work) -> dict[str, Any]:
    config = work.run.config
    return {
        "run": str(work.run.path),
        "data": config["data"],
        "split": work.run.split,
        "model": config["model"],
        "stream": config["settings"].get("stream"),
    }


def _restored(run: Run, data: str, split: list[dict[str, str]], model: dict[str, Any], stream: bool | None) -> Work:
    plan = Pattern(model["pattern"]).plan(tuple(model["image"]), len(model["classes"]))
    return Work(run, restore_dataset(data, split, model, stream), plan)


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"

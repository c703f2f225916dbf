"""Training: from settings and images to a run folder; from top to bottom.

Everything random is a function of the seed and the position (epoch, step): the order of
the images, their augmentation, dropout. A run that was interrupted anywhere therefore
goes on to the identical result. `loop` has the epochs, `step` has what happens in one
step.

Started several times by ``torchrun``, the processes train together (`convstage.distributed`):
the leading one prepares, writes and evaluates, and the others are told by it what to train.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .audit import Audit, audit
from .audit.show import summary
from .checkpoint import restore
from .computing import device, quiet_torch
from .config import Config, make_config
from .data import Dataset, choose_geometry, load_dataset, open_source, parse_size, to_audit
from .data.formats import Source
from .distributed import ALONE, World
from .distributed.launch import Launch, launched, world_of
from .errors import ConfigError, DataError
from .evaluation import calibrate_run, evaluate
from .loop import AfterEpoch, begin_state, loop
from .memory import keep_memory
from .pattern import Pattern, Plan
from .predict import describe_model
from .rate_finder import find_rate
from .recipe import default_batch, default_pattern
from .report import write_report
from .run import Run, check_new
from .shifts import choose_shifts
from .terminal import console
from .text import count, size
from .tracking import check, follow
from .work import Work, begun_before, introduce_processes, new_run, reopen, share_work


def train(data: str | Path, *, config: str | Path | None = None, **settings: Any) -> Run:
    """Train a network on labelled images, and evaluate it on its test part.

    In processes that ``torchrun`` has started, all of them train it together, and all return
    the same run when the leading one has evaluated it.

    Parameters
    ----------
    data : path or str
        A folder ``root/<class>/<image>`` or ``root/{train,val,test}/<class>/<image>``, a
        ``.csv`` or ``.npz`` file, IDX files, tar shards such as ``data/{000..999}.tar``, or the name of an
        embedded sample, ``digits``.
    config : path, optional
        A YAML file of settings.
    **settings
        Any field of `convstage.Config`; they overrule the file.

    Returns
    -------
    Run
        The run folder: ``run.path``, ``run.metrics``, ``run.history``.

    Raises
    ------
    ConfigError, PatternError, DataError
        Before anything is written.
    TrainingError
        A loss that is not finite, or processes that are gone; the best epoch so far is kept.

    Examples
    --------
    ::

        run = convstage.train("xrays", pattern="INPUT -> [CONV -> RELU -> POOL]*4 -> FC -> RELU -> CLASSIFIER")
        run.metrics["accuracy"]
    """
    with launched() as launch:
        chosen = make_config(config, **settings)
        # After a restart the run that this launch has begun is gone on with.
        path = begun_before(launch, chosen)
        if path is None:
            return _finish(launch, lambda: _begin(data, chosen, launch), data)
        return _finish(launch, lambda: reopen(path, world_of(launch).size), data)


def _begin(data: str | Path, chosen: Config, launch: Launch | None) -> Work:
    """Prepare, and make the run folder."""
    device(chosen, world_of(launch))
    if launch is None or launch.begun is None:
        check_new(chosen.out, chosen.name)
    ready = prepare(data, chosen)
    found = audit(ready.source, ready.dataset) if chosen.audit else None
    run = begin(ready.config, ready.dataset, ready.plan, launch, found)
    parts = ", ".join(f"{part} {len(ready.dataset.rows(part)):,}" for part in ("train", "val", "test"))
    introduce(run.path, ready.dataset, ready.plan, parts)
    if found is not None:
        _tell_audit(found)
    return Work(run, ready.dataset, ready.plan)


def resume(path: str | Path) -> Run:
    """Go on with an interrupted training, to the result it would have had without the interruption.

    Raises
    ------
    RunError, DataError
        No run folder, or images that are no longer those it was trained with.
    """
    with launched() as launch:
        return _finish(launch, lambda: reopen(path, world_of(launch).size), None)


def _finish(launch: Launch | None, start: Callable[[], Work], data: str | Path | None) -> Run:
    """Train, evaluate and report; the other processes of a launch are told by the leading one what to train."""
    if launch is None:
        work = start()
        return _report(fit(work.run, work.dataset, work.plan), work.dataset)
    work = share_work(launch, start, data)
    run = fit(work.run, work.dataset, work.plan, world=launch.world)
    return _report(run, work.dataset) if launch.world.leads else run


@dataclass(frozen=True)
class Ready:
    """All that a training needs, before anything is written.

    Attributes
    ----------
    config : Config
        With pattern, size, channels and batch size as they will be used.
    source : Source
        Where the images come from.
    dataset, plan
        What is trained on, and what is built.
    """

    config: Config
    source: Source
    dataset: Dataset
    plan: Plan


def prepare(data: str | Path, config: Config) -> Ready:
    """Find out what the settings leave open, and read the images."""
    device(config)
    check(config.log)
    name, source = open_source(data, classes=config.classes, group_regex=config.group_regex)
    pattern = None if config.pattern is None else Pattern(config.pattern)
    geometry = choose_geometry(source, **wanted_geometry(config, pattern))
    pattern = pattern or Pattern(default_pattern(*geometry.size))
    # Before anything is decoded: a pattern that does not fit costs nothing.
    plan = pattern.plan(geometry.shape, len(source.classes))
    dataset = load_dataset(
        name,
        source,
        geometry,
        val=config.val,
        test=config.test,
        seed=config.seed,
        max_unreadable=config.max_unreadable,
        split_file=config.split_file,
        stream=config.stream,
    )
    resolved = {
        "pattern": str(pattern),
        "size": f"{geometry.height}x{geometry.width}",
        "channels": geometry.channels,
        "batch_size": config.batch_size or default_batch(*geometry.size),
        "stream": dataset.streamed,
    }
    return Ready(config.model_copy(update=resolved), to_audit(source, dataset), dataset, plan)


def begin(
    config: Config, dataset: Dataset, plan: Plan, launch: Launch | None = None, found: Audit | None = None
) -> Run:
    """Make the run folder: everything that `fit` and `resume` need, settings that are still to be found included."""
    search = None
    if config.find_lr:
        with quiet_torch(config.threads):
            search = find_rate(config, dataset, plan, device(config))
        config = config.model_copy(update={"learning_rate": search.chosen})
    run = new_run(config, dataset.stem, launch)
    if search is not None:
        rows = zip(search.rates, search.losses, search.smoothed, strict=True)
        run.write_rates(("learning_rate", "loss", "smoothed"), rows)
    shifts = choose_shifts(config.tta, *dataset.geometry.size)
    model = describe_model(plan, dataset.classes, dataset.geometry, dataset.standardisation, shifts)
    run.write_split(dataset.split_rows())
    run.write_unreadable(dataset.unreadable)
    if found is not None:
        _store_audit(run, found)
    # The last: with it the run has begun, and whoever resumes it finds all the rest.
    together = {} if launch is None else {"processes": launch.world.size}
    run.write_config(data=dataset.source, settings=config.model_dump(), model=model, **together)
    return run


def fit(run: Run, dataset: Dataset, plan: Plan, after_epoch: AfterEpoch | None = None, world: World = ALONE) -> Run:
    """Train in a run folder that `begin` made, from wherever it stands, and evaluate.

    Parameters
    ----------
    run : Run
        Its settings are used.
    dataset, plan
        What is trained on, and what is built.
    after_epoch : callable, optional
        Told each epoch's line of the history; what it raises ends the training there, without an evaluation.
    world : World
        The processes that train together. All of them train; the leading one reads, writes and evaluates.
    """
    config = make_config(**world.told(run.config["settings"] if world.leads else None))
    where = device(config, world)
    keep_memory()
    with quiet_torch(world.threads(config.threads)):
        introduce_processes(world, torch.get_num_threads(), config.batch_size or 0)
        state = begin_state(plan, config, where)
        if world.leads:
            restore(run, state)
        with follow(config.log if world.leads else (), run, config, dataset, plan, state) as log:
            loop(run, config, dataset, state, where, log.before(after_epoch), world)
            if not world.leads:
                return run
            if config.calibrate:
                _calibrate(run, dataset)
            if len(dataset.rows("test")):
                log.test(evaluate(run, dataset=dataset))
    return run


def _calibrate(run: Run, dataset: Dataset) -> None:
    """Fit a temperature; where that cannot be done, the training was no less good."""
    try:
        calibrate_run(run, dataset)
    except DataError as error:
        console.print(f"not calibrated: {error}", highlight=False, markup=False, soft_wrap=True)


def _report(run: Run, dataset: Dataset) -> Run:
    """Write the report, if it is wanted; without one, the training was no less good."""
    config = make_config(**run.config["settings"])
    if config.report:
        try:
            with quiet_torch(config.threads):
                write_report(run, dataset)
        except (DataError, OSError) as error:
            told = f"no report: {error}\nWrite it later: convstage report {run.path}"
            console.print(told, highlight=False, markup=False, soft_wrap=True)
    return run


def keep_audit(run: Run, found: Audit) -> None:
    """Store what may mislead in the data, and say it in a few lines."""
    _store_audit(run, found)
    _tell_audit(found)


def _store_audit(run: Run, found: Audit) -> None:
    run.write_audit(found.to_dict())
    if (table := found.shortcut()) is not None:
        run.write_shortcut(*table)


def _tell_audit(found: Audit) -> None:
    for line in summary(found):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def introduce(folder: Path, dataset: Dataset, plan: Plan, parts: str) -> None:
    """Say what is trained on what, before the first epoch is through; `parts` says how the images are divided."""
    counts = ", ".join(f"{name} ({n:,})" for name, n in zip(dataset.classes, dataset.counts(), strict=True))
    lines = [
        f"{len(dataset.labels):,} images of {dataset.source}: {counts}",
        f"{parts}; read as {size(dataset.geometry.size)} {dataset.geometry.channels}",
        f"{plan.pattern}: {count(plan.parameters)} parameters, {count(plan.multiply_adds)} multiply-adds per image",
    ]
    if dataset.unreadable:
        lines.insert(
            1, f"{len(dataset.unreadable):,} files cannot be read and are left out, see {folder}/unreadable.csv"
        )
    for line in [*lines, *dataset.notes]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def wanted_geometry(config: Config, pattern: Pattern | None) -> dict[str, Any]:
    """Return what settings and pattern say of the images; the settings come first."""
    size = None if config.size is None else parse_size(config.size)
    channels = None if config.channels == "auto" else config.channels
    image = pattern.image if pattern else None
    if image is not None:
        if image[2] not in (1, 3):
            raise ConfigError(f"INPUT has {image[2]} channels; images are read with 1 (grey, binary) or 3 (colour).")
        size = size or image[:2]
        channels = channels or ("colour" if image[2] == 3 else "grey")
    return {"size": size, "channels": channels, "resize": config.resize}


__all__ = ["begin", "fit", "introduce", "prepare", "resume", "train"]

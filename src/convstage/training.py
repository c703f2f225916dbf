"""Training: settings, data, network, loop; from top to bottom.

Everything random is a function of the seed and the position (epoch, step): the order of
the images, their augmentation, dropout. A run that was interrupted anywhere therefore
goes on to the identical result; what it needs is the weights, the optimizer's state and
the position, and those are in one file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .checkpoint import Position, restore, save
from .config import Config, make_config
from .data import Augmentation, Dataset, choose_geometry, load_dataset, open_source, parse_size, restore_dataset
from .errors import ConfigError, TrainingError
from .evaluation import evaluate
from .memory import keep_memory
from .network import Network
from .optimizer import AdamW
from .pattern import Pattern, Plan
from .predict import batch_for, describe_model, forward
from .recipe import class_weights, default_batch, default_pattern, learning_rate, make_optimizer
from .run import Run, check_new
from .stopping import stop_signals
from .terminal import bar, console
from .text import count, size


def train(data: str | Path, *, config: str | Path | None = None, **settings: Any) -> Run:
    """Train a network on labelled images, and evaluate it on its test part.

    Parameters
    ----------
    data : path or str
        A folder ``root/<class>/<image>`` or ``root/{train,val,test}/<class>/<image>``, a
        ``.npz`` file, or the name of an embedded sample, ``digits``.
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
        A loss that is not finite; the best epoch so far is kept.

    Examples
    --------
    ::

        run = convstage.train("xrays", pattern="INPUT -> [CONV -> RELU -> POOL]*4 -> FC -> RELU -> CLASSIFIER")
        run.metrics["accuracy"]
    """
    chosen = make_config(config, **settings)
    check_new(chosen.out, chosen.name)
    device(chosen)
    source, images = open_source(data)
    pattern = None if chosen.pattern is None else Pattern(chosen.pattern)
    geometry = choose_geometry(images, **_wanted_geometry(chosen, pattern))
    pattern = pattern or Pattern(default_pattern(*geometry.size))
    # Before anything is decoded: a pattern that does not fit costs nothing.
    plan = pattern.plan(geometry.shape, len(images.classes))
    dataset = load_dataset(source, images, geometry, val=chosen.val, test=chosen.test, seed=chosen.seed)
    chosen = chosen.model_copy(
        update={
            "pattern": str(pattern),
            "size": f"{geometry.height}x{geometry.width}",
            "channels": geometry.channels,
            "batch_size": chosen.batch_size or default_batch(*geometry.size),
        }
    )
    run = Run.create(chosen.out, chosen.name, Path(source).stem)
    model = describe_model(plan, dataset.classes, dataset.geometry, dataset.standardisation)
    run.write_split(dataset.split_rows())
    run.write_unreadable(dataset.unreadable)
    run.write_config(data=dataset.source, settings=chosen.model_dump(), model=model)
    _introduce(run, dataset, plan)
    return _fit(run, chosen, dataset, plan)


def resume(path: str | Path) -> Run:
    """Go on with an interrupted training, to the result it would have had without the interruption.

    Raises
    ------
    RunError, DataError
        No run folder, or images that are no longer those it was trained with.
    """
    run = Run.open(path)
    run.sweep()
    stored = run.config
    chosen = make_config(**stored["settings"])
    model = stored["model"]
    dataset = restore_dataset(stored["data"], run.split, model)
    plan = Pattern(model["pattern"]).plan(tuple(model["image"]), len(model["classes"]))
    return _fit(run, chosen, dataset, plan)


def _fit(run: Run, config: Config, dataset: Dataset, plan: Plan) -> Run:
    keep_memory()
    with torch.random.fork_rng(devices=[]), _threads(config.threads):
        network = plan.build(config.seed).to(device(config))
        optimizer = make_optimizer(network, config.weight_decay)
        position = restore(run, network, optimizer)
        _loop(run, config, dataset, network, optimizer, position)
        if len(dataset.rows("test")):
            evaluate(run)
    return run


def _loop(run: Run, config: Config, dataset: Dataset, network: Network, optimizer: AdamW, position: Position) -> None:
    where = device(config)
    rows = dataset.rows("train")
    assert config.batch_size is not None
    steps = -(-len(rows) // config.batch_size)
    total = steps * config.epochs
    labels = torch.from_numpy(dataset.labels)
    weight = class_weights(dataset.counts("train"), config.class_weights)
    weight = None if weight is None else weight.to(where)
    augment = _augmentation(config)
    saved = time.monotonic()
    done = position.epoch * len(rows) + position.seen

    with stop_signals() as stop, bar("images") as progress:
        task = progress.add_task("Training", total=config.epochs * len(rows), completed=done, note="")
        while position.epoch < config.epochs and position.epoch - position.best_epoch < config.patience:
            order = np.random.default_rng((config.seed, position.epoch)).permutation(rows)
            batches = np.array_split(order, steps)  # of nearly one size: batch norm cannot do with a last one of 1
            network.train()
            began, began_at = time.perf_counter(), position.seen
            while position.step < steps:
                batch = batches[position.step]
                seed = _seed(config.seed, position.epoch, position.step)
                torch.manual_seed(seed)  # for dropout
                x = augment(dataset.standardisation(dataset.pixels[batch]), torch.Generator().manual_seed(seed))
                x, y = x.to(where), labels[batch].to(where)

                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(position.epoch * steps + position.step, total, config.learning_rate)
                logits = network(x)
                loss = F.cross_entropy(logits, y, weight)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                norm = nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
                value = loss.item()
                if not math.isfinite(value + norm.item()):
                    raise _not_finite(run, position, value, norm.item())
                optimizer.step()

                position.step += 1
                position.seen += len(batch)
                position.loss_sum += value * len(batch)
                position.correct += int((logits.detach().argmax(1) == y).sum())
                progress.update(
                    task,
                    advance=len(batch),
                    description=f"Epoch {position.epoch + 1}/{config.epochs}",
                    note=f"loss {position.loss_sum / position.seen:.4f}{_last_figure(position)}",
                )
                if stop.signal or time.monotonic() - saved > config.save_every:
                    save(run, network, optimizer, position)
                    saved = time.monotonic()
                stop.check(run.path)

            seconds = time.perf_counter() - began
            line = _end_epoch(run, config, dataset, network, position, (position.seen - began_at) / seconds)
            save(run, network, optimizer, position)
            saved = time.monotonic()
            console.print(line, highlight=False, soft_wrap=True)
            stop.check(run.path)


def _last_figure(position: Position) -> str:
    return f", val {position.history[-1]['val_balanced_accuracy']:.1%}" if position.history else ""


def _end_epoch(run: Run, config: Config, dataset: Dataset, network: Network, position: Position, speed: float) -> str:
    """Validate, keep the best, move the position to the next epoch; return a line that says so."""
    figures = _validate(dataset, network)
    rank = [-figures["loss"] if config.monitor == "loss" else figures[config.monitor], -figures["loss"]]
    row = {
        "epoch": position.epoch + 1,
        "train_loss": position.loss_sum / position.seen,
        "train_accuracy": position.correct / position.seen,
        **{f"val_{name}": value for name, value in figures.items()},
        "images_per_second": round(speed, 1),
    }
    position.history.append(row)
    better = rank > position.best
    position.epoch, position.step = position.epoch + 1, 0
    position.loss_sum, position.correct, position.seen = 0.0, 0, 0
    if better:
        position.best, position.best_epoch = rank, position.epoch
        model = describe_model(network.plan, dataset.classes, dataset.geometry, dataset.standardisation)
        run.write_model(network.state_dict(), {**model, "epoch": position.epoch})
    run.write_history(position.history)
    return (
        f"epoch {position.epoch:>3}/{config.epochs}  loss {row['train_loss']:.4f}  val loss {figures['loss']:.4f}  "
        f"val balanced accuracy {figures['balanced_accuracy']:.2%}  {speed:,.0f} images/s{'  best' if better else ''}"
    )


def _validate(dataset: Dataset, network: Network) -> dict[str, float]:
    rows = dataset.rows("val")
    network.eval()
    logits = np.concatenate(
        list(forward(network, dataset.standardisation, dataset.pixels[rows], batch_for(network.plan)))
    )
    labels = dataset.labels[rows]
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    correct = logits.argmax(1) == labels
    recalls = [correct[labels == label].mean() for label in np.unique(labels)]
    return {"loss": float(loss), "accuracy": float(correct.mean()), "balanced_accuracy": float(np.mean(recalls))}


def _introduce(run: Run, dataset: Dataset, plan: Plan) -> None:
    """Say what is trained on what, before the first epoch is through."""
    counts = ", ".join(f"{name} ({n:,})" for name, n in zip(dataset.classes, dataset.counts(), strict=True))
    parts = ", ".join(f"{part} {len(dataset.rows(part)):,}" for part in ("train", "val", "test"))
    how = f"{size(dataset.geometry.size)} {dataset.geometry.channels}"
    lines = [
        f"{len(dataset.labels):,} images of {dataset.source}: {counts}",
        f"{parts}; read as {how}",
        f"{plan.pattern}: {count(plan.parameters)} parameters, {count(plan.multiply_adds)} multiply-adds per image",
    ]
    if dataset.unreadable:
        lines.insert(
            1, f"{len(dataset.unreadable):,} files cannot be read and are left out, see {run.path}/unreadable.csv"
        )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _augmentation(config: Config) -> Augmentation:
    if not config.augment:
        return Augmentation()
    names = ("shift", "rotate", "zoom", "brightness", "contrast", "flip")
    return Augmentation(**{name: getattr(config, name) for name in names})


def _not_finite(run: Run, position: Position, loss: float, norm: float) -> TrainingError:
    kept = f"Epoch {position.best_epoch}, the best so far, is kept in {run.path}." if position.best_epoch else ""
    return TrainingError(
        f"loss {loss:g}, gradient {norm:g} in epoch {position.epoch + 1}, step {position.step + 1}: not finite, "
        f"so the step was not taken.\n{kept}\nA lower --learning-rate usually helps."
    )


def _wanted_geometry(config: Config, pattern: Pattern | None) -> dict[str, Any]:
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


def device(config: Config) -> torch.device:
    """Return the device that is asked for.

    Raises
    ------
    ConfigError
        There is no such device here.
    """
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        where = torch.device(name)
        torch.empty(1, device=where)
    except (RuntimeError, AssertionError) as error:
        # For a name that it does not know, torch lists all of its dozens; that helps nobody.
        reason = "" if "Expected one of" in str(error) else f": {str(error).splitlines()[0]}"
        raise ConfigError(f"device = {name!r} cannot be used here{reason}.\nUse cpu, cuda or auto.") from None
    return where


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["resume", "train"]

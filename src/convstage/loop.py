"""The loop of a training: steps, epochs, validation, the best epoch, checkpoints.

A run that was interrupted anywhere goes on to the identical result: what it needs is
the weights, the optimizer's state and the position, and those are in one file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn import functional as F

from .checkpoint import Position, State, save
from .config import Config
from .data import Dataset
from .errors import TrainingError
from .network import Network
from .predict import batch_for, forward
from .recipe import learning_rate
from .run import Run
from .step import Outcome, Steps
from .stopping import stop_signals
from .terminal import bar, console

#: Told the line of the history that an epoch has added, when all of it is saved.
AfterEpoch = Callable[[Mapping[str, float]], None]


def loop(
    run: Run,
    config: Config,
    dataset: Dataset,
    state: State,
    where: torch.device,
    after_epoch: AfterEpoch | None = None,
) -> None:
    """Train from where `state` stands to the last epoch, or to when no epoch is better any more.

    What `after_epoch` raises ends the training there; the run can be resumed.

    Raises
    ------
    TrainingError
        A loss that is not finite.
    TrainingStopped
        Somebody wants it to stop; where it stands is saved.
    """
    steps = Steps(dataset, config, where)
    total = steps.count * config.epochs
    position = state.position
    saved = time.monotonic()
    done = position.epoch * len(steps.rows) + position.seen

    with stop_signals() as stop, bar("images") as progress:
        task = progress.add_task("Training", total=config.epochs * len(steps.rows), completed=done, note="")
        while position.epoch < config.epochs and position.epoch - position.best_epoch < config.patience:
            batches = steps.batches(position.epoch)
            state.network.train()
            began, began_at = time.perf_counter(), position.seen
            while position.step < steps.count:
                batch = batches[position.step]
                outcome = steps.gradient(state.network, state.optimizer, batch, position.epoch, position.step)
                if not outcome.is_finite:
                    raise _not_finite(run, position, outcome)
                rate = learning_rate(position.epoch * steps.count + position.step, total, config.learning_rate)
                for group in state.optimizer.param_groups:
                    group["lr"] = rate
                state.optimizer.step()
                if state.average is not None:
                    state.average.update_parameters(state.network)

                position.step += 1
                position.seen += len(batch)
                position.loss_sum += outcome.loss * len(batch)
                position.correct += outcome.correct
                progress.update(
                    task,
                    advance=len(batch),
                    description=f"Epoch {position.epoch + 1}/{config.epochs}",
                    note=f"loss {position.loss_sum / position.seen:.4f}{_last_figure(position)}",
                )
                if stop.signal or time.monotonic() - saved > config.save_every:
                    save(run, state)
                    saved = time.monotonic()
                stop.check(run.path)

            seconds = time.perf_counter() - began
            line = _end_epoch(run, config, dataset, state, (position.seen - began_at) / seconds)
            save(run, state)
            saved = time.monotonic()
            console.print(line, highlight=False, soft_wrap=True)
            if after_epoch is not None:
                after_epoch(position.history[-1])
            stop.check(run.path)


def _last_figure(position: Position) -> str:
    return f", val {position.history[-1]['val_balanced_accuracy']:.1%}" if position.history else ""


def _end_epoch(run: Run, config: Config, dataset: Dataset, state: State, speed: float) -> str:
    """Validate, keep the best, move the position to the next epoch; return a line that says so."""
    position, network = state.position, state.model
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
        run.write_model(network.state_dict(), {**run.config["model"], "epoch": position.epoch})
    run.write_history(position.history)
    return (
        f"epoch {position.epoch:>3}/{config.epochs}  loss {row['train_loss']:.4f}  val loss {figures['loss']:.4f}  "
        f"val balanced accuracy {figures['balanced_accuracy']:.2%}  {speed:,.0f} images/s{'  best' if better else ''}"
    )


def _validate(dataset: Dataset, network: Network) -> dict[str, float]:
    rows = dataset.rows("val")
    network.eval()
    # Without test-time shifts, which would cost as much as training does; they change little in what epoch is best.
    logits = np.concatenate(
        list(forward(network, dataset.standardisation, dataset.pixels.take(rows), batch_for(network.plan)))
    )
    labels = dataset.labels[rows]
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    correct = logits.argmax(1) == labels
    recalls = [correct[labels == label].mean() for label in np.unique(labels)]
    return {"loss": float(loss), "accuracy": float(correct.mean()), "balanced_accuracy": float(np.mean(recalls))}


def _not_finite(run: Run, position: Position, outcome: Outcome) -> TrainingError:
    kept = f"Epoch {position.best_epoch}, the best so far, is kept in {run.path}." if position.best_epoch else ""
    return TrainingError(
        f"loss {outcome.loss:g}, gradient {outcome.norm:g} in epoch {position.epoch + 1}, step {position.step + 1}: "
        f"not finite, so the step was not taken.\n{kept}\nA lower --learning-rate usually helps."
    )

"""The loop of a training: steps, epochs, validation, the best epoch, checkpoints.

A run that was interrupted anywhere goes on to the identical result: what it needs is
the weights, the optimizer's state and the position, and those are in one file.

Where several processes train together, all go through this loop in step: they see the same
figures, so they decide the same, and the leading one alone writes.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, replace

import numpy as np
import torch
from torch.nn import functional as F

from .averaging import averaged
from .checkpoint import Position, State, save
from .config import Config
from .data import Dataset
from .distributed import ALONE, Share, World
from .distributed.replica import replicate, settle
from .errors import TrainingError
from .keeping import Keeper
from .network import Network
from .optimizer import STATE
from .pattern import Plan
from .predict import batch_for, forward
from .recipe import learning_rate, make_optimizer
from .step import Outcome, Steps
from .stopping import Stop, stop_signals
from .terminal import bar, console

#: Told the line of the history that an epoch has added, when all of it is saved.
AfterEpoch = Callable[[Mapping[str, float]], None]


def begin_state(plan: Plan, config: Config, where: torch.device) -> State:
    """Return a new network of a plan, with what trains it."""
    network = plan.build(config.seed).to(where)
    optimizer = make_optimizer(network, config.weight_decay)
    return State(network, optimizer, averaged(network, config.ema) if config.ema else None)


def loop(
    run: Keeper,
    config: Config,
    dataset: Dataset,
    state: State,
    where: torch.device,
    after_epoch: AfterEpoch | None = None,
    world: World = ALONE,
    quiet: bool = False,
) -> None:
    """Train from where `state` stands to the last epoch, or to when no epoch is better any more.

    What `after_epoch` raises ends the training there; the run can be resumed. Of several
    processes, the leading one's `state` is taken by all. Without a validation part the last
    epoch counts as the best. A training that keeps nothing on the disk is stopped by signals
    as any program is. A quiet one shows nothing.

    Raises
    ------
    TrainingError
        A loss that is not finite.
    TrainingStopped
        Somebody wants it to stop; where it stands is saved.
    """
    share = Share(world)
    steps = Steps(dataset, config, where, share)
    total = steps.count * config.epochs
    _hand_out(state, world)
    position = state.position
    network = replicate(state.network, share)
    settle(network, state.network.plan.image, share)
    saved = time.monotonic()
    done = position.epoch * len(steps.rows) + position.seen

    progress_bar = bar("images")
    progress_bar.disable |= quiet
    # What is stopped after its step must have a place to be saved in.
    signals = nullcontext(Stop()) if run.path is None else stop_signals()
    with signals as stop, progress_bar as progress:
        task = progress.add_task("Training", total=config.epochs * len(steps.rows), completed=done, note="")
        while position.epoch < config.epochs and position.epoch - position.best_epoch < config.patience:
            batches = steps.batches(position.epoch)
            state.network.train()
            began, began_at = time.perf_counter(), position.seen
            while position.step < steps.count:
                batch = batches[position.step]
                outcome = steps.gradient(network, state.optimizer, batch, position.epoch, position.step)
                outcome, asked = _together(outcome, stop, world)
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
                asked = stop.signal if world.alone else asked
                if world.leads and (asked or time.monotonic() - saved > config.save_every):
                    save(run, state)
                    saved = time.monotonic()
                _leave_if(asked, run, world)

            seconds = time.perf_counter() - began
            line = _end_epoch(run, config, dataset, state, (position.seen - began_at) / seconds, world)
            if world.leads:
                save(run, state)
            saved = time.monotonic()
            if not quiet:
                console.print(line, highlight=False, soft_wrap=True)
            if after_epoch is not None:
                after_epoch(position.history[-1])
            _leave_if(_asked(stop, world), run, world)


def _hand_out(state: State, world: World) -> None:
    """Give every process the leading one's state: the folder it was read from may be on one machine only."""
    if world.alone:
        return
    moments = state.optimizer.state_dict()
    told = world.told({"position": asdict(state.position), "moved": list(moments)})
    if not world.leads:
        state.position = Position(**told["position"])
        parameters = state.optimizer.parameters
        state.optimizer.load_state_dict(
            {n: {name: torch.zeros(()) if name == "step" else parameters[n] for name in STATE} for n in told["moved"]}
        )
    tensors = [*state.network.state_dict().values()]
    tensors += [tensor for moment in state.optimizer.state_dict().values() for tensor in moment.values()]
    if state.average is not None:
        tensors += state.average.state_dict().values()
    world.copy(tensors)


def _together(outcome: Outcome, stop: Stop, world: World) -> tuple[Outcome, int]:
    """Return what a step has found over all processes, and the signal that any of them was sent, if any."""
    if world.alone:
        return outcome, stop.signal
    sums = world.total([outcome.loss, outcome.correct, stop.signal == signal.SIGINT, stop.signal == signal.SIGTERM])
    return replace(outcome, loss=sums[0], correct=int(sums[1])), _signal(*sums[2:])


def _asked(stop: Stop, world: World) -> int:
    """Return the signal that any of the processes was sent, if any."""
    if world.alone:
        return stop.signal
    return _signal(*world.total([stop.signal == signal.SIGINT, stop.signal == signal.SIGTERM]))


def _signal(interrupts: float, terminations: float) -> int:
    return signal.SIGTERM if terminations else signal.SIGINT if interrupts else 0


def _leave_if(asked: int, run: Keeper, world: World) -> None:
    """Stop when somebody wants it; the run has been saved by the leading process."""
    if asked:
        assert run.path is not None
        world.meet()  # when the first process is gone, torchrun ends the others: it must not be before the save
        Stop(asked).check(run.path)


def _last_figure(position: Position) -> str:
    last = position.history[-1] if position.history else {}
    return f", val {last['val_balanced_accuracy']:.1%}" if "val_balanced_accuracy" in last else ""


def _end_epoch(run: Keeper, config: Config, dataset: Dataset, state: State, speed: float, world: World) -> str:
    """Validate, keep the best, move the position to the next epoch; return a line that says so."""
    position, network = state.position, state.model
    figures = _validate(dataset, network, world) if len(dataset.rows("val")) else {}
    if figures and not math.isfinite(figures["loss"]):
        raise _nothing_to_compare(run, position, figures["loss"])
    rank = _rank(figures, config) if figures else [float(position.epoch)]
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
        if world.leads:
            run.write_model(network.state_dict(), {**run.config["model"], "epoch": position.epoch})
    if world.leads:
        run.write_history(position.history)
    validated = (
        f"val loss {figures['loss']:.4f}  val balanced accuracy {figures['balanced_accuracy']:.2%}  " if figures else ""
    )
    return (
        f"epoch {position.epoch:>3}/{config.epochs}  loss {row['train_loss']:.4f}  "
        f"{validated}{speed:,.0f} images/s{'  best' if better and figures else ''}"
    )


def _rank(figures: Mapping[str, float], config: Config) -> list[float]:
    """Return what tells the better of two epochs; ties of the figure that is monitored go to the lower loss."""
    return [-figures["loss"] if config.monitor == "loss" else figures[config.monitor], -figures["loss"]]


def _validate(dataset: Dataset, network: Network, world: World) -> dict[str, float]:
    """Return the figures of the validation part; of several processes each looks at a share of it."""
    rows = dataset.rows("val")
    mine = world.share(len(rows))
    network.eval()
    logits = np.zeros((len(rows), len(dataset.classes)))
    # Without test-time shifts, which would cost as much as training does; they change little in what epoch is best.
    batches = forward(network, dataset.standardisation, dataset.pixels.take(rows[mine]), batch_for(network.plan))
    if found := list(batches):
        logits[mine] = np.concatenate(found)
    world.add(torch.from_numpy(logits))  # the others' rows are zero
    labels = dataset.labels[rows]
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
    losses = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), reduction="none").numpy()
    correct = logits.argmax(1) == labels
    recalls = [np.average(correct[of], weights=weights[of]) for of in (labels == k for k in np.unique(labels))]
    figures = {
        "loss": float(np.average(losses, weights=weights)),
        "accuracy": float(np.average(correct, weights=weights)),
        "balanced_accuracy": float(np.mean(recalls)),
    }
    return dict(world.told(figures))  # even where processors differ, all decide by the same figures


def _nothing_to_compare(run: Keeper, position: Position, loss: float) -> TrainingError:
    return TrainingError(
        f"validation loss {loss:g} after epoch {position.epoch + 1}: not finite, so no epoch can be compared with it.\n"
        f"{_way_on(run, position)}"
    )


def _way_on(run: Keeper, position: Position) -> str:
    if run.path is None:
        return "A lower learning_rate usually helps."
    kept = f"Epoch {position.best_epoch}, the best so far, is kept in {run.path}." if position.best_epoch else ""
    return f"{kept}\nA lower --learning-rate usually helps."


def _not_finite(run: Keeper, position: Position, outcome: Outcome) -> TrainingError:
    return TrainingError(
        f"loss {outcome.loss:g}, gradient {outcome.norm:g} in epoch {position.epoch + 1}, step {position.step + 1}: "
        f"not finite, so the step was not taken.\n{_way_on(run, position)}"
    )

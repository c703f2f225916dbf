"""All trials of a study, best first, with what they cost: plain data, made of the storage alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..run import csv_text
from .choices import DROPOUT, FILTERS, word
from .objective import FOUND, IS_DEFAULT, PROPOSAL, WORKER
from .sampling import number_of
from .setup import Setup
from .worker import counts
from .worker_id import machine_name

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: States of trials, in the order they are listed, as people call them.
STATES = {"COMPLETE": "done", "PRUNED": "pruned", "RUNNING": "running", "WAITING": "waiting", "FAIL": "given up"}


def leaderboard(study: Study, setup: Setup) -> list[dict[str, Any]]:
    """Return all trials: those that are done by rank, then pruned ones by how far they came, then the rest.

    Returns
    -------
    list of dict
        ``rank``, None but for trials that are done; ``trial``, ``state``, ``pattern``, ``parts``,
        ``settings``; ``value``, the validation figure that ranks, of a pruned trial that of its last epoch;
        ``figures`` with intervals and ``loss`` of the epoch that was kept; ``epoch``, ``epochs``,
        ``seconds_per_epoch``; ``parameters``, ``multiply_adds``; ``front``, whether no other trial is as good for
        less, or better for as much; ``default``; ``same_as``; ``problem``; ``machine`` and ``run``, where it lies.
    """
    every = study.get_trials(deepcopy=False)
    rows = [_row(trial, every) for trial in every if counts(trial, every)]
    sign = -1.0 if setup.settings["monitor"] == "loss" else 1.0
    done = [row for row in rows if row["state"] == "done"]
    done.sort(key=lambda row: (-sign * row["value"], row["loss"], row["multiply_adds"], row["trial"]))
    for rank, row in enumerate(done, 1):
        row["rank"] = rank
    for row in done:
        row["front"] = not any(_beats(other, row, sign) for other in done)
    order = list(STATES.values())
    others = [row for row in rows if row["state"] != "done"]
    others.sort(key=lambda row: (_place(order, row["state"]), -(row["epochs"] or 0), row["trial"]))
    return done + others


def _row(trial: FrozenTrial, every: Sequence[FrozenTrial]) -> dict[str, Any]:
    known: Mapping[str, Any] = trial.user_attrs.get(PROPOSAL, {})
    found: Mapping[str, Any] = trial.user_attrs.get(FOUND, {})
    state = STATES[trial.state.name]
    if "same_as" in found:
        state = f"same as {found['same_as']}"
    values = trial.intermediate_values
    value = trial.value if trial.state.name == "COMPLETE" else values[max(values)] if values else None
    return {
        "rank": None,
        "trial": number_of(trial, every),
        "state": "failed" if "problem" in found else state,
        "default": bool(trial.user_attrs.get(IS_DEFAULT)),
        "pattern": known.get("pattern"),
        "parts": known.get("parts", {}),
        "settings": known.get("settings", {}),
        "value": value,
        "figures": found.get("figures"),
        "loss": found.get("loss"),
        "epoch": found.get("epoch"),
        "epochs": found.get("epochs") or max(values, default=None),
        "seconds_per_epoch": found["seconds"] / found["epochs"] if "seconds" in found else None,
        "parameters": known.get("parameters"),
        "multiply_adds": known.get("multiply_adds"),
        "front": False,
        "same_as": found.get("same_as"),
        "problem": found.get("problem"),
        "machine": machine_name(trial.user_attrs.get(WORKER)),
        "run": known.get("run"),
    }


def _beats(other: Mapping[str, Any], row: Mapping[str, Any], sign: float) -> bool:
    """Return whether a trial is as good for less, or better for as much; of equal ones, the first."""
    gain, saving = sign * (other["value"] - row["value"]), row["multiply_adds"] - other["multiply_adds"]
    return bool(gain >= 0 and saving >= 0 and (gain > 0 or saving > 0 or other["rank"] < row["rank"]))


def _place(order: Sequence[str], state: str) -> int:
    return order.index(state) if state in order else len(order)


def choice_names(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the names of the parts and of the settings that any trial has, in order."""
    return (
        list(dict.fromkeys(name for row in rows for name in row["parts"])),
        list(dict.fromkeys(name for row in rows for name in row["settings"])),
    )


def as_csv(rows: Sequence[Mapping[str, Any]], monitor: str) -> str:
    """Return the leaderboard as a table for other programs."""
    parts, settings = choice_names(rows)
    columns = [
        "rank", "trial", "state", "default", f"val_{monitor}", "low", "high", "val_loss", "parameters",
        "multiply_adds", "seconds_per_epoch", "epochs", "best_epoch", "front", *parts, *settings, "pattern", "machine",
        "run", "problem",
    ]  # fmt: skip
    lines = []
    for row in rows:
        figure = (row["figures"] or {}).get(monitor) or {}
        lines.append(
            [
                row["rank"],
                row["trial"],
                row["state"],
                int(row["default"]),
                row["value"],
                figure.get("low"),
                figure.get("high"),
                row["loss"],
                row["parameters"],
                row["multiply_adds"],
                row["seconds_per_epoch"],
                row["epochs"],
                row["epoch"],
                int(row["front"]),
                *(_plain(row["parts"].get(name)) for name in parts),
                *(_plain(row["settings"].get(name)) for name in settings),
                row["pattern"],
                row["machine"],
                row["run"],
                row["problem"],
            ]
        )
    return csv_text(columns, lines)


def _plain(value: Any) -> Any:
    return word(value) if isinstance(value, bool) else value


def choices_words(row: Mapping[str, Any]) -> str:
    """Return what a trial has chosen beside its pattern, in words.

    Examples
    --------
    >>> choices_words({"settings": {"learning_rate": 0.00123, "augment": False, "filters": 16}})
    'learning rate 0.00123, augment off'
    """
    told = {name: value for name, value in row["settings"].items() if name not in (FILTERS, DROPOUT)}
    return ", ".join(f"{name.replace('_', ' ')} {word(value)}" for name, value in told.items())


def numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many trials there are in all, and in each state that occurs."""
    found: dict[str, int] = {"trials": len(rows)}
    for row in rows:
        state = "repeated" if row["same_as"] is not None else row["state"]
        found[state] = found.get(state, 0) + 1
    return found

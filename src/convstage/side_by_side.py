"""Classifiers side by side: accuracy, accuracy on shifted images, cost, and which is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .figures import describe_intervals
from .paired import difference
from .resampling import number_groups
from .shift_test import DISTANCES, shift_figures

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turn:
    """One training of a classifier, and how it did on the test images of its seed.

    Attributes
    ----------
    seed : int
    run : str
        Name of its folder.
    groups : list of str, length n
        What each test image shares with those that are not independent of it; else its own name.
    right : ndarray, shape (distances, n)
        As `convstage.shift_test.shift_test` returns it, for its `DISTANCES`.
    seconds : float
        Of training.
    epochs : int
    """

    seed: int
    run: str
    groups: list[str]
    right: Floats
    seconds: float
    epochs: int

    def figures(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        shifts = shift_figures(self.right, self.groups)
        return {
            "seed": self.seed,
            "run": self.run,
            "images": len(self.groups),
            "accuracy": shifts[0],
            "shifts": shifts,
            "seconds": self.seconds,
            "epochs": self.epochs,
        }


@dataclass(frozen=True)
class Side:
    """A classifier that is compared: a pattern, or hand-made features.

    Attributes
    ----------
    name : str
        The number of a pattern, or the name of a baseline.
    kind : {"pattern", "baseline"}
    what : str
        The pattern, or the features in words.
    parameters, multiply_adds : int
        What it learns, and what it costs for an image; of hand-made features, of what comes behind them.
    turns : sequence of Turn
        One of each seed.
    """

    name: str
    kind: Literal["pattern", "baseline"]
    what: str
    parameters: int
    multiply_adds: int
    turns: Sequence[Turn]


def side_by_side(sides: Sequence[Side]) -> dict[str, Any]:
    """Return the figures of several classifiers as plain data; the first is what the others are compared with.

    Of each, ``per_seed`` has the figures with intervals, ``over_seeds`` mean and standard
    deviation where there are several seeds, and ``difference`` what `convstage.paired.difference`
    finds, None for the first.
    """
    first = sides[0]
    shown = []
    for side in sides:
        per_seed = [turn.figures() for turn in side.turns]
        shown.append(
            {
                "name": side.name,
                "kind": side.kind,
                "what": side.what,
                "parameters": side.parameters,
                "multiply_adds": side.multiply_adds,
                "per_seed": per_seed,
                "over_seeds": _over_seeds(side.turns),
                "difference": None if side is first else _difference(first, side),
            }
        )
    turn = first.turns[0]
    return {
        "seeds": [turn.seed for turn in first.turns],
        "images": len(turn.groups),
        "distances": list(DISTANCES),
        "sides": shown,
        "intervals": describe_intervals(number_groups(turn.groups, len(turn.groups))),
    }


def _over_seeds(turns: Sequence[Turn]) -> dict[str, Any] | None:
    """Return means and standard deviations over the seeds; None of a single one."""
    if len(turns) < 2:
        return None
    accuracies = np.array([turn.right.mean(axis=1) for turn in turns])
    means, deviations = accuracies.mean(axis=0), accuracies.std(axis=0, ddof=1)
    shifts = [{"mean": float(mean), "std": float(std)} for mean, std in zip(means, deviations, strict=True)]
    return {
        "accuracy": shifts[0],
        "shifts": shifts,
        "seconds": float(np.mean([turn.seconds for turn in turns])),
        "epochs": float(np.mean([turn.epochs for turn in turns])),
    }


def _difference(first: Side, other: Side) -> dict[str, Any]:
    """Compare two sides on the test images of every seed; an image in several of them is one group."""
    pairs = list(zip(first.turns, other.turns, strict=True))
    one, two = (np.concatenate([pair[place].right[0] for pair in pairs]) for place in (0, 1))
    groups = [group for turn in first.turns for group in turn.groups]
    turns = [turn.seed for turn in first.turns for _ in turn.groups]
    return difference(one, two, groups, turns).to_dict()

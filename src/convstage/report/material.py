"""What a report is made from: the run folder, read once, and the images where they still are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Dataset, restore_dataset
from ..errors import DataError, RunError
from ..evaluation import evaluate
from ..pattern import Pattern, Plan
from ..predict import Classifier, load
from ..run import Run

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of the run, as its folder has it.

    Attributes
    ----------
    metrics : dict
        See `convstage.evaluation.evaluate`.
    names : list of str, length n
        The images.
    truth, predicted : ndarray of int, shape (n,)
        Class numbers.
    probabilities : ndarray, shape (n, classes)
    """

    metrics: dict[str, Any]
    names: list[str]
    truth: Labels
    predicted: Labels
    probabilities: Floats

    @classmethod
    def read(cls, folder: Run, classes: list[str]) -> Evaluated:
        """Read what an evaluation has written.

        Raises
        ------
        RunError
            The predictions are missing or damaged.
        """
        rows = folder.predictions
        number = {name: place for place, name in enumerate(classes)}
        try:
            return cls(
                folder.metrics,
                [row["image"] for row in rows],
                np.array([number[row["truth"]] for row in rows], np.int64),
                np.array([number[row["prediction"]] for row in rows], np.int64),
                np.array([[float(row[f"p({name})"]) for name in classes] for row in rows]).reshape(-1, len(classes)),
            )
        except (KeyError, ValueError, TypeError):
            raise RunError(
                f"{folder.path}/predictions.csv is damaged.\nMake it anew: convstage evaluate {folder.path}"
            ) from None

    @property
    def confidence(self) -> Floats:
        """The probability of each prediction, shape (n,)."""
        return np.asarray(self.probabilities.max(axis=1))


@dataclass(frozen=True)
class Material:
    """All that the sections of a report are made from.

    Attributes
    ----------
    run : Run
    config : dict
        What was resolved when training began.
    model : dict
        What the model file says of itself: pattern, classes, the epoch that was kept.
    plan : Plan
    evaluated : Evaluated or None
        On the test part; on the validation part where there is no other; None where that cannot be had.
    dataset : Dataset or None
        The images.
    missing : str
        Why there are no images; empty when there are.
    """

    run: Run
    config: dict[str, Any]
    model: dict[str, Any]
    plan: Plan
    evaluated: Evaluated | None
    dataset: Dataset | None
    missing: str = ""

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.model["classes"])

    @cached_property
    def split(self) -> list[dict[str, str]]:
        """Every image with its class and part."""
        return self.run.split

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One line per epoch."""
        return [{name: float(value) for name, value in row.items()} for row in self.run.history]

    @cached_property
    def classifier(self) -> Classifier:
        """The network, ready to run."""
        return load(self.run)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Where each image is in the data set."""
        return {} if self.dataset is None else {name: row for row, name in enumerate(self.dataset.names)}

    def pixels(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Return an image as the network reads it, shape (height, width, channels); None where it is gone."""
        return self.dataset.pixels[self.rows[name]] if self.dataset is not None and name in self.rows else None


def gather(run: Run, dataset: Dataset | None = None) -> Material:
    """Read a run folder, and its images unless they are at hand.

    A run without a test part is evaluated on its validation part, which is written below ``evaluations/``.

    Raises
    ------
    RunError
        No finished epoch, or no evaluation yet; a damaged file.
    """
    _, model = run.read_model()
    config, missing = run.config, ""
    if dataset is None:
        try:
            dataset = restore_dataset(config["data"], run.split, config["model"])
        except DataError as error:
            missing = str(error).splitlines()[0]
    plan = Pattern(model["pattern"]).plan(tuple(model["image"]), len(model["classes"]))
    return Material(run, config, model, plan, _evaluated(run, dataset, model["classes"]), dataset, missing)


def _evaluated(run: Run, dataset: Dataset | None, classes: list[str]) -> Evaluated | None:
    if run.has_metrics:
        return Evaluated.read(run, classes)
    if any(row["part"] == "test" for row in run.split):
        raise RunError(
            f"{run.path} has no figures yet: its training is not through.\n"
            f"Go on with it: convstage train --resume {run.path}\n"
            f"Or evaluate what it has learned so far: convstage evaluate {run.path}"
        )
    if dataset is None:
        return None
    evaluate(run, part="val", dataset=dataset)
    return Evaluated.read(run.evaluation("val-part"), classes)

"""Evaluation: a run's network against labelled images, as figures and as a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import open_source, read_images, restore_dataset
from .errors import DataError
from .figures import all_figures
from .predict import Classifier, load
from .run import Run
from .terminal import track


def evaluate(run: str | Path | Run, data: str | Path | None = None) -> dict[str, Any]:
    """Evaluate a run on its test part, or on other labelled images.

    Parameters
    ----------
    run : path or Run
        A run folder.
    data : path, optional
        Other images, in any format that training reads; their classes must be among the
        run's, by name. Where the data has a test part of its own, that is taken, else
        all of it. Without `data`, the run's own test part is taken.

    Returns
    -------
    dict
        The figures, see `convstage.figures.all_figures`. They and every prediction are
        also written into the run folder, for other data under ``evaluations/``.

    Raises
    ------
    RunError, DataError
        No such run; images or classes that do not belong to it.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    classifier = load(run)
    if data is None:
        dataset = restore_dataset(run.config["data"], run.split, run.config["model"])
        part = "test" if len(dataset.rows("test")) else "val"
        rows = dataset.rows(part)
        name, pixels, labels = dataset.source, dataset.pixels[rows], dataset.labels[rows]
        names = [dataset.names[row] for row in rows]
        unreadable: list[tuple[str, str]] = []
        where = run
    else:
        name, part, pixels, labels, names, unreadable = _other_images(classifier, data)
        where = run.evaluation(Path(name).stem)
    probabilities = _probabilities(classifier, pixels)
    metrics = {
        "data": name,
        "part": part,
        "classes": list(classifier.classes),
        **all_figures(labels, probabilities, classifier.classes),
    }
    where.write_unreadable(unreadable)
    where.write_evaluation(metrics, *_table(names, labels, probabilities, classifier.classes))
    return metrics


def _other_images(
    classifier: Classifier, data: str | Path
) -> tuple[str, str, npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str], list[tuple[str, str]]]:
    name, source = open_source(data)
    unknown = [label for label in source.classes if label not in classifier.classes]
    if unknown:
        raise DataError(
            f"{data} has classes that the network does not know: {', '.join(unknown)}.\n"
            f"It knows {', '.join(classifier.classes)}; name the folders so."
        )
    images = read_images(source, classifier.geometry)
    numbers = np.array([classifier.classes.index(label) for label in source.classes])
    rows = np.array([row for row, part in enumerate(images.parts) if part == "test"], np.int64)
    part = "test" if len(rows) else "all"
    rows = rows if len(rows) else np.arange(len(images.labels))
    names = [images.names[row] for row in rows]
    return name, part, images.pixels[rows], numbers[images.labels[rows]], names, images.unreadable


def _probabilities(classifier: Classifier, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    step = 256
    parts = range(0, len(pixels), step)
    return np.concatenate(
        [classifier.probabilities(pixels[i : i + step]) for i in track(parts, "Evaluating", len(parts), "batches")]
    )


def _table(
    names: Sequence[str], labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], classes: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """Return header and lines of ``predictions.csv``."""
    predicted = probabilities.argmax(axis=1)
    header = ["image", "truth", "prediction", "probability", *(f"p({name})" for name in classes)]
    return header, [
        [name, classes[truth], classes[guess], f"{row[guess]:.6f}", *(f"{p:.6f}" for p in row)]
        for name, truth, guess, row in zip(names, labels, predicted, probabilities, strict=True)
    ]

"""The image that is looked at: a file, pixels, or one of the run's own images by its name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .data import ImageLike, open_source
from .errors import DataError
from .predict import Classifier
from .run import Run
from .text import examples


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """An image as the network reads it, and what is known of it.

    Attributes
    ----------
    name : str
        What people call it: its path, or its name in the run's data.
    pixels_hwc : ndarray of uint8, shape (height, width, channels)
        As the network reads it, before standardisation.
    truth, part : str or None
        Its class, and its part of the run's data (``train``, ``val`` or ``test``), when it is one
        of the run's images, also under another name.
    """

    name: str
    pixels_hwc: npt.NDArray[np.uint8]
    truth: str | None = None
    part: str | None = None


def find_subject(run: Run, classifier: Classifier, image: ImageLike) -> Subject:
    """Return an image as the network of a run reads it.

    Parameters
    ----------
    run : Run
    classifier : Classifier
        The run's, from `convstage.load`.
    image : path, PIL image or array
        Text is a path, or, where there is no such file, the name of an image in the run's
        data, as ``predictions.csv`` has it.

    Raises
    ------
    DataError
        Neither a file nor an image of the run; or it cannot be read, or has changed.
    """
    if not isinstance(image, str | Path):
        return Subject("image", classifier.geometry.pixels(image))
    if Path(image).is_file():
        pixels = classifier.geometry.pixels(image)
        sha = hashlib.sha256(Path(image).read_bytes()).hexdigest()
        row = next((row for row in run.split if row["sha256"] == sha), None)
        return Subject(str(image), pixels, *((row["class"], row["part"]) if row else ()))
    rows = {row["name"]: row for row in run.split}
    if str(image) not in rows:
        known = [row["name"] for row in rows.values() if row["part"] == "test"] or list(rows)
        raise DataError(
            f"{image} is no file, and no image of {run.path}.\n"
            f"Give an image file, or a name that {run.path}/predictions.csv has: {examples(known)}."
        )
    return _own(run, classifier, rows[str(image)])


def _own(run: Run, classifier: Classifier, row: dict[str, str]) -> Subject:
    """Return one of the run's images, read again from where the data lies."""
    name, source = open_source(run.config["data"])
    index = next((index for index, item in enumerate(source.items) if item.name == row["name"]), None)
    problem = f"{row['name']} of {name} is missing or has changed since training.\nPut it back, or give a file."
    if index is None:
        raise DataError(problem)
    try:
        content = source.read(index)
    except OSError:
        raise DataError(problem) from None
    if hashlib.sha256(content).hexdigest() != row["sha256"]:
        raise DataError(problem)
    return Subject(row["name"], classifier.geometry.pixels(source.open(content)), row["class"], row["part"])

"""What a classifier answers, and how it is asked about files: what run folders and ONNX files share; needs no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from natsort import natsorted, ns

from .data import Geometry, ImageLike, Standardisation
from .data.pixel_rows import PixelRows
from .errors import DataError
from .shifts import Shift
from .terminal import track

if TYPE_CHECKING:
    from .pattern import Plan

#: Values of one batch's first feature maps stay below this, so that memory does, too.
BATCH_VALUES = 50_000_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network says of one image; shows itself in Jupyter.

    Attributes
    ----------
    label : str
        Name of the most probable class.
    probability : float
        Its probability, 0..1.
    probabilities : dict of str to float
        All classes by name; they sum to 1.
    """

    label: str
    probability: float
    probabilities: dict[str, float]

    def _repr_html_(self) -> str:
        from .notebook import block, shares

        return block(f"{self.label}: {self.probability:.1%}", shares(self.probabilities))


class Predictor(ABC):
    """Whatever tells the classes of images, and how it wants them.

    Attributes
    ----------
    plan : Plan
        The network.
    classes : tuple of str
        Names, in the order of the probabilities.
    geometry, standardisation
        How an image becomes the network's input.
    shifts : tuple of (int, int)
        Pixels, down and right, that each of an image's views is moved by; see `convstage.shifts`.
    temperature : float
        What logits are divided by before they become probabilities; see `convstage.calibration`.
    """

    plan: Plan
    classes: tuple[str, ...]
    geometry: Geometry
    standardisation: Standardisation
    shifts: tuple[Shift, ...]
    temperature: float

    @abstractmethod
    def probabilities(self, pixels: npt.NDArray[np.uint8] | PixelRows) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n, classes), of pixels (n, height, width, channels)."""

    def predict(self, images: ImageLike | Iterable[ImageLike]) -> list[Prediction]:
        """Return what the network says of each image.

        Parameters
        ----------
        images : path, PIL image or array, or several of them
            An array is one image, (H, W), (H, W, 1) or (H, W, 3), or several of them,
            (n, H, W), (n, H, W, 1) or (n, H, W, 3); of uint8, uint16, bool, or floats
            in 0..1; any size.

        Returns
        -------
        list of Prediction
            One per image, also for a single one.

        Raises
        ------
        DataError
            An image cannot be read; the message names it.
        """
        if isinstance(images, np.ndarray):
            one = images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3))
        else:
            one = not isinstance(images, Iterable) or isinstance(images, str | Path)
        several: Iterable[Any] = [images] if one else images  # type: ignore[assignment]
        pixels = [self.geometry.pixels(image) for image in several]
        if not pixels:
            return []
        return [self.describe(row) for row in self.probabilities(np.stack(pixels))]

    def describe(self, probabilities: npt.NDArray[np.float64]) -> Prediction:
        """Return the probabilities of one image as a `Prediction`."""
        named = dict(zip(self.classes, probabilities.tolist(), strict=True))
        label = self.classes[int(probabilities.argmax())]
        return Prediction(label, named[label], named)


def batch_for(plan: Plan) -> int:
    """Return how many images are run at once without gradients."""
    return max(1, min(256, BATCH_VALUES // (plan.activation_bytes // 4)))


def predict_files(
    classifier: Predictor, paths: Sequence[Path]
) -> tuple[list[tuple[Path, Prediction]], list[tuple[Path, str]]]:
    """Predict files, and all files below folders.

    Returns
    -------
    predictions : list of (Path, Prediction)
    unreadable : list of (Path, str)
        Files that could not be read, each with the reason.
    """
    files: list[Path] = []
    for path in paths:
        below = path.rglob("*") if path.is_dir() else [path]
        files += natsorted((file for file in below if not file.is_dir() and not file.name.startswith(".")), alg=ns.PATH)
    found: list[tuple[Path, Prediction]] = []
    unreadable: list[tuple[Path, str]] = []
    size = batch_for(classifier.plan)
    batches = [files[start : start + size] for start in range(0, len(files), size)]
    for batch in track(batches, "Predicting", len(batches), "batches"):
        readable, pixels = [], []
        for file in batch:
            try:
                pixels.append(classifier.geometry.pixels(file))
                readable.append(file)
            except DataError as error:
                unreadable.append((file, str(error).removeprefix(f"{file}: ")))
        if pixels:
            predictions = map(classifier.describe, classifier.probabilities(np.stack(pixels)))
            found += zip(readable, predictions, strict=True)
    return found, unreadable


__all__ = ["BATCH_VALUES", "Prediction", "Predictor", "batch_for", "predict_files"]

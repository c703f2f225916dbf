"""A trained network with the preprocessing it was trained with: images in, class names out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from natsort import natsorted, ns

from .calibration import softmax
from .data import Geometry, ImageLike, Standardisation
from .data.pixel_rows import PixelRows
from .errors import DataError, RunError
from .network import Network
from .pattern import Pattern, Plan
from .run import Run
from .shifts import NONE, Shift, mean_logits, shifted
from .stage.program import runner
from .terminal import track

#: Values of one batch's first feature maps stay below this, so that memory does, too.
BATCH_VALUES = 50_000_000


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network says of one image.

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


class Classifier:
    """A trained network and how it wants its images.

    Parameters
    ----------
    network : Network
        Standardised images to logits.
    plan : Plan
        What it was built from.
    classes : sequence of str
        Names, in the order of the logits.
    geometry, standardisation
        How an image becomes the network's input.
    shifts : sequence of (int, int)
        Pixels, down and right, that each of its views is moved by; see `convstage.shifts`.
    temperature : float
        What logits are divided by before they become probabilities; see `convstage.calibration`.

    Examples
    --------
    ::

        classifier = convstage.load("runs/xrays-1")
        classifier.predict(["patient.png"])[0].label
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        classes: Sequence[str],
        geometry: Geometry,
        standardisation: Standardisation,
        shifts: Sequence[Shift] = NONE,
        temperature: float = 1.0,
    ) -> None:
        self.network = network.eval()
        self.plan = plan
        self.classes = tuple(classes)
        self.geometry = geometry
        self.standardisation = standardisation
        self.shifts = tuple(shifts)
        self.temperature = temperature

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

    def probabilities(self, pixels: npt.NDArray[np.uint8] | PixelRows) -> npt.NDArray[np.float64]:
        """Return the probabilities, shape (n, classes), of pixels (n, height, width, channels)."""
        return softmax(np.concatenate(list(self.logits(pixels))), self.temperature)

    def logits(self, pixels: npt.NDArray[np.uint8] | PixelRows) -> Iterator[npt.NDArray[np.float64]]:
        """Yield the logits batch by batch, each of shape (n, classes); the temperature is not in them."""
        return forward(self.network, self.standardisation, pixels, batch_for(self.plan), self.shifts)


def forward(
    network: Network,
    standardisation: Standardisation,
    pixels: npt.NDArray[np.uint8] | PixelRows,
    batch: int,
    shifts: Sequence[Shift] = NONE,
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield a network's logits for pixels (n, height, width, channels), batch by batch, as float64."""
    device = next(network.parameters()).device
    run = runner(network, network.plan.image)
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            views = shifted(pixels[start : start + batch], shifts)
            yield mean_logits([run(standardisation(view).to(device)).double().cpu().numpy() for view in views])


def batch_for(plan: Plan) -> int:
    """Return how many images are run at once without gradients."""
    return max(1, min(256, BATCH_VALUES // (plan.activation_bytes // 4)))


def predict_files(
    classifier: Classifier, paths: Sequence[Path]
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


def load(run: str | Path | Run, device: str = "cpu") -> Classifier:
    """Return the trained network of a run folder.

    Parameters
    ----------
    run : path or Run
        A folder that training made.
    device : str
        Where to compute.

    Raises
    ------
    RunError
        No run folder, no finished epoch, or a damaged file.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    weights, description = run.read_model()
    try:
        classifier = restore(weights, description, device)
    except RunError as error:
        raise RunError(f"{run.path}: {error}") from None
    classifier.temperature = (run.calibration or {}).get("temperature", 1.0)
    return classifier


def restore(weights: dict[str, torch.Tensor], description: dict[str, Any], device: str = "cpu") -> Classifier:
    """Return the classifier that `describe_model` described.

    Raises
    ------
    RunError
        The weights are not those of the pattern, or not finite.
    """
    plan = Pattern(description["pattern"]).plan(tuple(description["image"]), len(description["classes"]))
    # Before the network is built, which takes the memory that the pattern asks for.
    if plan.parameters > sum(tensor.numel() for tensor in weights.values()):
        raise RunError(f"the weights are not those of {plan.pattern}: there are fewer.\nRestore the run from a copy.")
    network = plan.build(seed=0)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise RunError(f"the weights are not those of {plan.pattern}: {reason}\nRestore the run from a copy.") from None
    if not all(torch.isfinite(tensor).all() for tensor in weights.values()):
        raise RunError("the weights are not finite, so that they predict nothing.\nTrain anew.")
    return Classifier(
        network.to(device),
        plan,
        description["classes"],
        Geometry(**description["geometry"]),
        Standardisation.from_dict(description["standardisation"]),
        [(down, right) for down, right in description.get("shifts", NONE)],
    )


def describe_model(
    plan: Plan,
    classes: Sequence[str],
    geometry: Geometry,
    standardisation: Standardisation,
    shifts: Sequence[Shift] = NONE,
) -> dict[str, Any]:
    """Return what it takes, beside the weights, to use a network: plain data for the model file."""
    return {
        "pattern": plan.pattern,
        "image": list(plan.image),
        "classes": list(classes),
        "geometry": geometry.to_dict(),
        "standardisation": standardisation.to_dict(),
        "shifts": [list(shift) for shift in shifts],
    }

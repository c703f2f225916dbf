"""A trained network with the preprocessing it was trained with: images in, class names out.

Torch is imported where it is needed, so that `load` opens ONNX files without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from .calibration import softmax
from .data import Geometry, Standardisation
from .data.pixel_rows import PixelRows
from .errors import ConfigError, RunError
from .pattern import Pattern, Plan
from .prediction import BATCH_VALUES, Prediction, Predictor, batch_for, predict_files
from .run import Run
from .shifts import NONE, Shift, mean_logits, shifted

if TYPE_CHECKING:
    from torch import Tensor

    from .network import Network
    from .runtime import OnnxClassifier


class Classifier(Predictor):
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
    import torch

    from .stage.program import runner

    device = next(network.parameters()).device
    run = runner(network, network.plan.image)
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            views = shifted(pixels[start : start + batch], shifts)
            yield mean_logits([run(standardisation(view).to(device)).double().cpu().numpy() for view in views])


@overload
def load(run: Run, device: str = "cpu") -> Classifier: ...
@overload
def load(run: str | Path | Run, device: str = "cpu") -> Classifier | OnnxClassifier: ...
def load(run: str | Path | Run, device: str = "cpu") -> Classifier | OnnxClassifier:
    """Return the trained network of a run folder, or of a file that was exported from one.

    Parameters
    ----------
    run : path or Run
        A folder that training made; or a file, ``….onnx``, that `convstage.write_onnx`
        made, which is run by ONNX Runtime and needs no torch.
    device : str
        Where to compute; of a file on the processor only.

    Raises
    ------
    RunError
        No run folder, no finished epoch, or a damaged file; a file that is not ours.
    ConfigError
        ONNX Runtime, or for a run folder torch, is not installed; another device than
        the processor for a file.
    """
    if not isinstance(run, Run) and Path(run).suffix.lower() == ".onnx" and not Path(run).is_dir():
        from .runtime import open_onnx

        if device != "cpu":
            raise ConfigError(f"an ONNX file is run on the processor; got {device!r}.\nLeave out --device.")
        return open_onnx(run)
    run = run if isinstance(run, Run) else Run.open(run)
    _check_torch(run)
    weights, description = run.read_model()
    try:
        classifier = restore(weights, description, device)
    except RunError as error:
        raise RunError(f"{run.path}: {error}") from None
    classifier.temperature = (run.calibration or {}).get("temperature", 1.0)
    return classifier


def _check_torch(run: Run) -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise ConfigError(
            f"{run.path} is a run folder, and needs torch, which is not installed.\n"
            f"Install it, or export the run where it is: convstage export {run.path} -o net.onnx"
        ) from None


def restore(weights: dict[str, Tensor], description: dict[str, Any], device: str = "cpu") -> Classifier:
    """Return the classifier that `describe_model` described.

    Raises
    ------
    RunError
        The weights are not those of the pattern, or not finite.
    """
    import torch

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


__all__ = [
    "BATCH_VALUES",
    "Classifier",
    "Prediction",
    "batch_for",
    "describe_model",
    "forward",
    "load",
    "predict_files",
    "restore",
]

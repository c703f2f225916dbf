"""Temperature scaling: probabilities that mean what they say (Guo et al. 2017).

A network that has been trained until it is nearly always right on its training images
says 99% where it is right nine times of ten. Dividing all logits by one number, the
temperature, mends most of that and changes no prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataError
from .weighted import probability_figures

#: Temperatures that are looked at.
LOWEST, HIGHEST = 0.05, 20.0
#: With fewer images the temperature would be chance.
FEWEST = 30

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature, and what it was fitted to.

    Attributes
    ----------
    temperature : float
        Logits are divided by it; above 1 makes the network less sure of itself.
    images : int
        Number of images that it was fitted to.
    nll, calibration_error : dict
        Negative log-likelihood per image and expected calibration error of these images,
        ``before`` and ``after``. Both flatter a little: they are of the images that were fitted.
    """

    temperature: float
    images: int
    nll: dict[str, float]
    calibration_error: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Return probabilities, shape (n, classes), of logits of that shape."""
    scaled = logits / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def fit_temperature(logits: Floats, labels: Labels, classes: Sequence[str]) -> Calibration:
    """Return the temperature under which the labels are most likely.

    The negative log-likelihood is convex in the temperature's inverse, so that its slope
    has one zero, which halving the interval finds.

    Parameters
    ----------
    logits : ndarray, shape (n, classes)
    labels : ndarray of int, shape (n,)
    classes : sequence of str
        Names of the classes, for messages.

    Raises
    ------
    DataError
        Too few images, of one class only, or without a best temperature.
    """
    if len(labels) < FEWEST:
        raise DataError(
            f"the validation part has {len(labels)} images; a temperature is fitted to {FEWEST} at least.\n"
            "Train with a larger --val, or without calibration."
        )
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"all validation images are {classes[labels[0]]}; a temperature cannot be fitted to one class.\n"
            "Put images of other classes into the validation part."
        )

    def slope(inverse: float) -> float:
        expected = (softmax(logits, 1 / inverse) * logits).sum(axis=1)
        return float((expected - logits[np.arange(len(labels)), labels]).mean())

    low, high = 1 / HIGHEST, 1 / LOWEST  # of the inverse
    if slope(high) < 0:
        raise DataError(
            f"the temperature would be below {LOWEST}: nearly all of the {len(labels)} validation images are "
            "predicted right, so that there is no error to learn from.\n"
            "Train with a larger --val, or without calibration."
        )
    if slope(low) > 0:
        raise DataError(
            f"the temperature would be above {HIGHEST:g}: the network's probabilities say nothing of the "
            "validation images' classes.\nA network that has learned something can be calibrated."
        )
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    before, after = _quality(logits, labels, 1.0), _quality(logits, labels, 1 / high)
    nll, error = ({"before": b, "after": a} for b, a in zip(before, after, strict=True))
    return Calibration(1 / high, len(labels), nll, error)


def _quality(logits: Floats, labels: Labels, temperature: float) -> tuple[float, float]:
    """Return negative log-likelihood and calibration error at a temperature."""
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    nll = np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]
    score = probability_figures(labels, softmax(logits, temperature))
    return float(nll.mean()), float(score(np.ones((1, len(labels))))["calibration_error"][0])

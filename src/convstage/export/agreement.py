"""Whether a file says what the run says: both are asked about the run's real test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RunError

#: Probabilities may differ by this much, and decisions only where the two most probable classes are closer than that.
TOLERANCE, MARGIN = 1e-5, 1e-4

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a file's probabilities compare with the run's.

    Attributes
    ----------
    images : int
        Number of images that both were asked about.
    part : str
        Of which part they are, ``test``, or ``val`` where there is no test part.
    largest_difference : float
        Of two probabilities of the same class and image.
    equal_decisions : int
        Images of which both name the same class.
    """

    images: int
    part: str
    largest_difference: float
    equal_decisions: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def compare(run: Floats, file: Floats, names: Sequence[str], classes: Sequence[str], part: str) -> Agreement:
    """Return how the probabilities of a file compare with those of the run.

    Parameters
    ----------
    run, file : ndarray, shape (n, classes)
        Probabilities of the same images.
    names : sequence of str, length n
        What the images are called.
    classes : sequence of str
        Names of the classes.
    part : str
        Of which part the images are.

    Raises
    ------
    RunError
        A probability differs by more than `TOLERANCE`, or a decision where the run's margin, the
        probability of its class less that of the next, is more than `MARGIN`. The message
        names the image that is worst.
    """
    apart = np.abs(run - file).max(axis=1)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    said, found = run.argmax(axis=1), file.argmax(axis=1)
    second, first = np.sort(run, axis=1)[:, -2:].T
    wrong = (said != found) & (first - second > MARGIN)
    beyond = wrong | (apart > TOLERANCE)
    if beyond.any():
        worst = int(np.lexsort((apart, wrong))[-1])
        own, its = (f"{classes[row[worst].argmax()]} {row[worst].max():.4%}" for row in (run, file))
        raise RunError(
            f"the exported network is not the run's: of {len(names):,} {part} images, {beyond.sum():,} have "
            f"probabilities that differ by more than {TOLERANCE:g}, or another class.\n"
            f"Worst is {names[worst]}: {own} by the run, {its} by the file; a probability differs by "
            f"{apart[worst]:.2g}.\n"
            "Nothing was written. Another version of ONNX Runtime may compute it right: pip install -U onnxruntime"
        )
    return Agreement(len(names), part, float(apart.max(initial=0)), int((said == found).sum()))


__all__ = ["MARGIN", "TOLERANCE", "Agreement", "compare"]

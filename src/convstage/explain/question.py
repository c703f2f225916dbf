"""What is asked of a network about an image: what in it speaks for a class."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..calibration import softmax
from ..errors import ConfigError
from ..network import Network
from ..predict import BATCH_VALUES, Classifier
from ..stage.program import runner
from ..subject import Subject
from ..text import examples

Floats = npt.NDArray[np.float64]

#: Images that pixels can be counted from: one grey value everywhere, or the mean of the training images.
REFERENCES: dict[str, int | None] = {"black": 0, "mean": None, "white": 255}
#: Standard deviation of the blur that takes details away, as a share of the longer side; see docs/evidence.md.
BLUR = 0.06
#: Scores that differ by less, as a share of the largest logit (or of 1), are taken for the same.
ROUNDING = 1e-5


class Question:
    """An image, a class, and the score that is explained.

    The score is the target's logit less the mean of the other classes' logits. As softmax does not
    change when all logits rise together, it is such differences that decide; of two classes it is the
    difference of both.

    Parameters
    ----------
    classifier : Classifier
    subject : Subject
        The image as the network reads it.
    target : str or int, optional
        The class that is explained, by name or number; the predicted one when not given.
    contrast : bool
        Whether the other classes' logits are taken off; without it the target's logit alone is the score.
    reference : str
        One of `REFERENCES`: the image that pixels are counted from.

    Raises
    ------
    ConfigError
        No such class or reference, or logits that are not finite.
    """

    def __init__(
        self,
        classifier: Classifier,
        subject: Subject,
        target: str | int | None = None,
        *,
        contrast: bool = True,
        reference: str = "black",
    ) -> None:
        if reference not in REFERENCES:
            raise ConfigError(f"there is no reference {reference!r}.\nChoose one of {', '.join(REFERENCES)}.")
        self.classifier = classifier
        self.subject = subject
        pixels_nhwc = subject.pixels_hwc[None]
        self.probabilities: Floats = classifier.probabilities(pixels_nhwc)[0]
        self.reference = reference
        self.target = _number(classifier, target, self.probabilities)
        self.contrast = contrast and len(classifier.classes) > 1
        device = next(classifier.network.parameters()).device
        self.x_nchw: Tensor = classifier.standardisation(pixels_nhwc).to(device)
        self.logits: Floats = self.logits_of(self.x_nchw)[0]
        if not np.isfinite(self.logits).all():
            raise ConfigError(
                f"the network's logits for {subject.name} are not finite: {self.logits.tolist()}.\n"
                "Its weights are damaged or training has diverged; train it again."
            )
        weights = np.zeros(len(classifier.classes))
        if self.contrast:
            weights -= 1 / (len(weights) - 1)
        weights[self.target] = 1
        self.weights: Floats = weights

    @property
    def name(self) -> str:
        """Name of the class that is explained."""
        return self.classifier.classes[self.target]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.classifier.plan.image[:2]

    @property
    def score(self) -> float:
        """What is explained."""
        return float(self.weights @ self.logits)

    @cached_property
    def reference_nchw(self) -> Tensor:
        """The image that pixels are counted from, shape (1, channels, height, width)."""
        if self.reference == "mean":
            return torch.zeros_like(self.x_nchw)
        pixels = np.full_like(self.subject.pixels_hwc[None], REFERENCES[self.reference])
        return self.classifier.standardisation(pixels).to(self.x_nchw.device)

    @cached_property
    def blurred_nchw(self) -> Tensor:
        """The image without its details, shape (1, channels, height, width): what stands where something is taken away.

        A blurred part is nearer to what the network has seen than grey or black, which may look like a finding
        themselves: in a lung, grey is what is looked for.
        """
        from scipy.ndimage import gaussian_filter

        sigma = BLUR * max(self.size)
        blurred = gaussian_filter(self.x_nchw.cpu().numpy(), (0, 0, sigma, sigma), mode="nearest")
        return torch.from_numpy(blurred).to(self.x_nchw.device)

    @cached_property
    def batch(self) -> int:
        """How many images are run at once: as many as keep memory within bounds."""
        return max(1, min(64, BATCH_VALUES // 4 // (self.classifier.plan.activation_bytes // 4)))

    @property
    def rounding(self) -> float:
        """How far scores in single precision may differ though nothing has changed that matters."""
        return ROUNDING * max(1.0, float(np.abs(self.logits).max()))

    @cached_property
    def network(self) -> Network:
        """A network of our own, for gradients of inputs: the same weights in memory, but none that asks for a gradient.

        Hooks and flags set on it are not those of the classifier's network, which others may be using.
        """
        network = self.classifier.network
        shared = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in network.parameters()}
        return deepcopy(network, shared)

    def logits_of(self, x_nchw: Tensor) -> Floats:
        """Return the logits, shape (n, classes), of network inputs, by the fast path where there is one."""
        run: Callable[[Tensor], Tensor] = runner(self.classifier.network, self.classifier.plan.image)
        with torch.inference_mode():
            return np.asarray(run(x_nchw).double().cpu().numpy())

    def scores_of(self, logits: Floats) -> Floats:
        """Return the scores, shape (n,), of logits (n, classes)."""
        return np.asarray(logits @ self.weights)

    def probability_of(self, logits: Floats) -> Floats:
        """Return the target's probability, shape (n,), of logits (n, classes)."""
        return softmax(logits, self.classifier.temperature)[:, self.target]

    def score_tensor(self, logits: Tensor) -> Tensor:
        """Return the scores, shape (n,), of logits (n, classes), with gradients."""
        return logits @ torch.as_tensor(self.weights, dtype=logits.dtype, device=logits.device)


def _number(classifier: Classifier, target: str | int | None, probabilities: Floats) -> int:
    classes = classifier.classes
    if target is None:
        return int(probabilities.argmax())
    if isinstance(target, str) and target in classes:
        return classes.index(target)
    if isinstance(target, int | np.integer) and not isinstance(target, bool) and 0 <= target < len(classes):
        return int(target)
    raise ConfigError(
        f"the network knows no class {target!r}.\n"
        f"Choose one of {examples(classes, 10)}, or its number, 0 to {len(classes) - 1}."
    )


def why_flat(question: Question, map_hw: Floats) -> str:
    """Return what it means when a map of gradients times pixels is flat."""
    if torch.equal(question.x_nchw, question.reference_nchw):
        return f"The image is the reference itself ({question.reference}): it brings nothing of its own."
    if not map_hw.any():
        return "No path from a pixel to the score is open: every one ends at a ReLU that is closed, or a weight of 0."
    return "Every pixel brings the same: the image is of one grey, and the network treats all places alike."

"""The layers of a network with what went into each and what came out, for one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..calibration import softmax
from ..pattern.plan import Row
from ..predict import Classifier
from ..sizes import Shape
from ..subject import Subject

#: float32, but for the pixels, which are uint8, and the probabilities, which are float64.
Values = npt.NDArray[Any]

#: Name and kind of the last step, which is no layer of the pattern: logits become probabilities.
SOFTMAX = "softmax"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One layer for one image.

    Attributes
    ----------
    name, kind : str
        As in the plan; the last step is ``softmax``, kind ``SOFTMAX``.
    row : Row
        The layer in the plan; of the last step the classifier's.
    input : ndarray, shape (height, width, channels) or (length,)
        What the layer read; of the first step the pixels.
    output : ndarray, shape (height, width, channels) or (length,)
        The network's own values.
    how : object
        The torch module; of the first step the `Standardisation`, of the last the temperature.
    """

    name: str
    kind: str
    row: Row
    input: Values
    output: Values
    how: Any

    @property
    def key(self) -> str:
        """The kind as the registries of activations and modules name it."""
        return SOFTMAX if self.kind == SOFTMAX.upper() else self.row.layer.key

    @property
    def shape(self) -> Shape:
        """Shape of the output."""
        return self.output.shape

    @property
    def noun(self) -> str:
        """What the last number of a cell counts."""
        if self.is_map:
            return "channel" if self.kind == "INPUT" else "filter"
        return "unit" if self.name.startswith("fc") else "place"

    @property
    def is_map(self) -> bool:
        """Whether the output has rows and columns."""
        return self.output.ndim == 3


def steps_of(classifier: Classifier, subject: Subject) -> dict[str, Step]:
    """Return every layer by its name in the plan, ``input`` first, ``softmax`` last.

    The image goes through as it is, layer by layer; test-time shifts are left out.
    """
    network = classifier.network
    device = next(network.parameters()).device
    with torch.inference_mode():
        outputs = network.walk(classifier.standardisation(subject.pixels_hwc[None]).to(device))
    steps: dict[str, Step] = {}
    before: Values = subject.pixels_hwc
    for row in classifier.plan.rows:
        how = network.get_submodule(row.name) if row.kind != "INPUT" else classifier.standardisation
        after = _plain(outputs[row.name])
        steps[row.name] = Step(row.name, row.kind, row, before, after, how)
        before = after
    probabilities = softmax(before[None].astype(np.float64), classifier.temperature)[0]
    last = classifier.plan.rows[-1]
    steps[SOFTMAX] = Step(SOFTMAX, SOFTMAX.upper(), last, before, probabilities, classifier.temperature)
    return steps


def weights_of(step: Step) -> Mapping[str, npt.NDArray[np.float32]]:
    """Return the numbers of a layer: parameters and what batch normalisation has measured, by torch's names.

    Filters are (filters, height, width, channels), as the stage's definition has them.
    """
    found = {name: tensor.detach().cpu() for name, tensor in step.how.state_dict().items() if tensor.ndim}
    return {
        name: np.ascontiguousarray((tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).numpy())
        for name, tensor in found.items()
    }


def _plain(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Return the one image of a batch, channels last."""
    one = tensor[0].cpu()
    return np.ascontiguousarray((one.permute(1, 2, 0) if one.ndim == 3 else one).numpy())

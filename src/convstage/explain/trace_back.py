"""Trace-back: a network of ReLUs and poolings is linear around each image, so its score is a sum over pixels.

For one image every ReLU is open or closed and every max pooling has a winner. Along the paths that are
open the network only multiplies and adds: the score is exactly

    Σ over pixels of pixel × gradient  +  Σ over biases of bias × gradient

(gradient × input, Shrikumar et al. 2016, "Not just a black box"; with the biases' part, which makes it
complete, Srinivas and Fleuret 2019, "Full-Gradient Representation", proposition 1). Pixels are counted from the
reference, black unless told; standardisation is a layer with a bias, too. Both sums come from gradients
and are checked against the score, which comes from the forward pass.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .question import Question, why_flat
from .result import Found

#: Layers that only multiply and add once it is known which ReLUs are open and who wins each pooling.
LINEAR = {
    "INPUT", "CONV", "RELU", "LEAKY_RELU", "POOL", "FC", "CLASSIFIER", "BN", "DROPOUT", "GAP", "FLATTEN",
}  # fmt: skip


#: What the reference brings counts as the bias of the first layer: for black, standardisation takes the mean off.
STANDARDISATION = "standardisation"


def trace_back(question: Question) -> Found:
    """Return what each pixel brings to the score; ``details`` has the biases' share and the check of the sum.

    Details
    -------
    pixels, biases : float
        The two sums.
    sum : float
        Of both.
    score : float
        From the forward pass in double precision.
    relative_error : float
        Distance of the two, as a share of the score.
    layers : dict of str to float
        The biases' share by layer.

    Raises
    ------
    ConfigError
        A layer bends, so that there is no such sum.
    """
    bent = [row for row in question.classifier.plan.rows if row.kind not in LINEAR]
    if bent:
        raise ConfigError(
            f"trace-back is exact only where a network is piecewise linear, and {bent[0].name} ({bent[0].kind}) is not."
            "\nChoose another method, or train with RELU or LEAKY_RELU."
        )
    # In double precision: in single, a score near 0 drowns in the rounding of the many terms that cancel out in it.
    network = deepcopy(question.network).double()
    constants = _constants(network)
    with torch.enable_grad():
        x_nchw = question.x_nchw.double().requires_grad_()
        places = [place.requires_grad_() for place, _ in constants.values()]
        score = question.score_tensor(network(x_nchw))[0]
        gradient, *gradients = torch.autograd.grad(score, [x_nchw, *places], materialize_grads=True)
    reference = question.reference_nchw.double()
    map_hw = ((x_nchw.detach() - reference) * gradient)[0].sum(dim=0).cpu().numpy()
    layers = {STANDARDISATION: float((reference * gradient).sum())}
    layers |= {
        name: float((constant * slope).sum())
        for (name, (_, constant)), slope in zip(constants.items(), gradients, strict=True)
    }
    pixels, biases, said = float(map_hw.sum()), sum(layers.values()), float(score.detach())
    # A score of 0 has no share: there the error is a share of a billionth of all that cancels out in it.
    least = 1e-9 * (float(np.abs(map_hw).sum()) + sum(map(abs, layers.values())))
    error = abs(pixels + biases - said) / max(abs(said), least, np.finfo(np.float64).tiny)
    details = {
        "pixels": pixels,
        "biases": biases,
        "sum": pixels + biases,
        "score": said,
        "relative_error": error,
        "layers": layers,
    }
    check = f"they differ by {error:.0e} of it" if error else "without a difference"
    notes = [f"Pixels bring {pixels:+.3f} and biases {biases:+.3f}: together the score, {said:+.3f} ({check})."]
    return Found(map_hw, details, notes, why_flat(question, map_hw), question.rounding / map_hw.size)


def _constants(network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return of every layer that adds something of its own where it enters, and what it adds for an input of 0."""
    constants: dict[str, tuple[Tensor, Tensor]] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
            constants[name] = layer.bias, (layer.bias - layer.running_mean * scale).detach()
        elif isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            constants[name] = layer.bias, layer.bias.detach()
    return constants

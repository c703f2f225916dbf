"""A moving average of a network's weights, which is validated and kept in their place."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """Return the exponential moving average of a network (Polyak and Juditsky 1992), to be updated after every step.

    Averaged are the weights, and the running means and variances of batch normalisation.

    Parameters
    ----------
    network : Module
        Stays as it is; ``average.module`` is a copy.
    decay : float
        What is left of the average after a step, 0..1. In the t-th step it is at most
        (1 + t)/(10 + t), as in TensorFlow's ``ExponentialMovingAverage``: the first
        weights, which are noise, are soon forgotten.

    Examples
    --------
    >>> network = nn.Linear(1, 1, bias=False)
    >>> average = averaged(network, 0.9)
    >>> for value in (1.0, 2.0):
    ...     _ = nn.init.constant_(network.weight, value)
    ...     average.update_parameters(network)
    >>> round(average.module.weight.item(), 4)  # in the second step 9/11 of 2 are added to 2/11 of 1
    1.8182
    """

    @torch.no_grad()
    def move(averages: Tensors, values: Tensors, taken: Tensor | int) -> None:
        step = int(taken)
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, 1 - min(decay, (1 + step) / (10 + step)))
        else:  # counts of batches
            torch._foreach_copy_(averages, values)

    return AveragedModel(network, multi_avg_fn=move, use_buffers=True)

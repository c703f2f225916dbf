"""AdamW as one call of torch's fused kernel, without what `torch.optim` brings along.

`torch.optim.AdamW(fused=True)` ends in the same kernel, and gives the same bits, which the
tests check. But the first of its steps imports torch's compiler: 70 MB of memory and a
second of every training, in a process that compiles nothing (``docs/training.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

import torch
from torch import Tensor

STATE = ("step", "exp_avg", "exp_avg_sq")


class Group(TypedDict):
    """Parameters that share a learning rate and a weight decay."""

    params: list[Tensor]
    lr: float
    weight_decay: float


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101).

    Parameters
    ----------
    groups : iterable of (parameters, weight decay)
        All parameters are float32 or float64; they may lie on any device that torch has the kernel for.
    lr : float
        Learning rate; ``group["lr"]`` of `param_groups` changes it.
    betas : (float, float)
        How slowly the averages of the gradients and of their squares move.
    eps : float
        Added to the denominator.

    Attributes
    ----------
    param_groups : list of Group
    state : dict of Tensor to dict of str to Tensor
        Per parameter ``step``, ``exp_avg`` and ``exp_avg_sq``, from its first step on.
    """

    def __init__(
        self,
        groups: Iterable[tuple[Iterable[Tensor], float]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.param_groups = [Group(params=list(params), lr=lr, weight_decay=decay) for params, decay in groups]
        self.betas, self.eps = betas, eps
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    @property
    def parameters(self) -> list[Tensor]:
        """All parameters, in the order in which `state_dict` counts them."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Forget all gradients; their memory is free for the next forward pass."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not moved:
                continue
            for parameter in moved:
                if parameter not in self.state:
                    self.state[parameter] = _start(parameter)
            steps, averages, squares = ([self.state[parameter][name] for parameter in moved] for name in STATE)
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                moved,
                [parameter.grad for parameter in moved if parameter.grad is not None],
                averages,
                squares,
                [],
                steps,
                lr=group["lr"],
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=group["weight_decay"],
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )

    def state_dict(self) -> dict[int, dict[str, Tensor]]:
        """Return the state of every parameter that has one, by its number."""
        return {n: self.state[parameter] for n, parameter in enumerate(self.parameters) if parameter in self.state}

    def load_state_dict(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Take over a state; each tensor is copied into the memory format of its parameter, as the kernel requires."""
        parameters = self.parameters
        self.state = {parameters[number]: _start(parameters[number]) for number in state}
        for number, tensors in state.items():
            for name, tensor in self.state[parameters[number]].items():
                tensor.copy_(tensors[name])


def _start(parameter: Tensor) -> dict[str, Tensor]:
    # Averages lie in memory as the parameter does: the kernel walks through all three at once.
    averages = {name: torch.zeros_like(parameter) for name in STATE[1:]}
    return {"step": torch.zeros((), device=parameter.device), **averages}

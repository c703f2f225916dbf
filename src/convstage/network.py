"""Plan -> torch network: every row of the plan is a module, every stage one module of modules."""

from __future__ import annotations

from collections import OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .stage import Stage
from .text import count, memory

if TYPE_CHECKING:
    from .pattern.plan import Plan


class Network(nn.Sequential):
    """The network of a plan, an ordinary `torch.nn.Module`.

    Input is (N, channels, height, width) float32, output (N, classes) logits. Keys of
    the state dict read as the plan does: ``stage1.conv.weight``, ``fc1.bias``,
    ``classifier.weight``. Weights follow He et al., "Delving Deep into Rectifiers"
    (2015): normal with variance 2/fan-in, biases zero.

    Parameters
    ----------
    plan : Plan
        What to build.
    seed : int, optional
        Makes the weights reproducible; without it torch's own random state is used.
    """

    def __init__(self, plan: Plan, seed: int | None = None) -> None:
        super().__init__(_modules(plan))
        self.plan = plan
        initialise(self, None if seed is None else torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        for module in self:
            x = module(x)
        return x

    def __getitem__(self, index: int | slice) -> nn.Module:
        """Return a layer or stage; of a slice an ordinary `Sequential`, for a part has no plan."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)

    def walk(self, x: Tensor) -> dict[str, Tensor]:
        """Return the output of every layer by its name in the plan, ``input`` first, ``classifier`` last."""
        outputs = {"input": x}
        for row in self.plan.rows[1:]:
            outputs[row.name] = x = self.get_submodule(row.name)(x)
        return outputs

    def _repr_html_(self) -> str:
        """Show the plan in a notebook, and where this network is, what it learns, what of it runs as one."""
        return self.plan.to_html(*self._state())

    def _state(self) -> list[str]:
        """Return what the plan does not know, in words."""
        tensors = list(self.parameters())
        total, learned = (
            sum(one.numel() for one in some) for some in (tensors, [one for one in tensors if one.requires_grad])
        )
        places = sorted({f"{one.device}, {str(one.dtype).removeprefix('torch.')}" for one in tensors})
        mode = "training" if self.training else "evaluation"
        frozen = "" if learned == total else f", {count(learned)} of them learned"
        lines = [
            f"Network on {' and '.join(places)}: {count(total)} parameters{frozen}, "
            f"{memory(sum(one.nbytes for one in tensors))}, in {mode} mode"
        ]
        fused = [name for name, module in self.named_children() if isinstance(module, Stage) and module.fused]
        if fused:
            lines.append(f"Run as one operator each: {', '.join(fused)}")
        if total != self.plan.parameters:
            lines.append(f"It was changed since it was built: its plan has {count(self.plan.parameters)} parameters.")
        return lines


def _modules(plan: Plan) -> OrderedDict[str, nn.Module]:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for owner, rows in groupby(plan.rows[1:], key=lambda row: row.name.rpartition(".")[0]):
        built = OrderedDict((row.name.rpartition(".")[2], row.layer.build(row.settings, row.input)) for row in rows)
        if owner:
            modules[owner] = Stage(built)
        else:
            modules.update(built)
    return modules


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights of convolutions and fully connected layers after He et al. (2015)."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)

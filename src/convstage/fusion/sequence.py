"""`torch.nn.Sequential` with its chains run as one operator."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .chain import Chain, as_before
from .matching import Link, link, match

#: Layers that give the same whatever memory format their input has, and keep it.
AGNOSTIC = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.BatchNorm2d,
    nn.Conv2d,
)


class FusedSequential(nn.Sequential):
    """A `Sequential` whose chains run as one operator; its layers are what they were.

    The chains are found anew in every pass, so layers may be added, replaced, or given hooks.
    """

    def forward(self, input: Any) -> Any:  # noqa: A002  # as torch calls it
        x, changed = input, False
        for step in steps(list(self)):
            if isinstance(step, Chain):
                x, changed = step(x), True
                continue
            if changed and type(step) not in AGNOSTIC:
                x, changed = as_before(x, input), False
            x = step(x)
        return as_before(x, input) if changed and isinstance(x, Tensor) else x


def steps(layers: list[nn.Module]) -> list[Chain | nn.Module]:
    """Return layers with each chain in the place of its layers."""
    links = [link(layer) for layer in layers]
    found: list[Chain | nn.Module] = []
    at = 0
    while at < len(layers):
        chain, count, _ = match(links[at:]) if links[at].kind == "conv" else (None, 0, "")
        found.append(layers[at] if chain is None else chain)
        at += max(1, count)
    return found


def chains(module: nn.Sequential) -> list[tuple[str, list[Link], Chain | None, str]]:
    """Return of every convolution among the layers: its name, what its chain is made of, the chain, what to say."""
    names, links = list(module._modules), [link(layer) for layer in module]
    found = []
    for at, one in enumerate(links):
        if one.kind == "conv":
            chain, count, reason = match(links[at:])
            found.append((names[at], links[at : at + max(1, count)], chain, reason))
    return found

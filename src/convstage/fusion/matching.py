"""Which layers can be one operator, and why others cannot: LINKS, one entry for each kind of layer in a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..stage import Convolution
from .chain import Chain, Pooling, has_hooks

#: Convolutions that are looked at, and of these the ones that the operator can do.
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
PLAIN = (nn.Conv2d, Convolution)


@dataclass(frozen=True)
class Link:
    """A step of a computation: a layer, or what a function does.

    Attributes
    ----------
    kind : str
        ``conv``, ``norm``, ``relu``, ``pool``, or ``other``.
    layer : Module, Pooling or None
        The module; for a pooling that a function does, its window.
    words : str
        What it is called in a message.
    why_not : str
        Why the operator cannot do it; empty when it can.
    """

    kind: str
    layer: nn.Module | Pooling | None
    words: str
    why_not: str = ""


def link(module: nn.Module) -> Link:
    """Return what a module is in a chain."""
    words = type(module).__name__
    if isinstance(module, CONVOLUTIONS):
        return Link("conv", module, words, _conv(module))
    for kind, which in (("norm", nn.BatchNorm2d), ("relu", nn.ReLU), ("pool", nn.MaxPool2d)):
        # A subclass may do anything.
        if type(module) is which:
            return Link(kind, module, words, _pool(module) if kind == "pool" else _hooks(module))
    return Link("other", module, words)


def match(links: Sequence[Link]) -> tuple[Chain | None, int, str]:
    """Return the chain that begins with a convolution, how many links it has, and what to say of it.

    Parameters
    ----------
    links : sequence of Link
        The convolution and what follows it, as long as nothing else reads what lies between.

    Returns
    -------
    chain : Chain or None
        None where there is none.
    count : int
        Links of the chain.
    reason : str
        Why there is none, or why it ends where it does; empty when there is nothing to say.
    """
    conv, *rest = links
    if conv.why_not:
        return None, 0, conv.why_not
    norm = rest.pop(0) if rest and rest[0].kind == "norm" else None
    if not rest or rest[0].kind != "relu":
        follows = rest[0].words if rest else "nothing that only reads it"
        after = "its batch norm" if norm else "it"
        return None, 0, f"{follows} follows {after}, and not ReLU"
    relu = rest[0]
    for one in (norm, relu):
        if one is not None and one.why_not:
            return None, 0, f"its {one.words} {one.why_not}"
    pool = rest[1] if len(rest) > 1 and rest[1].kind == "pool" else None
    reason = f"without its pooling, which {pool.why_not}" if pool is not None and pool.why_not else ""
    taken: Any = None if pool is None or pool.why_not else pool.layer
    chain: Any = Chain(conv.layer, norm and norm.layer, relu.layer, taken)  # type: ignore[arg-type]
    return chain, 2 + (norm is not None) + (taken is not None), reason


def _conv(conv: Any) -> str:
    if not isinstance(conv, nn.Conv2d):
        return f"{type(conv).__name__} is not two-dimensional convolution"
    if type(conv) not in PLAIN:
        return f"{type(conv).__name__} may do more than Conv2d, whose subclass it is"
    if conv.groups != 1:
        return f"it has {conv.groups} groups"
    if tuple(conv.dilation) != (1, 1):
        return f"it has dilation {conv.dilation[0]}×{conv.dilation[1]}"
    if conv.padding_mode != "zeros":
        return f"it is padded with {conv.padding_mode}, and not with zeros"
    return _hooks(conv)


def _pool(pool: Any) -> str:
    if pool.return_indices:
        return "returns indices"
    if pool.dilation not in (1, (1, 1), [1, 1]):
        return "has dilation"
    return _hooks(pool)


def _hooks(module: nn.Module) -> str:
    return "has hooks, which are to see what goes through it" if has_hooks(module) else ""

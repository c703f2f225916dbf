"""Any torch model, with every convolution → ReLU → pooling as one operator: `fuse`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..errors import ConvstageError
from ..network import Network
from ..stage import Stage, active
from ..terminal import console
from .graph import CannotTraceError, rewritten
from .matching import CONVOLUTIONS, Link, link
from .report import Fused, Fusion
from .sequence import FusedSequential, chains

#: Containers whose layers their owner's forward calls one by one.
CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
#: Where a fused class keeps the one that it was made of.
ORIGINAL = "_convstage_original"

Model = TypeVar("Model", bound=nn.Module)


class FusionError(ConvstageError):
    """A fused model that does not compute what it did before."""


def fuse(model: Model, *, example: Tensor | None = None, quiet: bool = False) -> Model:
    """Let every convolution → (batch norm) → ReLU → (max pooling) of a model run as one operator.

    The model is changed in place, and stays what it was but for its speed: its class, its layers, the keys of
    its state dict, its outputs and its gradients (to float tolerance). Batch norms are folded into the
    filters in evaluation mode. Only the `forward` of modules that hold such a chain changes; it is written down with
    `torch.fx`, once for training and once for evaluation, so what else it decides by attributes of the module
    stays as it was at that moment.

    Parameters
    ----------
    model : Module
        Any model.
    example : Tensor, optional
        An input. With it, the model must say the same before and after.
    quiet : bool
        Whether nothing is printed; otherwise it says what was replaced, and why the rest stayed.

    Returns
    -------
    Module
        The model itself. `convstage.fusions` says what was replaced, `convstage.unfuse` makes it what it was.

    Raises
    ------
    FusionError
        The model says another thing about `example` than before; it is left as it was.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2))
    >>> print(fusions(fuse(model, quiet=True)))
    1 of 1 convolutions run with what follows them as one operator:
      0  Conv2d → ReLU → MaxPool2d
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '4.weight', '4.bias']
    """
    before = None if example is None else _outputs(model, example)
    unfuse(model)
    for module in list(model.modules()):
        _fuse_module(module)
    if before is not None and example is not None:
        _compare(model, before, _outputs(model, example))
    if not quiet:
        console.print(str(fusions(model)), highlight=False, markup=False, soft_wrap=True)
        if not active().compiled:
            console.print(f"torch's own operators run all the same: {active().reason}", markup=False)
    return model


def unfuse(model: Model) -> Model:
    """Make a model again what it was before `fuse`; weights and all else stay.

    Examples
    --------
    >>> from torch import nn
    >>> model = fuse(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU()), quiet=True)
    >>> type(model) is nn.Sequential, type(unfuse(model)) is nn.Sequential
    (False, True)
    """
    for module in model.modules():
        if ORIGINAL in vars(type(module)):
            module.__class__ = getattr(type(module), ORIGINAL)
    return model


def fusions(model: nn.Module) -> Fusion:
    """Return which convolutions of a model run as one operator with what follows them, and why others do not.

    Returns
    -------
    Fusion
        Shows itself as text; `.rows` has a line for each convolution.
    """
    rows: dict[str, Fused] = {}
    for prefix, module in model.named_modules():
        for row in _rows_of(module):
            name = f"{prefix}.{row.name}" if prefix else row.name
            if name not in rows or row.layers > rows[name].layers:
                rows[name] = Fused(name, row.words, row.layers, row.reason)
    for name, module in model.named_modules():
        if isinstance(module, CONVOLUTIONS) and name not in rows:
            reason = link(module).why_not or _why_not_seen(model, name)
            rows[name] = Fused(name, type(module).__name__, 0, reason)
    order = {name: number for number, (name, _) in enumerate(model.named_modules())}
    return Fusion(tuple(sorted(rows.values(), key=lambda row: order.get(row.name, len(order)))))


def _fuse_module(module: nn.Module) -> None:
    """Give a module another forward, if its own one has chains."""
    kind = type(module)
    if isinstance(module, Stage | Network):
        return
    if kind.forward is nn.Sequential.forward:
        if any(chain is not None for _, _, chain, _ in chains(module)):  # type: ignore[arg-type]
            module.__class__ = _derived(kind, (FusedSequential, kind), {})
    elif kind.__module__.startswith("torch.nn.") or not any(True for _ in _convolutions(module)):
        return
    else:
        try:
            forward, found = rewritten(module)
        except CannotTraceError:
            return
        if any(one.chain is not None for one in found):
            module.__class__ = _derived(kind, (kind,), {"forward": forward, "_convstage_found": tuple(found)})


def _derived(kind: type, bases: tuple[type, ...], more: dict[str, object]) -> type:
    """Return a class that is called as the one that it is made of."""
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, bases, {**names, **more, ORIGINAL: kind})


def _convolutions(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the convolutions that a module's own forward may call."""
    for child in module.children():
        if isinstance(child, CONVOLUTIONS):
            yield child
        elif isinstance(child, CONTAINERS):
            yield from _convolutions(child)


def _rows_of(module: nn.Module) -> Iterator[Fused]:
    """Yield what a module's own forward makes of the convolutions in it."""
    if isinstance(module, Stage):
        if isinstance(module[0], nn.Conv2d):
            names = [type(layer).__name__ for layer in list(module)[: max(1, module.fused)]]
            yield Fused(next(iter(module._modules)), " → ".join(names), module.fused, "")
    elif type(module).forward in (nn.Sequential.forward, FusedSequential.forward):
        for name, links, chain, reason in chains(module):  # type: ignore[arg-type]
            yield _row(name, links, isinstance(module, FusedSequential) and chain is not None, reason)
    else:
        for found in getattr(type(module), "_convstage_found", ()):
            yield _row(found.name, found.links, found.chain is not None, found.reason)


def _row(name: str, links: list[Link], is_fused: bool, reason: str) -> Fused:
    return Fused(name, " → ".join(one.words for one in links), len(links) if is_fused else 0, reason)


def _why_not_seen(model: nn.Module, name: str) -> str:
    """Return why a convolution is in no forward that was written down: what its owner says of it."""
    owner = node = model
    for part in name.split(".")[:-1]:
        node = node.get_submodule(part)
        owner = owner if isinstance(node, CONTAINERS) else node
    try:
        for found in rewritten(owner)[1]:
            if name.endswith(found.name):
                return found.reason
    except CannotTraceError as error:
        return str(error)
    return "its forward does not call it"


def _outputs(model: nn.Module, example: Tensor) -> list[Tensor]:
    was = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            return [leaf for leaf in tree_leaves(model(example.clone())) if isinstance(leaf, Tensor)]
    finally:
        for module, training in was.items():
            module.training = training


def _compare(model: nn.Module, before: list[Tensor], after: list[Tensor]) -> None:
    if len(before) == len(after) and all(_is_close(a, b) for a, b in zip(before, after, strict=True)):
        return
    unfuse(model)
    raise FusionError(
        "fused, the model says another thing about the example than before, so it was left as it was.\n"
        "A forward that depends on more than its input and on training or evaluation cannot be fused."
    )


def _is_close(a: Tensor, b: Tensor) -> bool:
    size = max(1.0, float(a.abs().max())) if a.numel() else 1.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5 * size, equal_nan=True)


__all__ = ["Fusion", "FusionError", "fuse", "fusions", "unfuse"]

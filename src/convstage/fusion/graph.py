"""A module's own `forward`, traced by torch.fx: its chains are found and replaced by calls of the operator."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from .chain import Chain, Pooling, as_before, run, two
from .matching import Link, link, match

#: What can look at a value and take another way then; a trace knows one way only.
LOOKS = frozenset({"isinstance", "type", "hasattr", "getattr", "callable", "issubclass"})
RELUS: frozenset[Any] = frozenset({F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"})
POOLS: frozenset[Any] = frozenset({F.max_pool2d, torch.max_pool2d})
#: Arguments of `torch.nn.functional.max_pool2d`, in their order.
POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")


class CannotTraceError(ValueError):
    """A `forward` that torch.fx cannot write down."""


@dataclass(frozen=True)
class Found:
    """A convolution in a graph: its name, what its chain is made of, and why there is none or not all of it."""

    name: str
    links: list[Link]
    chain: Chain | None
    reason: str


class _Tracer(fx.Tracer):
    """Takes every child for a layer; a module's own `forward` is all that is written down."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return True


def rewritten(module: nn.Module) -> tuple[Callable[..., Any], list[Found]]:
    """Return a `forward` with its chains replaced, and what was found.

    What a `forward` does may depend on whether the module is being trained: both ways are traced.

    Raises
    ------
    CannotTraceError
        It cannot be written down as a graph, or not be relied on if it were.
    """
    if names := _looks(type(module)):
        raise CannotTraceError(f"its forward looks at what it is given ({', '.join(sorted(names))})")
    forwards, found = {}, []
    for training in (True, False):
        with _mode(module, training):
            graph = _trace(module)
        found = _replace(module, graph)
        forwards[training] = type(fx.GraphModule(module, graph)).forward
    return _either(forwards[True], forwards[False]), found


def _either(training: Callable[..., Any], evaluation: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: nn.Module, *args: Any, **settings: Any) -> Any:
        return (training if self.training else evaluation)(self, *args, **settings)

    return forward


def _trace(module: nn.Module) -> fx.Graph:
    before = set(vars(module))
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # whatever a forward raises when it is given no tensor
        lines = str(error).strip().splitlines()
        raise CannotTraceError(f"its forward cannot be traced: {lines[0] if lines else type(error).__name__}") from None
    if added := set(vars(module)) - before:
        for name in added:
            delattr(module, name)
        raise CannotTraceError("its forward makes tensors of its own")
    return graph


def _replace(module: nn.Module, graph: fx.Graph) -> list[Found]:
    """Replace the chains of a graph; return what was found of every convolution."""
    found, inputs = [], {}
    for node in list(graph.nodes):
        one = _link(module, node)
        if one.kind != "conv":
            continue
        nodes, links = _follow(module, node, one)
        chain, count, reason = match(links)
        nodes, links = nodes[: max(1, count)], links[: max(1, count)]
        found.append(Found(str(node.target), links, chain, reason))
        if chain is not None:
            inputs[_insert(graph, nodes, links)] = node.args[0]
    _restore_formats(graph, inputs)
    graph.lint()
    return found


def _follow(module: nn.Module, node: fx.Node, one: Link) -> tuple[list[fx.Node], list[Link]]:
    """Return a convolution's node and those after it, as long as each is read by the next one alone."""
    nodes, links = [node], [one]
    while len(nodes) < 4 and len(nodes[-1].users) == 1:
        (after,) = nodes[-1].users
        one = _link(module, after)
        if one.kind == "conv" or after.args[:1] != (nodes[-1],):
            break
        nodes.append(after)
        links.append(one)
    return nodes, links


def _insert(graph: fx.Graph, nodes: list[fx.Node], links: list[Link]) -> fx.Node:
    """Put one call in the place of a chain's nodes, and return it."""
    layers: dict[str, Any] = {"conv": None, "norm": None, "relu": None, "pool": None}
    with graph.inserting_before(nodes[-1]):
        for node, one in zip(nodes, links, strict=True):
            is_module = node.op == "call_module"
            window = tuple(one.layer) if isinstance(one.layer, Pooling) else None
            layers[one.kind] = graph.get_attr(str(node.target)) if is_module else window
        call = graph.call_function(run, (nodes[0].args[0], *layers.values()))
    nodes[-1].replace_all_uses_with(call)
    for node in reversed(nodes):
        graph.erase_node(node)
    return call


def _restore_formats(graph: fx.Graph, inputs: dict[fx.Node, Any]) -> None:
    """Give what leaves the chains the memory format that it had; from chain to chain it stays as it is."""
    origins: dict[fx.Node, Any] = {}
    for call, x in inputs.items():
        origins[call] = origins.get(x, x)
        others = [user for user in call.users if user not in inputs]
        if not others:
            continue
        with graph.inserting_after(call):
            restored = graph.call_function(as_before, (call, origins[call]))
        for user in others:
            user.replace_input_with(call, restored)


def _link(module: nn.Module, node: fx.Node) -> Link:
    """Return what a node of a graph is in a chain."""
    if node.op == "call_module":
        return link(module.get_submodule(str(node.target)))
    words = getattr(node.target, "__name__", str(node.target))
    if node.op == "output":
        return Link("other", None, "the end of forward")
    if node.target in RELUS and node.op in ("call_function", "call_method"):
        return Link("relu", None, words)
    if node.op == "call_function" and node.target in POOLS:
        try:
            window = _pooling_of(node)
        except ValueError as error:
            return Link("pool", None, words, str(error))
        return Link("pool", window, words)
    if node.op == "call_function" and node.target is operator.add:
        words = "an addition"
    return Link("other", None, words)


def _pooling_of(node: fx.Node) -> Pooling:
    """Return the window of a functional pooling.

    Raises
    ------
    ValueError
        Why the operator cannot do it.
    """
    given = dict(zip(POOL_ARGUMENTS, node.args, strict=False)) | node.kwargs
    if any(isinstance(value, fx.Node) for name, value in given.items() if name != "input"):
        raise ValueError("has a window that forward computes")
    if given.get("return_indices"):
        raise ValueError("returns indices")
    if given.get("dilation", 1) not in (1, (1, 1), [1, 1]):
        raise ValueError("has dilation")
    size: Any = given["kernel_size"]
    stride: Any = given.get("stride") or size
    padding: Any = given.get("padding", 0)
    return Pooling(two(size), two(stride), two(padding), bool(given.get("ceil_mode", False)))


@contextmanager
def _mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Put a module into training or evaluation mode meanwhile, without calling what it overrides."""
    before = {one: one.training for one in module.modules()}
    try:
        for one in before:
            one.training = training
        yield
    finally:
        for one, was in before.items():
            one.training = was


def _looks(kind: type[nn.Module]) -> set[str]:
    """Return which of `LOOKS` a class's `forward` uses, or methods of the class that it calls."""
    seen: set[str] = set()
    found: set[str] = set()
    names = ["forward"]
    while names:
        name = names.pop()
        method = getattr(kind, name, None)
        if name in seen or not isinstance(method, FunctionType) or _is_of_torch(method):
            continue
        seen.add(name)
        for code in _codes(method.__code__):
            found |= LOOKS & set(code.co_names)
            names += code.co_names
    return found


def _is_of_torch(method: FunctionType) -> bool:
    return (method.__module__ or "").startswith("torch.nn.modules.module")


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function, and of the functions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)

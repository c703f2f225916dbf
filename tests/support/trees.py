"""Syntax trees as tests write them: short, and standing nowhere."""

from __future__ import annotations

from convstage.pattern.tree import Argument, Chain, Layer, Node, Value

NOWHERE = (0, 0)


def argument(*values: Value, name: str | None = None) -> Argument:
    return Argument(name, values, NOWHERE)


def layer(kind: str, *arguments: Argument) -> Layer:
    return Layer(kind, arguments, NOWHERE)


def chain(*terms: Node | str) -> Chain:
    return Chain(tuple(layer(term) if isinstance(term, str) else term for term in terms), NOWHERE)

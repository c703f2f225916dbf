"""The syntax tree of a layer pattern: four frozen nodes, and how they expand.

Two trees are equal when they mean the same; where a node stood in the text
(`span`) is kept for error messages and takes no part in the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

#: A hyperparameter's value as written: ``32``, ``0.5``, ``valid`` or ``5x5``.
Value = int | float | str | tuple[int, ...]
#: Where a node stood in the text: character offsets, the end exclusive.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Argument:
    """One hyperparameter of a layer; several values are taken turn by turn in a repetition."""

    name: str | None
    values: tuple[Value, ...]
    span: Span = field(compare=False)

    def __str__(self) -> str:
        values = "|".join(map(_written, self.values))
        return f"{self.name}={values}" if self.name else values


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its kind in capitals, and its hyperparameters as written."""

    kind: str
    arguments: tuple[Argument, ...]
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.arguments))})" if self.arguments else self.kind


@dataclass(frozen=True, slots=True)
class Chain:
    """Terms that follow one another."""

    terms: tuple[Node, ...]
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return " -> ".join(f"[{term}]" if isinstance(term, Chain) else str(term) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part that is repeated `count` times; a letter leaves the count free."""

    body: Node
    count: int | str
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return f"{_bracketed(self.body)}*{self.count}"


@dataclass(frozen=True, slots=True)
class Optional:
    """A part that may be left out."""

    body: Node
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return f"{_bracketed(self.body)}?"


Node = Layer | Chain | Repeat | Optional


def _written(value: Value) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _bracketed(node: Node) -> str:
    return str(node) if isinstance(node, Layer) else f"[{node}]"


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it, in the order of the text."""
    yield node
    match node:
        case Chain(terms):
            for term in terms:
                yield from walk(term)
        case Repeat(body) | Optional(body):
            yield from walk(body)


def letters(node: Node) -> tuple[str, ...]:
    """Return the free letters, each once, in the order of the text."""
    free = [(n.span[1], n.count) for n in walk(node) if isinstance(n, Repeat) and isinstance(n.count, str)]
    return tuple(dict.fromkeys(letter for _, letter in sorted(free)))


def optionals(node: Node) -> tuple[Optional, ...]:
    """Return the parts marked ``?``, in the order of the text."""
    return tuple(n for n in walk(node) if isinstance(n, Optional))


def substitute(node: Node, counts: Mapping[str, int], keep: Mapping[Span, bool]) -> Node:
    """Fix free letters and optional parts.

    Parameters
    ----------
    counts : mapping of letter to count
        Letters that are not named stay free.
    keep : mapping of span to bool
        For the ``?`` part at that place: keep it (True) or leave it out (False);
        parts that are not named stay optional. One choice holds in every repetition.
    """
    match node:
        case Chain(terms, span):
            kept = (_unwrapped(substitute(term, counts, keep)) for term in terms)
            return Chain(tuple(term for term in kept if term != Chain((), span)), span)
        case Repeat(body, count, span):
            number = counts.get(count, count) if isinstance(count, str) else count
            inner = _unwrapped(substitute(body, counts, keep))
            if number == 0 or inner == Chain((), span):
                return Chain((), span)
            return Repeat(inner, number, span)
        case Optional(body, span):
            inner = _unwrapped(substitute(body, counts, keep))
            if inner == Chain((), span) or not keep.get(span, True):
                return Chain((), span)
            return inner if span in keep else replace(node, body=inner)
    return node


def _unwrapped(node: Node) -> Node:
    """Return what a chain of one term holds, as `parse` does with ``[CONV]``."""
    return node.terms[0] if isinstance(node, Chain) and len(node.terms) == 1 else node

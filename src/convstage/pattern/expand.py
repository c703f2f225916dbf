"""Syntax tree without free parts -> the flat list of layers that it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import PatternError
from .tree import Argument, Chain, Layer, Node, Optional, Repeat, substitute

#: More layers than this are taken for a slip of the finger.
MAX_LAYERS = 10_000

#: The repetitions around a layer, innermost last: (which one it is, of how many).
Turns = tuple[tuple[int, int], ...]


def expand(tree: Chain, text: str) -> list[Layer]:
    """Write out all repetitions.

    Parameters
    ----------
    tree : Chain
        A tree in which no letter is free and nothing is optional.
    text : str
        What it was read from, for error messages.

    Returns
    -------
    list of Layer
        In order; every hyperparameter has one value. ``[CONV(32|64)]*2`` becomes
        ``CONV(32)``, ``CONV(64)``: the values are dealt out over the innermost
        repetition that has as many turns as there are values.

    Raises
    ------
    PatternError
        Free parts, too many layers, or values that match no repetition.
    """
    free = find_free(tree)
    if free is not None:
        raise free_error(free, text)
    total = _count(tree)
    if total > MAX_LAYERS:
        raise PatternError(f"the pattern has {total:,} layers; at most {MAX_LAYERS:,} are planned.", text, *tree.span)
    # Without parts that are repeated zero times: [CONV*0]*10000000000 has no layer, but as many turns.
    return list(_layers(substitute(tree, {}, {}), (), text))


def find_free(node: Node) -> Repeat | Optional | None:
    """Return the first free part of the text, None when everything is fixed."""
    match node:
        case Optional() | Repeat(count=str()):
            return node
        case Chain(terms):
            return next((free for term in terms if (free := find_free(term)) is not None), None)
        case Repeat(body):
            return find_free(body)
    return None


def free_error(free: Repeat | Optional, text: str) -> PatternError:
    """Return the error that says what is free, with the caret under the letter or the ``?``."""
    end = free.span[1]
    what = f"{free.count} is a free letter" if isinstance(free, Repeat) else "a part is optional (?)"
    way = f"{free.count}=2" if isinstance(free, Repeat) else "keep or drop the part in the text"
    hint = f"Fix it ({way}), or list the members of the family with ranges such as N=1..3."
    return PatternError(f"this is a family of patterns, not one: {what}.", text, end - 1, end, hint)


def _count(node: Node) -> int:
    match node:
        case Chain(terms):
            return sum(map(_count, terms))
        case Repeat(body, int() as count):
            return _count(body) * count
    return 1


def _layers(node: Node, turns: Turns, text: str) -> Iterator[Layer]:
    match node:
        case Layer():
            yield replace(node, arguments=tuple(_deal(a, node.kind, turns, text) for a in node.arguments))
        case Chain(terms):
            for term in terms:
                yield from _layers(term, turns, text)
        case Repeat(body, int() as count):
            for turn in range(count):
                yield from _layers(body, (*turns, (turn, count)), text)


def _deal(argument: Argument, kind: str, turns: Turns, text: str) -> Argument:
    values = argument.values
    if len(values) == 1:
        return argument
    for turn, count in reversed(turns):
        if count == len(values):
            return replace(argument, values=(values[turn],))
    counts = " or ".join(str(count) for _, count in reversed(turns))
    fact = f"it is repeated {counts} times" if turns else "it is not repeated"
    raise PatternError(
        f"{kind} has {len(values)} values by repetition, but {fact}.",
        text,
        *argument.span,
        "Give one value, or one for each repetition.",
    )

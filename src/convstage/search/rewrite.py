"""A pattern with other filters, or with dropout: what is searched of a network beside its family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..errors import ConfigError
from ..pattern import Pattern
from ..pattern.expand import expand
from ..pattern.hyperparameters import Context, settle
from ..pattern.layers import FIRST_FILTERS, LAYERS
from ..pattern.tree import Argument, Chain, Layer, Node, Repeat, walk
from ..pattern.tree import Optional as Perhaps


def has_free_filters(pattern: Pattern) -> bool:
    """Return whether a convolution of a pattern or family leaves the number of its filters open."""
    return any(_is_free(node, "CONV", "filters") for node in walk(pattern.tree))


def has_dropout(pattern: Pattern, free: bool = False) -> bool:
    """Return whether a pattern or family has a DROPOUT; with `free`, one that leaves its share open."""
    return any(
        _is_free(node, "DROPOUT", "share") if free else isinstance(node, Layer) and node.kind == "DROPOUT"
        for node in walk(pattern.tree)
    )


def with_filters(pattern: Pattern, first: int) -> Pattern:
    """Return a pattern whose convolutions without a number begin with `first` filters, doubling after each pooling.

    Examples
    --------
    >>> print(with_filters(Pattern("INPUT -> [[CONV -> RELU]*2 -> POOL]*3 -> CLASSIFIER"), 8))
    INPUT -> [[CONV(8|16|32) -> RELU]*2 -> POOL]*3 -> CLASSIFIER
    >>> print(with_filters(Pattern("INPUT -> [CONV(5x5) -> POOL]*1 -> CONV -> CLASSIFIER"), 8))
    INPUT -> CONV(8, 5x5) -> POOL -> CONV(16) -> CLASSIFIER
    >>> print(with_filters(Pattern("INPUT -> [[CONV -> RELU]*2 -> POOL]*2 -> CLASSIFIER"), 8))
    INPUT -> [CONV(8|16) -> RELU -> CONV(8|16) -> RELU -> POOL]*2 -> CLASSIFIER
    """
    if first == FIRST_FILTERS or not has_free_filters(pattern):
        return pattern
    flat = _filled(pattern, first)
    # Values are dealt out over the innermost repetition of as many turns. Where that is another one than is meant, the
    # inner ones are written out; and where that does not help either, everything.
    for inner in (False, True):
        tree = Chain(_terms(_written_out(pattern.tree, (), inner)), pattern.tree.span)
        # Parts that were one in the text need places of their own.
        fresh = Pattern(str(tree)) if inner else Pattern(pattern.text, tree)
        short = _numbered(fresh.tree, _by_place(_filled(fresh, first)), ())
        if isinstance(short, Chain) and _same(expand(short, str(short)), flat):
            return Pattern(fresh.text, short)
    return Pattern(pattern.text, Chain(tuple(flat), pattern.tree.span))


def with_dropout(pattern: Pattern, share: float) -> Pattern:
    """Return a pattern with dropout: where it says DROPOUT without a share, else before the classifier.

    Examples
    --------
    >>> print(with_dropout(Pattern("INPUT -> FC -> RELU -> CLASSIFIER"), 0.25))
    INPUT -> FC -> RELU -> DROPOUT(0.25) -> CLASSIFIER
    >>> print(with_dropout(Pattern("INPUT -> FC -> DROPOUT -> CLASSIFIER"), 0.25))
    INPUT -> FC -> DROPOUT(0.25) -> CLASSIFIER
    """
    if has_dropout(pattern):
        return Pattern(str(_shared(pattern.tree, share)))
    if share == 0:
        return pattern
    *before, last = pattern.tree.terms
    if not (isinstance(last, Layer) and last.kind == "CLASSIFIER"):
        raise ConfigError(f"{pattern} ends in brackets, so that no dropout can be put before its classifier.\n"
                          "Take CLASSIFIER out of the brackets, or write DROPOUT where it belongs.")  # fmt: skip
    made = Layer("DROPOUT", (Argument(None, (share,), last.span),), last.span)
    return Pattern(str(Chain((*before, made, last), pattern.tree.span)))


def tidy(pattern: Pattern) -> Pattern:
    """Return a pattern without repetitions of one turn, as people write it.

    Examples
    --------
    >>> print(tidy(Pattern("INPUT -> [[CONV -> RELU]*1 -> POOL]*2 -> [FC]*1 -> CLASSIFIER")))
    INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> CLASSIFIER
    """
    tree = Chain(_terms(_written_out(pattern.tree, ())), pattern.tree.span)
    return Pattern(pattern.text, tree)


def _is_free(node: Node, kind: str, name: str) -> bool:
    """Return whether a node is a layer of a kind that leaves a hyperparameter open."""
    if not isinstance(node, Layer) or node.kind != kind:
        return False
    accepted = LAYERS[kind].hyperparameters
    try:
        given = {argument.name for argument in node.arguments if argument.name}
        short = next(parameter.short for parameter in accepted if parameter.name == name)
        if given & {name, short}:
            return False
        plain = tuple(replace(argument, values=argument.values[:1]) for argument in node.arguments)
        # A value that stands for it by its place shows when a name of its own clashes with it.
        probe = Argument(name, (1 if kind == "CONV" else 0.5,), node.span)
        settle(replace(node, arguments=(*plain, probe)), accepted, Context(), str(node))
    except ValueError:
        return False
    return True


def _filled(pattern: Pattern, first: int) -> list[Layer]:
    """Return the layers written out, with the filters of those that leave them open."""
    poolings, layers = 0, []
    for layer in expand(pattern.tree, pattern.text):
        if _is_free(layer, "CONV", "filters"):
            value = Argument(None, (first << poolings,), layer.span)
            layer = replace(layer, arguments=(value, *layer.arguments))
        poolings += layer.kind == "POOL"
        layers.append(layer)
    return layers


def _by_place(layers: list[Layer]) -> dict[tuple[int, int], list[int]]:
    """Return the filters of every convolution by where it stands in the text, turn by turn."""
    places: dict[tuple[int, int], list[int]] = {}
    for layer in layers:
        if layer.kind == "CONV" and layer.arguments and isinstance(layer.arguments[0].values[0], int):
            places.setdefault(layer.span, []).append(layer.arguments[0].values[0])
    return places


def _numbered(node: Node, filters: dict[tuple[int, int], list[int]], turns: tuple[int, ...]) -> Node | None:
    """Return the tree with filters, dealt out over the repetitions around each convolution; None where that fails."""
    match node:
        case Layer() if _is_free(node, "CONV", "filters"):
            values = _dealt(filters[node.span], turns)
            if values is None:
                return None
            return replace(node, arguments=(Argument(None, values, node.span), *node.arguments))
        case Chain(terms):
            made = [_numbered(term, filters, turns) for term in terms]
            return None if None in made else replace(node, terms=tuple(term for term in made if term))
        case Repeat(body, int() as count):
            inner = _numbered(body, filters, (*turns, count))
            return inner and replace(node, body=inner)
    return node


def _dealt(filters: list[int], turns: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return one value, or one for each turn of a repetition, outermost first; None when neither says it."""
    if len(set(filters)) == 1:
        return (filters[0],)
    for values in _blocks(filters, turns):
        if values is not None:
            return values
    return None


def _blocks(filters: list[int], turns: tuple[int, ...]) -> Iterator[tuple[int, ...] | None]:
    outer = 1
    for count in turns:
        size = len(filters) // (outer * count)
        blocks = [filters[place * size : (place + 1) * size] for place in range(outer * count)]
        constant = all(len(set(block)) == 1 for block in blocks)
        rounds = {tuple(block[0] for block in blocks[start : start + count]) for start in range(0, len(blocks), count)}
        yield next(iter(rounds)) if constant and len(rounds) == 1 else None
        outer *= count


def _shared(node: Node, share: float) -> Node:
    """Return the tree with a share for every DROPOUT that has none."""
    match node:
        case Layer() if _is_free(node, "DROPOUT", "share"):
            return replace(node, arguments=(Argument(None, (share,), node.span),))
        case Chain(terms):
            return replace(node, terms=tuple(_shared(term, share) for term in terms))
        case Repeat(body) | Perhaps(body):
            return replace(node, body=_shared(body, share))
    return node


def _written_out(node: Node, turns: tuple[int, ...], inner: bool = False) -> Node:
    """Return the tree without repetitions of one turn; with `inner`, without those of as many as one around them."""
    match node:
        case Chain(terms):
            made = [_written_out(term, turns, inner) for term in terms]
            whole = [one for term, one in zip(terms, made, strict=True) for one in _spliced(term, one)]
            return replace(node, terms=tuple(whole))
        case Repeat(body, int() as count):
            if count == 1 or (inner and count in turns):
                return Chain(_terms(_written_out(body, turns, inner)) * count, node.span)
            return replace(node, body=_written_out(body, (*turns, count), inner))
    return node


def _spliced(before: Node, after: Node) -> tuple[Node, ...]:
    """Return the terms of a repetition that was written out; brackets that somebody wrote stay."""
    return after.terms if isinstance(before, Repeat) and isinstance(after, Chain) else (after,)


def _terms(node: Node) -> tuple[Node, ...]:
    return node.terms if isinstance(node, Chain) else (node,)


def _same(one: list[Layer], other: list[Layer]) -> bool:
    return [(layer.kind, layer.arguments) for layer in one] == [(layer.kind, layer.arguments) for layer in other]

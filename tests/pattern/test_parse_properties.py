"""Laws of the parser, over generated trees and over texts with slips: printing and reading are inverse."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from convstage.errors import PatternError
from convstage.pattern.parse import parse
from convstage.pattern.tree import Argument, Chain, Layer, Node, Optional, Repeat, letters
from support.trees import NOWHERE

_names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,7}", fullmatch=True)


_words = _names.map(str.lower)


_values = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    _words,
    st.lists(st.integers(0, 10**6), min_size=2, max_size=4).map(tuple),
)


_arguments = st.builds(
    Argument, st.none() | _words, st.lists(_values, min_size=1, max_size=3).map(tuple), st.just(NOWHERE)
)


_layers = st.builds(Layer, _names, st.lists(_arguments, max_size=3).map(tuple), st.just(NOWHERE))


def _nodes(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    counts = st.integers(0, 10**20) | st.sampled_from("ABNMXZ")
    return st.one_of(
        st.builds(Chain, st.lists(inner, min_size=2, max_size=4).map(tuple), st.just(NOWHERE)),
        st.builds(Repeat, inner, counts, st.just(NOWHERE)),
        st.builds(Optional, inner, st.just(NOWHERE)),
    )


_trees = st.builds(
    Chain, st.lists(st.recursive(_layers, _nodes, max_leaves=8), min_size=1, max_size=4).map(tuple), st.just(NOWHERE)
)


@st.composite
def spellings(draw: st.DrawFn, tree: Chain) -> str:
    """The tree's text with other arrows, crosses, capitals and spaces."""
    space = st.sampled_from(["", "", " ", "\n  ", "\t"])
    parts = []
    for token in re.findall(r"->|(?:(?!->)[\w.+-])+|.", str(tree).replace(" ", "")):
        if token in ("->", "*"):
            token = draw(st.sampled_from({"->": ["->", "→"], "*": ["*", "×"]}[token]))
        elif re.fullmatch(r"\d+(x\d+)+", token):
            token = token.replace("x", draw(st.sampled_from("xX×")))
        else:
            token = draw(st.sampled_from([token, token.lower(), token.upper()]))
        parts += [token, draw(space)]
    return "".join(parts)


@settings(max_examples=150, deadline=None)
@given(tree=_trees)
def test_what_a_tree_prints_means_the_same_tree(tree: Chain) -> None:
    assert parse(str(tree)) == tree


@settings(max_examples=100, deadline=None)
@given(data=st.data(), tree=_trees)
def test_the_spelling_does_not_matter(data: st.DataObject, tree: Chain) -> None:
    assert parse(data.draw(spellings(tree))) == tree


PIECES = (
    "INPUT", "CONV", "relu", "N", "->", "→", "-", ">", "[", "]", "(", ")", ",", "=", "|", "?", "*", "×", "x",
    "1", "23", "0.5", "1e9", "e", "+", ".", "5x5", " ", "\n", "\t", "_", "é", "٣", "\x00", "\u2028", "𝄞", "İ",
)  # fmt: skip


def read_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except PatternError as error:
        assert 0 <= error.start < error.end <= len(text) + 1
        return
    assert parse(str(tree)) == tree
    assert letters(parse(str(tree))) == letters(tree)


@settings(max_examples=300, deadline=None)
@given(text=st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30))
@example("9" * 5000)
@example("CONV*" + "9" * 5000)
@example("CONV(" + "9" * 5000 + ")")
@example("CONV(1e" + "9" * 5000 + ")")
@example("INPUT(1x" + "9" * 5000 + ")")
@example("]" * 40)
@example("(" * 5000)
def test_any_text_is_a_tree_or_a_pattern_error(text: str) -> None:
    read_or_refused(text)


VALID = "INPUT(28x28x1) -> [[CONV(32|64, 5x5, stride=2) -> RELU]*2 -> POOL(avg)?]*M -> DROPOUT(0.5) -> CLASSIFIER(10)"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_slip_of_the_finger_is_read_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(VALID)))
    end = data.draw(st.integers(start, min(len(VALID), start + 3)))
    read_or_refused(VALID[:start] + data.draw(st.sampled_from(["", *PIECES])) + VALID[end:])

"""The pattern's syntax: what may be written, what it means, and what is said of everything else."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convstage.errors import PatternError
from convstage.pattern.parse import MAX_CHARACTERS, MAX_DEPTH, MAX_DIGITS, parse
from convstage.pattern.tree import Argument, Chain, Layer, Node, Optional, Repeat, Value, letters, optionals, walk

NOWHERE = (0, 0)


def argument(*values: Value, name: str | None = None) -> Argument:
    return Argument(name, values, NOWHERE)


def layer(kind: str, *arguments: Argument) -> Layer:
    return Layer(kind, arguments, NOWHERE)


def chain(*terms: Node | str) -> Chain:
    return Chain(tuple(layer(term) if isinstance(term, str) else term for term in terms), NOWHERE)


def repeat(body: Node | str, count: int | str) -> Repeat:
    return Repeat(layer(body) if isinstance(body, str) else body, count, NOWHERE)


def optional(body: Node | str) -> Optional:
    return Optional(layer(body) if isinstance(body, str) else body, NOWHERE)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("INPUT", chain("INPUT")),
        ("INPUT -> CONV", chain("INPUT", "CONV")),
        ("INPUT → CONV", chain("INPUT", "CONV")),
        ("input->Conv", chain("INPUT", "CONV")),
        ("  INPUT\n\t->\r\n CONV\n", chain("INPUT", "CONV")),
        ("LEAKY_RELU -> X2", chain("LEAKY_RELU", "X2")),
        ("[CONV]", chain("CONV")),
        ("[[CONV -> RELU]]", chain(chain("CONV", "RELU"))),
        ("[CONV -> RELU] -> POOL", chain(chain("CONV", "RELU"), "POOL")),
        ("CONV*2", chain(repeat("CONV", 2))),
        ("CONV × 2", chain(repeat("CONV", 2))),
        ("[CONV]*2", chain(repeat("CONV", 2))),
        ("CONV*0", chain(repeat("CONV", 0))),
        ("CONV*n", chain(repeat("CONV", "N"))),
        ("[CONV -> RELU]*N", chain(repeat(chain("CONV", "RELU"), "N"))),
        ("[CONV*2]*3", chain(repeat(repeat("CONV", 2), 3))),
        ("POOL?", chain(optional("POOL"))),
        ("[CONV -> POOL] ?", chain(optional(chain("CONV", "POOL")))),
        ("[POOL?]*2", chain(repeat(optional("POOL"), 2))),
        (
            "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> CLASSIFIER",
            chain(
                "INPUT",
                repeat(chain(repeat(chain("CONV", "RELU"), "N"), optional("POOL")), "M"),
                repeat(chain("FC", "RELU"), "K"),
                "CLASSIFIER",
            ),
        ),
    ],
)
def test_chains_groups_repetitions_and_optional_parts(text: str, tree: Chain) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("()", ()),
        ("(32)", (argument(32),)),
        ("(007)", (argument(7),)),
        ("(-1)", (argument(-1),)),
        ("(+1)", (argument(1),)),
        ("(0.5)", (argument(0.5),)),
        ("(.5)", (argument(0.5),)),
        ("(5.)", (argument(5.0),)),
        ("(1e-3)", (argument(0.001),)),
        ("(1E3)", (argument(1000.0),)),
        ("(valid)", (argument("valid"),)),
        ("(VALID)", (argument("valid"),)),
        ("(5x3)", (argument((5, 3)),)),
        ("(5×3)", (argument((5, 3)),)),
        ("(5X3)", (argument((5, 3)),)),
        ("(28x28x1)", (argument((28, 28, 1)),)),
        ("(0x2)", (argument((0, 2)),)),
        ("(32, 5x5)", (argument(32), argument((5, 5)))),
        ("(stride=2)", (argument(2, name="stride"),)),
        ("( Stride = 2 ,padding= SAME )", (argument(2, name="stride"), argument("same", name="padding"))),
        ("(32|64|128)", (argument(32, 64, 128),)),
        ("(f = 3x3 | 5, 8)", (argument((3, 3), 5, name="f"), argument(8))),
        ("(x)", (argument("x"),)),
    ],
)
def test_hyperparameters_are_kept_as_written(written: str, read: tuple[Argument, ...]) -> None:
    assert parse(f"CONV{written}") == chain(layer("CONV", *read))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("input → [conv(32,5×5)→relu]×n → classifier", "INPUT -> [CONV(32, 5x5) -> RELU]*N -> CLASSIFIER"),
        ("[conv]*3 -> [pool]?", "CONV*3 -> POOL?"),
        ("conv( F=3|5 )", "CONV(f=3|5)"),
        ("[[[a->b]]]", "[A -> B]"),
        ("dropout(.50)", "DROPOUT(0.5)"),
    ],
)
def test_a_tree_prints_in_one_spelling(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical


def test_trees_that_differ_are_not_equal() -> None:
    texts = ["A", "B", "A -> A", "A*2", "A*3", "A*N", "A?", "A(1)", "A(2)", "A(x=1)", "A(1|2)", "A(1, 2)", "A(1x2)"]
    assert len({parse(text) for text in texts}) == len(texts)


def test_every_node_knows_where_it_stood() -> None:
    text = "INPUT  -> [ CONV(32, f=5x5 |3) -> RELU ]* N -> [POOL] ?"
    spans = [text[slice(*node.span)] for node in walk(parse(text))]
    assert spans == [
        text,
        "INPUT",
        "[ CONV(32, f=5x5 |3) -> RELU ]* N",
        "CONV(32, f=5x5 |3) -> RELU",
        "CONV(32, f=5x5 |3)",
        "RELU",
        "[POOL] ?",
        "POOL",
    ]
    conv = next(node for node in walk(parse(text)) if isinstance(node, Layer) and node.kind == "CONV")
    assert [text[slice(*given.span)] for given in conv.arguments] == ["32", "f=5x5 |3"]


def test_letters_and_optional_parts_come_in_the_order_of_the_text() -> None:
    text = "[[A*N -> B?]*M -> C*N]? -> D*K"
    tree = parse(text)
    assert letters(tree) == ("N", "M", "K")
    assert [text[slice(*part.span)] for part in optionals(tree)] == ["[[A*N -> B?]*M -> C*N]?", "B?"]


# What cannot be read.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            """\
the pattern is empty.
  <>
  ^
Write for example INPUT -> CONV -> RELU -> CLASSIFIER.""",
        ),
        (
            " ",
            """\
the pattern is empty.
   <>
  ^
Write for example INPUT -> CONV -> RELU -> CLASSIFIER.""",
        ),
        (
            "INPUT ->",
            """\
the pattern ends too early.
  INPUT ->
          ^
Expected '[' or a name.""",
        ),
        (
            "INPUT -> [CONV -> RELU  \n",
            """\
the pattern ends too early.
  INPUT -> [CONV -> RELU  <>
                        ^
Expected ']'.""",
        ),
        (
            "INPUT -> CONV(32",
            """\
the pattern ends too early.
  INPUT -> CONV(32
                  ^
Expected ')', ',' or '|'.""",
        ),
        (
            "INPUT - CONV",
            """\
'-' is out of place.
  INPUT - CONV
        ^
Expected '(', '*', '->', '?' or the end. An arrow is written ->.""",
        ),
        (
            "[CONV - RELU]",
            """\
'-' is out of place.
  [CONV - RELU]
        ^
Expected '(', '*', '->', '?' or ']'. An arrow is written ->.""",
        ),
        (
            "INPUT & CONV",
            """\
'&' is out of place.
  INPUT & CONV
        ^
Expected '(', '*', '->', '?' or the end.""",
        ),
        (
            "INPUT -> ?",
            """\
'?' is out of place.
  INPUT -> ?
           ^
Expected '[' or a name.""",
        ),
        (
            "INPUT CONV",
            """\
'CONV' is out of place.
  INPUT CONV
        ^^^^
Expected '(', '*', '->', '?' or the end.""",
        ),
        (
            "INPUT -> -> CONV",
            """\
'->' is out of place.
  INPUT -> -> CONV
           ^^
Expected '[' or a name.""",
        ),
        (
            "CONV(32,,5)",
            """\
',' is out of place.
  CONV(32,,5)
          ^
Expected a name, a number or a size such as 5x5.""",
        ),
        (
            "CONV(32 64)",
            """\
'64' is out of place.
  CONV(32 64)
          ^^
Expected ')', ',' or '|'.""",
        ),
        (
            "CONV(stride=)",
            """\
')' is out of place.
  CONV(stride=)
              ^
Expected a name, a number or a size such as 5x5.""",
        ),
        (
            "CONV(32; 5)",
            """\
';' is out of place.
  CONV(32; 5)
         ^
Expected ')', ',' or '|'.""",
        ),
        (
            "[CONV -> RELU -> POOL",
            """\
the pattern ends too early.
  [CONV -> RELU -> POOL
                       ^
Expected ']'.""",
        ),
        (
            "CONV -> RELU]*2",
            """\
']' is out of place.
  CONV -> RELU]*2
              ^
It closes no bracket.""",
        ),
        (
            "INPUT -> []",
            """\
']' is out of place.
  INPUT -> []
            ^
Expected '[' or a name.""",
        ),
        (
            "CONV*",
            """\
the pattern ends too early.
  CONV*
       ^
Expected a letter or a number.""",
        ),
        (
            "CONV*2.5",
            """\
'2.5' is out of place.
  CONV*2.5
       ^^^
Expected a letter or a number.""",
        ),
        (
            "CONV*-1",
            """\
'-1' is out of place.
  CONV*-1
       ^^
Expected a letter or a number.""",
        ),
        (
            "CONV*3x3",
            """\
'3x3' is out of place.
  CONV*3x3
       ^^^
Expected a letter or a number.""",
        ),
        (
            "CONV*NM",
            """\
'NM' is out of place.
  CONV*NM
       ^^
Expected a letter or a number.""",
        ),
        (
            "CONV*2?",
            """\
'?' is out of place.
  CONV*2?
        ^
Expected '->' or the end.""",
        ),
        (
            "INPUT\n -> CONV(3,\n    5 5)\n -> RELU",
            """\
'5' is out of place.
      5 5)
        ^
Expected ')', ',' or '|'.""",
        ),
        (
            "CONV(1e999)",
            """\
a number must be finite, and have at most 24 digits.
  CONV(1e999)
       ^^^^^""",
        ),
        (
            "CONV*1234567890123456789012345",
            """\
a number must be finite, and have at most 24 digits.
  CONV*1234567890123456789012345
       ^^^^^^^^^^^^^^^^^^^^^^^^^""",
        ),
        (
            "INPUT(1x1234567890123456789012345)",
            """\
a number must be finite, and have at most 24 digits.
  INPUT(1x1234567890123456789012345)
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
        ),
    ],
)
def test_syntax_errors_mark_the_place_and_say_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse(text)
    assert str(error.value) == message.replace("<>", "")  # <> keeps spaces at the end of a line visible


def test_a_bracket_too_deep_is_marked() -> None:
    text = "[" * (MAX_DEPTH + 1) + "CONV" + "]" * (MAX_DEPTH + 1)
    with pytest.raises(PatternError) as error:
        parse(text)
    assert str(error.value) == f"brackets are nested more than 32 deep.\n  {text}\n  {' ' * MAX_DEPTH}^"


def test_brackets_as_deep_as_allowed_are_read() -> None:
    text = "[" * MAX_DEPTH + "CONV" + "]*2" * MAX_DEPTH
    assert sum(isinstance(node, Repeat) for node in walk(parse(text))) == MAX_DEPTH


def test_a_text_too_long_is_not_read() -> None:
    with pytest.raises(PatternError) as error:
        parse("A" * (MAX_CHARACTERS + 1))
    assert str(error.value) == (
        f"the pattern has 100,001 characters; at most 100,000 are read.\n  {'A' * 100}…\n  ^"
    )  # fmt: skip


def test_a_text_as_long_as_allowed_is_read() -> None:
    text = "->".join("A" * (MAX_CHARACTERS // 3)).ljust(MAX_CHARACTERS)
    assert len(parse(text).terms) == MAX_CHARACTERS // 3


def test_a_number_as_long_as_allowed_is_read() -> None:
    assert parse("CONV(" + "9" * MAX_DIGITS + ")") == chain(layer("CONV", argument(10**MAX_DIGITS - 1)))


# Properties.

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

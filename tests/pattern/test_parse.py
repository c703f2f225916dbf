"""The pattern's syntax: what may be written, what it means, and what is said of everything else."""

from __future__ import annotations

import pytest

from convstage.pattern.parse import parse
from convstage.pattern.tree import Argument, Chain, Layer, Node, Optional, Repeat, letters, optionals, walk
from support.trees import NOWHERE, argument, chain, layer


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

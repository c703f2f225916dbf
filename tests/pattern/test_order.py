"""The order of layers: the implied FLATTEN, what may stand where, and the names of the modules."""

from __future__ import annotations

import pytest

from convstage.errors import PatternError
from convstage.pattern.expand import expand
from convstage.pattern.order import in_order, module_names
from convstage.pattern.parse import parse


def ordered(text: str) -> str:
    return " ".join(layer.kind for layer in in_order(expand(parse(text), text), text))


def names(text: str) -> str:
    return " ".join(module_names(ordered(f"INPUT -> {text} -> CLASSIFIER").split())[1:-1])


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("INPUT -> CLASSIFIER", "INPUT FLATTEN CLASSIFIER"),
        ("INPUT -> CONV -> FC -> FC -> CLASSIFIER", "INPUT CONV FLATTEN FC FC CLASSIFIER"),
        ("INPUT -> FLATTEN -> FC -> CLASSIFIER", "INPUT FLATTEN FC CLASSIFIER"),
        ("INPUT -> FLATTEN -> BN -> CLASSIFIER", "INPUT FLATTEN BN CLASSIFIER"),
        ("INPUT -> CONV -> GAP -> CLASSIFIER", "INPUT CONV GAP CLASSIFIER"),
        ("INPUT -> GAP -> FC -> CLASSIFIER", "INPUT GAP FC CLASSIFIER"),
        ("INPUT -> DROPOUT -> RELU -> CLASSIFIER", "INPUT DROPOUT RELU FLATTEN CLASSIFIER"),
    ],
)
def test_flatten_is_implied_where_a_map_must_become_a_vector(text: str, kinds: str) -> None:
    assert ordered(text) == kinds


def test_an_implied_flatten_stands_where_the_layer_does_that_asks_for_it() -> None:
    text = "INPUT -> CONV -> FC(8) -> CLASSIFIER"
    flatten = in_order(expand(parse(text), text), text)[2]
    assert (flatten.kind, text[slice(*flatten.span)]) == ("FLATTEN", "FC(8)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "INPUT -> CONF -> CLASSIFIER",
            """\
unknown layer 'CONF'.
  INPUT -> CONF -> CLASSIFIER
           ^^^^
Did you mean CONV?""",
        ),
        (
            "INPUT -> softmax(3)",
            """\
unknown layer 'SOFTMAX'.
  INPUT -> softmax(3)
           ^^^^^^^^^^
Layers are INPUT, CONV, RELU, SIGMOID, TANH, LEAKY_RELU, ELU, GELU, SILU, POOL, FC, CLASSIFIER, BN, DROPOUT, GAP, """
            "FLATTEN.",
        ),
        (
            "CONV(3) -> CLASSIFIER",
            """\
a pattern begins with INPUT.
  CONV(3) -> CLASSIFIER
  ^^^^^^^
Write INPUT -> … -> CLASSIFIER.""",
        ),
        (
            "INPUT*0",
            """\
a pattern begins with INPUT.
  INPUT*0
  ^^^^^^^
Write INPUT -> … -> CLASSIFIER.""",
        ),
        (
            "INPUT -> CONV -> FC",
            """\
a pattern ends with CLASSIFIER.
  INPUT -> CONV -> FC
                   ^^
Write INPUT -> … -> CLASSIFIER.""",
        ),
        (
            "INPUT -> CONV -> INPUT -> CLASSIFIER",
            """\
a pattern has one INPUT only.
  INPUT -> CONV -> INPUT -> CLASSIFIER
                   ^^^^^
Remove this INPUT.""",
        ),
        (
            "INPUT -> CLASSIFIER -> CLASSIFIER(2)",
            """\
a pattern has one CLASSIFIER only.
  INPUT -> CLASSIFIER -> CLASSIFIER(2)
           ^^^^^^^^^^
Remove this CLASSIFIER.""",
        ),
        (
            "INPUT -> CLASSIFIER -> FC",
            """\
a pattern ends with CLASSIFIER.
  INPUT -> CLASSIFIER -> FC
                         ^^
Write INPUT -> … -> CLASSIFIER.""",
        ),
        (
            "INPUT -> FC -> RELU -> CONV -> CLASSIFIER",
            """\
CONV needs a map of height and width, but FC has made it a vector.
  INPUT -> FC -> RELU -> CONV -> CLASSIFIER
                         ^^^^
Put CONV before FC.""",
        ),
        (
            "INPUT -> [GAP -> POOL(3)]*2 -> CLASSIFIER",
            """\
POOL needs a map of height and width, but GAP has made it a vector.
  INPUT -> [GAP -> POOL(3)]*2 -> CLASSIFIER
                   ^^^^^^^
Put POOL before GAP.""",
        ),
        (
            "INPUT -> FLATTEN*2 -> CLASSIFIER",
            """\
FLATTEN needs a map of height and width, but FLATTEN has made it a vector.
  INPUT -> FLATTEN*2 -> CLASSIFIER
           ^^^^^^^
Put FLATTEN before FLATTEN.""",
        ),
    ],
)
def test_what_stands_in_a_wrong_place_is_marked(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        ordered(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CONV -> RELU -> POOL", "stage1.conv stage1.relu stage1.pool flatten"),
        ("[CONV -> RELU]*2", "stage1.conv stage1.relu stage2.conv stage2.relu flatten"),
        (
            "CONV -> BN -> GELU -> DROPOUT -> POOL",
            "stage1.conv stage1.bn stage1.gelu stage1.dropout stage1.pool flatten",
        ),
        ("CONV -> RELU -> RELU -> BN -> RELU", "stage1.conv stage1.relu stage1.relu2 stage1.bn stage1.relu3 flatten"),
        ("CONV -> LEAKY_RELU -> POOL -> ELU", "stage1.conv stage1.leaky_relu stage1.pool elu1 flatten"),
        ("CONV -> POOL -> POOL -> CONV", "stage1.conv stage1.pool pool1 stage2.conv flatten"),
        ("POOL -> POOL -> BN", "pool1 pool2 bn1 flatten"),
        ("RELU -> BN -> RELU -> CONV", "relu1 bn1 relu2 stage1.conv flatten"),
        ("CONV -> GAP -> DROPOUT", "stage1.conv gap dropout1"),
        ("FC -> RELU -> FC -> RELU -> DROPOUT", "flatten fc1 fc1_relu fc2 fc2_relu fc2_dropout"),
        ("FC -> RELU -> RELU", "flatten fc1 fc1_relu fc1_relu2"),
        ("FLATTEN -> BN -> FC", "flatten bn1 fc1"),
    ],
)
def test_module_names_read_as_the_pattern_does(text: str, expected: str) -> None:
    assert names(text) == expected


def test_no_two_modules_have_the_same_name() -> None:
    text = "RELU -> POOL -> [CONV -> [BN -> RELU]*2 -> POOL -> RELU -> BN]*3 -> [FC -> [RELU -> DROPOUT]*2]*3"
    made = names(text).split()
    assert len(set(made)) == len(made) == 2 + 3 * 8 + 1 + 3 * 5

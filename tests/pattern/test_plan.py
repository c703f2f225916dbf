"""The plan: the lecture's figures, totals, what does not fit and the way out, and that it costs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convstage import Pattern, Plan
from convstage.errors import PatternError
from convstage.pattern.plan import Row

SPEC: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "worked-example.json").read_text())
FACTS = SPEC["facts"]


def row(plan: Plan, name: str) -> Row:
    return next(row for row in plan.rows if row.name == name)


def plan_of(text: str, image: str | None = "28x28x1", classes: int | None = 10) -> Plan:
    return Pattern(text).plan(image, classes)


# The lecture's figures.


def test_a_dense_layer_on_a_large_image_has_twelve_billion_weights() -> None:
    fact = FACTS["dense_layer_on_200x200x3_with_100000_hidden_units"]
    plan = plan_of("INPUT(200x200x3) -> FC(100000) -> CLASSIFIER(2)", None, None)
    assert row(plan, "flatten").output == (fact["inputs"],)
    assert row(plan, "fc1").weights == fact["weights"] == 12_000_000_000
    assert plan.parameters == 12_000_000_000 + 100_000 + 2 * 100_000 + 2


def test_ten_filters_on_a_colour_image_have_280_parameters() -> None:
    fact = FACTS["ten_filters_3x3x3"]
    conv = row(plan_of("INPUT -> CONV(10, 3x3) -> CLASSIFIER", "28x28x3"), "stage1.conv")
    assert {"weights": conv.weights, "biases": conv.biases, "parameters": conv.parameters} == fact
    assert (conv.weights, conv.biases, conv.parameters) == (270, 10, 280)


@pytest.mark.parametrize(("padding", "size"), [("valid", [24, 24, 10]), ("same", [28, 28, 10])])
def test_ten_5x5_filters_on_a_colour_image(padding: str, size: list[int]) -> None:
    fact = FACTS["conv_28x28x3_ten_5x5x3_filters"]
    conv = row(plan_of(f"INPUT -> CONV(10, 5x5, padding={padding}) -> CLASSIFIER", "28x28x3"), "stage1.conv")
    assert (conv.weights, conv.biases) == (fact["weights"], fact["biases"]) == (750, 10)
    assert list(conv.output) == fact[f"output_{padding}"] == size


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling_learns_nothing(kind: str) -> None:
    pool = row(plan_of(f"INPUT -> POOL({kind}, f=3, s=2) -> CLASSIFIER", "28x29x3"), "pool1")
    assert (pool.parameters, pool.output) == (0, (13, 14, 3))


@pytest.mark.parametrize(
    ("number", "parameters"),
    [
        (0, (784 + 1) * 128 + 129 * 10),
        (1, 10 * 32 + (28 * 28 * 32 + 1) * 128 + 129 * 10),
        (2, 10 * 32 + (9 * 32 + 1) * 64 + (7 * 7 * 64 + 1) * 128 + 129 * 10),
        (
            3,
            (10 + 289) * 32 + (289 + 577) * 64 + (577 + 1153) * 128 + (3 * 3 * 128 + 1) * 128 + 129 * 128 + 129 * 10,
        ),
    ],
)
def test_the_common_architectures(number: int, parameters: int) -> None:
    plan = plan_of(SPEC["common_architectures"][number])
    assert plan.parameters == parameters
    assert plan.rows[-1].output == (10,)


def test_the_lectures_layer_pattern_is_a_family() -> None:
    pattern = Pattern(SPEC["layer_pattern"].partition("   (")[0])
    assert pattern.letters == ("N", "M", "K")
    assert {str(member) for member in pattern.family(N=1, M=1, K=1)} == {
        "INPUT -> [[CONV -> RELU]*1 -> POOL]*1 -> [FC -> RELU]*1 -> CLASSIFIER",
        "INPUT -> [[CONV -> RELU]*1]*1 -> [FC -> RELU]*1 -> CLASSIFIER",
    }


# Rows and totals.


def test_a_row_says_everything_of_its_layer() -> None:
    text = "INPUT -> POOL -> CONV(8, 5x3, stride=2x1, padding=2x0) -> RELU -> CLASSIFIER"
    conv = row(plan_of(text, "20x14x3"), "stage1.conv")
    assert conv.settings == {"filters": 8, "size": (5, 3), "stride": (2, 1), "padding": (2, 0)}
    assert (conv.kind, text[slice(*conv.span)]) == ("CONV", "CONV(8, 5x3, stride=2x1, padding=2x0)")
    assert (conv.input, conv.output) == ((10, 7, 3), (5, 5, 8))
    assert conv.window is not None
    assert (conv.window.size, conv.window.stride, conv.window.margins) == ((5, 3), (2, 1), (2, 2, 0, 0))
    assert (conv.weights, conv.biases) == (5 * 3 * 3 * 8, 8)
    assert conv.multiply_adds == 5 * 5 * 360
    # Down, windows read 3, 5, 5, 5 and 4 of ten rows; across, three columns each.
    assert conv.connections == (3 + 5 + 5 + 5 + 4) * (5 * 3) * 3 * 8
    assert conv.dense_connections == 10 * 7 * 3 * 5 * 5 * 8
    assert conv.receptive_field == (2 + 4 * 2, 2 + 2 * 2)
    assert conv.activation_bytes == 5 * 5 * 8 * 4


def test_totals_are_the_sums_of_the_rows() -> None:
    plan = plan_of("INPUT -> [CONV -> BN -> RELU -> POOL]*2 -> FC -> CLASSIFIER")
    assert plan.image == (28, 28, 1)
    assert plan.classes == 10
    assert plan.weights == 9 * 32 + 32 + 9 * 32 * 64 + 64 + 3136 * 128 + 1280
    assert plan.biases == 32 + 32 + 64 + 64 + 128 + 10
    assert plan.parameters == plan.weights + plan.biases
    assert plan.multiply_adds == 784 * 288 + 784 * 32 + 196 * 18432 + 196 * 64 + 3136 * 128 + 1280
    outputs = [784, *[784 * 32] * 3, 196 * 32, *[196 * 64] * 3, 49 * 64, 49 * 64, 128, 10]
    assert plan.activation_bytes == 4 * sum(outputs)
    assert [row.activation_bytes for row in plan.rows] == [4 * n for n in outputs]


def test_filters_double_after_each_pooling() -> None:
    plan = plan_of("INPUT -> [CONV -> CONV -> POOL]*2 -> CONV -> CONV(5) -> CONV -> CLASSIFIER")
    filters = [row.settings["filters"] for row in plan.rows if row.kind == "CONV"]
    assert filters == [32, 32, 64, 64, 128, 5, 128]


def test_the_input_layer_reads_nothing() -> None:
    first = plan_of("INPUT -> CLASSIFIER").rows[0]
    assert (first.input, first.output, first.connections, first.dense_connections) == ((), (28, 28, 1), 0, 0)


@pytest.mark.parametrize(
    ("text", "image", "classes"),
    [
        ("INPUT(9x8x3) -> CLASSIFIER(4)", None, None),
        ("INPUT -> CLASSIFIER", "9x8x3", 4),
        ("INPUT(9x8x3) -> CLASSIFIER(4)", "9x8x3", 4),
        ("INPUT(9x8x3) -> CLASSIFIER", None, 4),
        ("INPUT -> CLASSIFIER(4)", "9x8x3", None),
    ],
)
def test_image_and_classes_come_from_the_pattern_or_beside_it(text: str, image: Any, classes: Any) -> None:
    plan = plan_of(text, image, classes)
    assert (plan.image, plan.classes) == ((9, 8, 3), 4)


def test_plain_data_says_the_same_exactly() -> None:
    plan = plan_of("INPUT -> CONV(8, 4x3, s=2x1) -> DROPOUT(0.25) -> CLASSIFIER(classes=2)", "10x6x3", None)
    data = plan.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["pattern"] == "INPUT -> CONV(8, 4x3, s=2x1) -> DROPOUT(0.25) -> CLASSIFIER(classes=2)"
    assert (data["input"], data["classes"]) == ([10, 6, 3], 2)
    assert [layer["name"] for layer in data["layers"]] == [
        "input", "stage1.conv", "stage1.dropout", "flatten", "classifier",
    ]  # fmt: skip
    assert data["layers"][1] == {
        "kind": "CONV",
        "name": "stage1.conv",
        "filter": [4, 3],
        "stride": [2, 1],
        "padding": {"top": 1, "bottom": 2, "left": 1, "right": 1},
        "settings": {"filters": 8, "size": [4, 3], "stride": [2, 1], "padding": "same"},
        "input": [10, 6, 3],
        "output": [5, 6, 8],
        "weights": 288,
        "biases": 8,
        "parameters": 296,
        "multiply_adds": 8640,
        "connections": (3 + 4 + 4 + 4 + 3) * (2 + 3 * 4 + 2) * 3 * 8,
        "dense_connections": 180 * 240,
        "receptive_field": [4, 3],
        "activation_bytes": 960,
    }
    assert data["layers"][2]["filter"] is data["layers"][2]["stride"] is data["layers"][2]["padding"] is None
    assert data["layers"][2]["settings"] == {"share": 0.25}
    assert data["totals"] == {
        "weights": 288 + 480,
        "biases": 10,
        "parameters": 778,
        "multiply_adds": 8640 + 480,
        "activation_bytes": 4 * (180 + 240 + 240 + 240 + 2),
    }


# What does not fit.


@pytest.mark.parametrize(
    ("text", "image", "classes", "message"),
    [
        (
            "INPUT -> CONF -> CLASSIFIER", "28x28x1", 2,
            """\
unknown layer 'CONF'.
  INPUT -> CONF -> CLASSIFIER
           ^^^^
Did you mean CONV?""",
        ),
        (
            "INPUT -> CONV*N -> CLASSIFIER", "28x28x1", 2,
            """\
this is a family of patterns, not one: N is a free letter.
  INPUT -> CONV*N -> CLASSIFIER
                ^
Fix it (N=2), or list the members of the family with ranges such as N=1..3.""",
        ),
        (
            "INPUT -> CLASSIFIER", None, 2,
            """\
INPUT has no image size.
  INPUT -> CLASSIFIER
  ^^^^^
Write INPUT(28x28x1), or give the image size beside it.""",
        ),
        (
            "INPUT -> CLASSIFIER", "28x28x1", None,
            """\
CLASSIFIER has no number of classes.
  INPUT -> CLASSIFIER
           ^^^^^^^^^^
Write CLASSIFIER(10), or give the number of classes beside it.""",
        ),
        (
            "INPUT(28x28x1) -> CLASSIFIER", "32x30x3", 2,
            """\
INPUT says 28x28x1, but the image size is 32x30x3.
  INPUT(28x28x1) -> CLASSIFIER
  ^^^^^^^^^^^^^^
Write INPUT(32x30x3), or INPUT alone.""",
        ),
        (
            "INPUT -> CLASSIFIER(10)", "28x28x1", 2,
            """\
CLASSIFIER says 10, but the number of classes is 2.
  INPUT -> CLASSIFIER(10)
           ^^^^^^^^^^^^^^
Write CLASSIFIER(2), or CLASSIFIER alone.""",
        ),
        (
            "INPUT -> [CONV -> RELU -> POOL]*5 -> CLASSIFIER", "28x28x1", 2,
            """\
POOL 2×2 does not fit a 1×1 map.
  INPUT -> [CONV -> RELU -> POOL]*5 -> CLASSIFIER
                            ^^^^
Height: 28 → 14 → 7 → 3 → 1, and floor((1 + 0 - 2)/2) + 1 = 0.
Way out: use at most 4 poolings, or INPUT of at least 32x32.""",
        ),
        (
            "INPUT -> POOL(1x3, s=2) -> POOL(3x2) -> CLASSIFIER", "28x4x1", 2,
            """\
POOL 3×2 does not fit a 14×1 map.
  INPUT -> POOL(1x3, s=2) -> POOL(3x2) -> CLASSIFIER
                             ^^^^^^^^^
Width: 4 → 1, and floor((1 + 0 - 2)/2) + 1 = 0.
Way out: use at most 1 pooling, or INPUT of at least 5x5.""",
        ),
        (
            "INPUT -> CONV(8, 7, s=2, p=1) -> CLASSIFIER", "4x28x1", 2,
            """\
CONV 7×7 does not fit a 4×28 map.
  INPUT -> CONV(8, 7, s=2, p=1) -> CLASSIFIER
           ^^^^^^^^^^^^^^^^^^^^
Height: 4, and floor((4 + 2 - 7)/2) + 1 = 0.
Way out: use padding=same, or INPUT of at least 5x5.""",
        ),
        (
            "INPUT -> CONV(8, 3x9, s=1x2, p=1x2) -> CLASSIFIER", "1x4x1", 2,
            """\
CONV 3×9 does not fit a 1×4 map.
  INPUT -> CONV(8, 3x9, s=1x2, p=1x2) -> CLASSIFIER
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
Width: 4, and floor((4 + 4 - 9)/2) + 1 = 0.
Way out: use padding=same, or INPUT of at least 1x5.""",
        ),
        (
            "INPUT -> CONV(8, 3x5, padding=3x1) -> CLASSIFIER", "28x28x1", 2,
            """\
padding of CONV must be less than its filter size 3×5.
  INPUT -> CONV(8, 3x5, padding=3x1) -> CLASSIFIER
           ^^^^^^^^^^^^^^^^^^^^^^^^^
A window that lies in the padding alone sees nothing of the image.""",
        ),
        (
            "INPUT -> CONV(8, 5x1, p=2x1) -> CLASSIFIER", "28x28x1", 2,
            """\
padding of CONV must be less than its filter size 5×1.
  INPUT -> CONV(8, 5x1, p=2x1) -> CLASSIFIER
           ^^^^^^^^^^^^^^^^^^^
A window that lies in the padding alone sees nothing of the image.""",
        ),
        (
            "INPUT -> CONV(s=1000)*40 -> CLASSIFIER", "28x28x1", 2,
            """\
figures of CONV go beyond 10^100.
  INPUT -> CONV(s=1000)*40 -> CLASSIFIER
           ^^^^^^^^^^^^""",
        ),
    ],
)  # fmt: skip
def test_errors_mark_the_layer_show_the_arithmetic_and_the_way_out(
    text: str, image: str | None, classes: int | None, message: str
) -> None:
    with pytest.raises(PatternError) as error:
        plan_of(text, image, classes)
    assert str(error.value) == message


def test_doubled_filters_cannot_grow_beyond_all_bounds() -> None:
    with pytest.raises(PatternError, match=r"figures of CONV go beyond 10\^100"):
        plan_of("INPUT -> [CONV -> POOL(1)]*4000 -> CLASSIFIER")


# Random patterns: the plan against torch.

"""What stands in a layer's parentheses: by looks, by name, by default, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from convstage.errors import PatternError
from convstage.pattern import LAYERS
from convstage.pattern.hyperparameters import Context, settle
from convstage.pattern.parse import parse
from convstage.pattern.tree import Layer


def settled(text: str, context: Context | None = None) -> dict[str, Any]:
    (layer,) = parse(text).terms
    assert isinstance(layer, Layer)
    return settle(layer, LAYERS[layer.kind].hyperparameters, context or Context(), text)


def refusal(text: str) -> str:
    with pytest.raises(PatternError) as error:
        settled(text)
    return str(error.value)


CONV = {"filters": 32, "size": (3, 3), "stride": (1, 1), "padding": "same"}
POOL = {"kind": "max", "size": (2, 2), "stride": (2, 2)}


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("CONV", CONV),
        ("POOL", POOL),
        ("FC", {"units": 128}),
        ("DROPOUT", {"share": 0.5}),
        ("RELU", {}),
        ("INPUT", {"shape": None}),
        ("CLASSIFIER", {"classes": None}),
        ("POOL(3)", {"kind": "max", "size": (3, 3), "stride": (3, 3)}),
        ("POOL(3x1)", {"kind": "max", "size": (3, 1), "stride": (3, 1)}),
    ],
)
def test_defaults(text: str, settings: dict[str, Any]) -> None:
    assert settled(text) == settings


def test_defaults_depend_on_poolings_image_and_classes() -> None:
    context = Context(poolings=3, image=(28, 28, 1), classes=10)
    assert settled("CONV", context)["filters"] == 32 * 2**3
    assert settled("INPUT", context) == {"shape": (28, 28, 1)}
    assert settled("CLASSIFIER", context) == {"classes": 10}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("CONV(8)", {"filters": 8}),
        ("CONV(8, 5)", {"filters": 8, "size": (5, 5)}),
        ("CONV(8, 5, 2)", {"filters": 8, "size": (5, 5), "stride": (2, 2)}),
        ("CONV(8, 5, 2, 1)", {"filters": 8, "size": (5, 5), "stride": (2, 2), "padding": (1, 1)}),
        ("CONV(5x3)", {"size": (5, 3)}),
        ("CONV(5x3, 8)", {"filters": 8, "size": (5, 3)}),
        ("CONV(5x3, 2x1)", {"size": (5, 3), "stride": (2, 1)}),
        ("CONV(valid)", {"padding": "valid"}),
        ("CONV(valid, 8)", {"padding": "valid", "filters": 8}),
        ("CONV(size=5, 8, 2)", {"filters": 8, "size": (5, 5), "stride": (2, 2)}),
    ],
)
def test_values_without_a_name_go_by_their_looks(text: str, changed: dict[str, Any]) -> None:
    assert settled(text) == CONV | changed


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("POOL(avg)", {"kind": "avg"}),
        ("POOL(avg, 3, 2)", {"kind": "avg", "size": (3, 3), "stride": (2, 2)}),
        ("POOL(3, avg)", {"kind": "avg", "size": (3, 3), "stride": (3, 3)}),
        ("POOL(stride=1)", {"stride": (1, 1)}),
        ("POOL(stride=1, 3)", {"size": (3, 3), "stride": (1, 1)}),
    ],
)
def test_pooling_takes_a_kind_and_sizes(text: str, changed: dict[str, Any]) -> None:
    assert settled(text) == POOL | changed


@pytest.mark.parametrize(
    ("named", "short"),
    [
        ("CONV(filters=8)", "CONV(k=8)"),
        ("CONV(size=5)", "CONV(f=5)"),
        ("CONV(stride=2x1)", "CONV(s=2x1)"),
        ("CONV(padding=valid)", "CONV(p=valid)"),
        ("CONV(padding=0)", "CONV(P=0)"),
        ("POOL(size=3)", "POOL(f=3)"),
        ("POOL(stride=3)", "POOL(s=3)"),
        ("DROPOUT(share=0.25)", "DROPOUT(p=0.25)"),
    ],
)
def test_the_lectures_letters_are_short_names(named: str, short: str) -> None:
    assert settled(named) == settled(short) != settled(named.partition("(")[0])


@pytest.mark.parametrize("kind", LAYERS)
def test_every_hyperparameter_is_known_by_its_name(kind: str) -> None:
    examples = {"count": (7, 7), "pair": ((5, 4), "5x4"), "shape": ((9, 8, 3), "9x8x3"), "real": (0.25, 0.25)}
    for parameter in LAYERS[kind].hyperparameters:
        last = parameter.words[-1] if parameter.words else ""
        value, written = {**examples, "word": (last, last), "padding": ((2, 1), "2x1")}[parameter.sort]
        assert settled(f"{kind}({parameter.name}={written})")[parameter.name] == value
        assert parameter.meaning


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("INPUT(28x28)", {"shape": (28, 28, 1)}),
        ("INPUT(28x30x3)", {"shape": (28, 30, 3)}),
        ("DROPOUT(0)", {"share": 0.0}),
        ("FC(1)", {"units": 1}),
        ("CLASSIFIER(1)", {"classes": 1}),
    ],
)
def test_values_at_the_edge_are_taken(text: str, settings: dict[str, Any]) -> None:
    assert settled(text) == settings


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("CONV(0)", "filters of CONV must be a whole number of at least 1."),
        ("CONV(-8)", "filters of CONV must be a whole number of at least 1."),
        ("CONV(8.0)", "filters of CONV must be a whole number of at least 1."),
        ("CONV(filters=5x5)", "filters of CONV must be a whole number of at least 1."),
        ("CONV(filters=many)", "filters of CONV must be a whole number of at least 1."),
        ("CONV(f=0)", "size of CONV must be a whole number of at least 1, or height x width such as 5x3."),
        ("CONV(0x5)", "size of CONV must be a whole number of at least 1, or height x width such as 5x3."),
        ("CONV(5x5x3)", "size of CONV must be a whole number of at least 1, or height x width such as 5x3."),
        ("CONV(s=0.5)", "stride of CONV must be a whole number of at least 1, or height x width such as 5x3."),
        ("CONV(p=-1)", "padding of CONV must be valid, same, or a number of zeros per side such as 1 or 2x1."),
        ("CONV(p=1.5)", "padding of CONV must be valid, same, or a number of zeros per side such as 1 or 2x1."),
        ("CONV(p=full)", "padding of CONV must be valid, same, or a number of zeros per side such as 1 or 2x1."),
        ("CONV(p=1x1x1)", "padding of CONV must be valid, same, or a number of zeros per side such as 1 or 2x1."),
        ("POOL(min)", "kind of POOL must be one of max, avg."),
        ("POOL(kind=2)", "kind of POOL must be one of max, avg."),
        ("DROPOUT(1)", "share of DROPOUT must be a number of at least 0 and below 1."),
        ("DROPOUT(-0.1)", "share of DROPOUT must be a number of at least 0 and below 1."),
        ("DROPOUT(p=half)", "share of DROPOUT must be a number of at least 0 and below 1."),
        ("FC(1e3)", "units of FC must be a whole number of at least 1."),
        ("INPUT(0x28)", "shape of INPUT must be height x width x channels, such as 28x28x1."),
        ("INPUT(1x2x3x4)", "shape of INPUT must be height x width x channels, such as 28x28x1."),
        ("INPUT(shape=28)", "shape of INPUT must be height x width x channels, such as 28x28x1."),
        ("CLASSIFIER(0)", "classes of CLASSIFIER must be a whole number of at least 1."),
        ("CONV(8, filters=9)", "filters of CONV is given twice."),
        ("CONV(f=3, size=5)", "size of CONV is given twice."),
    ],
)
def test_a_wrong_value_is_marked_and_told_what_it_must_be(text: str, problem: str) -> None:
    wrong = text[text.index("(") + 1 : -1].rpartition(", ")[2]
    assert refusal(text) == f"{problem}\n  {text}\n  {' ' * text.index(wrong)}{'^' * len(wrong)}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "CONV(32, strid=2)",
            """\
CONV has no hyperparameter 'strid'.
  CONV(32, strid=2)
           ^^^^^^^
Did you mean stride?""",
        ),
        (
            "CONV(kernels=5)",
            """\
CONV has no hyperparameter 'kernels'.
  CONV(kernels=5)
       ^^^^^^^^^
CONV takes filters: a whole number of at least 1; size: a whole number of at least 1, or height x width such as 5x3; """
            "stride: a whole number of at least 1, or height x width such as 5x3; "
            """padding: valid, same, or a number of zeros per side such as 1 or 2x1.""",
        ),
        (
            "RELU(x=1)",
            """\
RELU has no hyperparameter 'x'.
  RELU(x=1)
       ^^^
RELU takes no hyperparameters.""",
        ),
        (
            "RELU(3)",
            """\
RELU cannot take 3.
  RELU(3)
       ^
RELU takes no hyperparameters.""",
        ),
        (
            "FC(64, 32)",
            """\
FC cannot take 32.
  FC(64, 32)
         ^^
FC takes units: a whole number of at least 1.""",
        ),
        (
            "INPUT(28)",
            """\
INPUT cannot take 28.
  INPUT(28)
        ^^
INPUT takes shape: height x width x channels, such as 28x28x1.""",
        ),
        (
            "POOL(max, avg)",
            """\
POOL cannot take avg.
  POOL(max, avg)
            ^^^
POOL takes kind: one of max, avg; size: a whole number of at least 1, or height x width such as 5x3; """
            """stride: a whole number of at least 1, or height x width such as 5x3.""",
        ),
    ],
)
def test_what_a_kind_does_not_take_is_refused_with_what_it_takes(text: str, message: str) -> None:
    assert refusal(text) == message

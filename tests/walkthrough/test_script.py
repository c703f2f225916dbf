"""The page's arithmetic, run in the browser: the same numbers and the same text as in Python."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from convstage.stage.reference import ACTIVATIONS
from convstage.stage.writing import written
from convstage.walkthrough import Walk
from convstage.walkthrough.packed import pack
from support.browser import scripts
from walkthrough.networks import ALL_KINDS, PAGES, some_cells, walk_of

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-\d+)?")
PATTERNS = [
    ALL_KINDS,
    "INPUT(9x9x1) -> CONV(2, 5x3, stride=2x1, padding=1x0) -> TANH -> GAP -> BN -> CLASSIFIER(4)",
    "INPUT(12x12x1) -> [CONV(3|12) -> RELU -> POOL]*2 -> FC(20) -> RELU -> CLASSIFIER(12)",
    "INPUT(4x4x3) -> CLASSIFIER(2)",
]
#: The browser is started once.
pytestmark = pytest.mark.xdist_group("arithmetic")

RunScript = Callable[[str, Any], Any]


@pytest.fixture(scope="module")
def run_script() -> Iterator[RunScript]:
    """Return what gives the value that an expression over the names of the page's arithmetic has for `given`."""
    source = (PAGES / "walk_arithmetic.js").read_text()
    with scripts() as evaluate:

        def run(expression: str, given: Any) -> Any:
            script = f"((given) => {{\n{source}\nreturn {expression};\n}})({json.dumps(given)})"
            return json.loads(evaluate(f"() => JSON.stringify({script})"))

        yield run


def explained_by(run_script: RunScript, data: dict[str, Any], cells: Sequence[tuple[str, tuple[int, ...]]]) -> Any:
    """Return the receipts of some cells as the page's script writes them."""
    asks = "(() => { const net = new Network(given.data);"
    each = "return given.cells.map(([name, cell]) => net.explain(net.index(name), cell)); })()"
    return run_script(asks + each, {"data": data, "cells": cells})


def data_of(walk: Walk, **limits: int) -> dict[str, Any]:
    return pack(walk.steps, **limits) | {"classes": list(walk.classifier.classes)}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_receipts_are_those_of_python(run_script: RunScript, pattern: str) -> None:
    walk = walk_of(pattern, seed=5, temperature=1.3)
    cells = some_cells(walk, each=6)
    assert explained_by(run_script, data_of(walk), cells) == [walk.explain(name, cell) for name, cell in cells]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_without_the_maps_values_it_computes_them(run_script: RunScript, pattern: str) -> None:
    walk = walk_of(pattern, seed=6)
    data = data_of(walk, values=0)
    maps = [layer for layer in data["layers"] if len(layer["output"]) == 3]
    # The last maps are there: the vector after them is made of the same numbers.
    assert all(layer.get("values") is None for layer in maps[:-1])
    cells = some_cells(walk, each=6)
    for ours, theirs in zip(
        explained_by(run_script, data, cells), [walk.explain(*cell) for cell in cells], strict=True
    ):
        assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
        for one, other in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
            assert float(one) == pytest.approx(float(other), abs=0.011)


def test_what_there_was_no_room_for_is_not_explained(run_script: RunScript) -> None:
    walk = walk_of("INPUT(12x12x1) -> [CONV(3|12) -> RELU -> POOL]*2 -> FC(20) -> RELU -> CLASSIFIER(12)")
    find = "given.layers.map((layer, i) => [layer.name, new Network(given).canExplain(i)])"
    explained = {most: dict(run_script(find, data_of(walk, values=0, most=most))) for most in (0, 200, 10**6)}
    assert [name for name, can in explained[0].items() if can] == ["input"]
    # Vectors go first, and the last maps with them; then there is room for the first filters.
    some = ["input", "stage1.conv", "stage1.relu", "stage1.pool", "flatten", "fc1_relu"]
    assert [name for name, can in explained[200].items() if can] == some
    assert all(explained[10**6].values())


def test_numbers_are_written_as_in_python(run_script: RunScript) -> None:
    random = np.random.default_rng(0)
    drawn = random.normal(size=2000) * 10.0 ** random.integers(-9, 6, 2000)
    # Halves of the last decimal, which Python rounds to the even neighbour.
    halves = [sign * n / 8 for n in range(40) for sign in (1, -1)] + [n / 4 for n in range(20)] + [0.5, 1.5, 2.5]
    short = np.round(drawn[:500], 2).tolist() + np.round(drawn[:500], 1).tolist()
    values = [*drawn.tolist(), *halves, *short, 0.0, -0.0, 1e-17, -1e-13, 0.99999999, 3.2e-7, -0.00949, 5e-5, 0.095]
    for decimals in (1, 2, 4):
        theirs = run_script(f"given.map((x) => written(x, {decimals}))", values)
        assert theirs == [written(value, decimals) for value in values]


def test_numbers_that_are_not_finite(run_script: RunScript) -> None:
    assert run_script("[NaN, Infinity, -Infinity].map((x) => written(x))", None) == ["nan", "inf", "-inf"]
    assert [written(value, 2) for value in (math.nan, math.inf, -math.inf)] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_the_definitions(run_script: RunScript, name: str) -> None:
    values = np.concatenate([np.linspace(-12, 12, 241), [1e-9, -1e-9, 30.0, -30.0]])
    theirs = run_script(f"given.map(ACTIVATIONS.{name})", values.tolist())
    np.testing.assert_allclose(theirs, ACTIVATIONS[name](values), rtol=1e-12, atol=1e-14)


def test_the_script_knows_all_activations(run_script: RunScript) -> None:
    assert sorted(run_script("Object.keys(ACTIVATIONS)", None)) == sorted(ACTIVATIONS)


def test_the_winner_is_the_first_maximum_and_the_last_nan(run_script: RunScript) -> None:
    expression = (
        "[[1, 3, 3, 2], [NaN, 1, NaN, 2]].map((values) => windowOf("
        "{layers: [0, {stride: [2, 2], size: [2, 2]}], get: (i, [y, x]) => values[2 * y + x]}, 1, [0, 0, 0]).winner)"
    )
    assert run_script(expression, None) == [1, 2]


@pytest.mark.parametrize("name", ["walk.js", "walk_arithmetic.js", "walk.css", "walk.html"])
def test_the_page_loads_nothing_and_runs_no_text(name: str) -> None:
    text = (PAGES / name).read_text()
    assert not re.search(r"https?://|@import|\bimport\(|url\(", text)
    assert not re.search(r"\son[a-z]+=|javascript:|\|\s*safe\b|innerHTML|document\.write|\beval\(|new Function", text)

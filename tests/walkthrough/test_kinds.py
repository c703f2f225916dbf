"""RECEIPTS: one for every kind of layer, and every receipt's value is the network's own."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage.errors import ConfigError
from convstage.pattern.layers import LAYERS
from convstage.stage.receipt import PoolReceipt, Receipt
from convstage.walkthrough import RECEIPTS, source_of, value_of
from convstage.walkthrough.kinds import check_cell, parse_cell, receipt_of
from convstage.walkthrough.receipts import SumReceipt
from walkthrough.networks import ALL_KINDS, PAGES, patterns, some_cells, walk_of

examples = settings(max_examples=30, deadline=None)


def close(value: float, own: float, step_output: np.ndarray) -> bool:
    """float32 sums differ in the last digits, by the size of what was added."""
    return abs(value - own) <= 2e-5 * max(1.0, float(np.abs(step_output).max()))


# ------------------------------------------------------------------ the contract


def test_every_kind_of_layer_has_a_receipt() -> None:
    assert set(RECEIPTS) == {*LAYERS, "SOFTMAX"}


def test_the_page_knows_every_kind() -> None:
    script = (PAGES / "walk_arithmetic.js").read_text()
    kinds = script[script.index("const KINDS") :]
    activations = script[script.index("const ACTIVATIONS") : script.index("const KINDS")]
    for name in RECEIPTS:
        assert re.search(rf"^  {name}: ", kinds, re.MULTILINE) or re.search(
            rf"^  {name.lower()}: ", activations, re.MULTILINE
        ), f"pages/walk_arithmetic.js has no {name}"


def test_a_network_of_all_kinds_is_one() -> None:
    assert {step.kind for step in walk_of(ALL_KINDS).steps.values()} | {"GAP"} == set(RECEIPTS)


# ----------------------------------------------------------------------- the law


@given(patterns(), st.integers(0, 2**31))
@examples
def test_every_receipt_is_the_networks_own_value(pattern: str, seed: int) -> None:
    walk = walk_of(pattern, seed, temperature=1.5)
    for name, cell in some_cells(walk, each=5, seed=seed):
        step = walk.steps[name]
        receipt = receipt_of(step, cell)
        assert receipt.cell == cell
        assert close(value_of(receipt), float(step.output[cell]), step.output), f"{pattern}: {name} {cell}"
        written = float(receipt.arithmetic(decimals=3).split(" = ")[-1])
        assert written == pytest.approx(value_of(receipt), abs=6e-4)


@given(patterns(), st.integers(0, 2**31))
@examples
def test_a_source_has_the_value_that_is_passed_on(pattern: str, seed: int) -> None:
    walk = walk_of(pattern, seed)
    for name, cell in some_cells(walk, each=5, seed=seed):
        step = walk.steps[name]
        receipt = receipt_of(step, cell)
        source = source_of(receipt)
        if source is not None and step.kind in ("POOL", "FLATTEN", "DROPOUT"):
            assert step.input[source] == step.output[cell]
        if isinstance(receipt, PoolReceipt) and step.row.settings["kind"] == "max":
            assert source is not None
            rows, columns = receipt.rows, receipt.columns
            assert source[0] in rows and source[1] in columns and source[2] == cell[2]


def test_a_network_of_all_kinds() -> None:
    walk = walk_of(ALL_KINDS, seed=3)
    for name, cell in some_cells(walk, each=12):
        step = walk.steps[name]
        assert close(value_of(receipt_of(step, cell)), float(step.output[cell]), step.output), name


# ------------------------------------------------------------- what they consist of


def test_a_convolution_shows_its_own_patch_and_filter() -> None:
    walk = walk_of("INPUT(6x5x3) -> CONV(4, 3x2, stride=2, padding=1x0) -> CLASSIFIER(2)")
    step = walk.steps["stage1.conv"]
    receipt = receipt_of(step, (1, 1, 3))
    assert isinstance(receipt, Receipt)
    assert (receipt.rows, receipt.columns) == (range(1, 4), range(2, 4))
    np.testing.assert_array_equal(receipt.patch, step.input[1:4, 2:4])
    weight = step.how.weight.detach()[3].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(receipt.weights, weight)
    assert receipt.bias == float(step.how.bias.detach()[3])


def test_a_unit_shows_the_largest_products_first() -> None:
    walk = walk_of("INPUT(4x4x1) -> FC(3) -> RELU -> CLASSIFIER(2)")
    step = walk.steps["fc1"]
    receipt = receipt_of(step, 2)
    assert isinstance(receipt, SumReceipt)
    sizes = np.abs(receipt.contributions[receipt.order])
    assert (np.diff(sizes) <= 0).all()
    assert receipt.total == pytest.approx(float(receipt.contributions.sum()))
    assert receipt.arithmetic(terms=3).count("×") == 3
    assert "(13 others)" in receipt.arithmetic(terms=3)


def test_products_of_units_that_are_off_are_left_out() -> None:
    walk = walk_of("INPUT(4x4x1) -> FC(6) -> RELU -> CLASSIFIER(2)", seed=1)
    step = walk.steps["classifier"]
    on = int((step.input != 0).sum())
    assert 0 < on < 6
    text = receipt_of(step, 0).arithmetic()
    assert text.count("×") == on
    assert f"{0 if 6 - on else ''} ({6 - on} other{'s' if 6 - on > 1 else ''})" in text


# ----------------------------------------------------------------------- errors


def test_cells_in_their_long_form() -> None:
    assert check_cell("x", (5, 4, 1), (1, 2)) == (1, 2, 0)
    assert check_cell("x", (5,), 3) == check_cell("x", (5,), np.int64(3)) == check_cell("x", (5,), [3]) == (3,)


@pytest.mark.parametrize(
    ("shape", "cell", "said"),
    [
        ((5, 4, 2), (5, 0, 0), r"no cell 5,0,0.\nIts cells are row 0 to 4, column 0 to 3, filter 0 to 1"),
        ((5, 4, 2), (0, 0, -1), "no cell 0,0,-1"),
        ((5, 4, 2), (1, 2), r"no cell 1,2.\nIts cells are row"),
        ((5, 4, 2), 3, "no cell 3"),
        ((5,), 5, r"no cell 5.\nIts cells are place 0 to 4"),
        ((5,), (1, 2), "no cell 1,2"),
        ((5,), (1.5,), r"no cell 1\.5"),
    ],
)
def test_cells_that_are_not_there(shape: tuple[int, ...], cell: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_cell("stage1.conv", shape, cell)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "stage1.conv", "stage1.conv:", ":3", "fc1:x", "fc1:-1", "fc1:1,,2", "fc1:1.5", "fc1:٣"]
)
def test_cells_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a cell is LAYER:ROW,COLUMN,FILTER, such as stage1\.conv:3,4,0"):
        parse_cell(text)

"""Receipts: the same numbers as the maps have, and their arithmetic as the lecture writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convstage.errors import ConfigError
from convstage.stage.receipt import Cell, pool_receipt, receipt
from convstage.stage.reference import ACTIVATIONS, Array, stage, winners

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())
NINE = SPEC["image_nine"]
LOOPY_IN_NINTHS = np.array(SPEC["filter_loopy_circle_in_ninths"])
LOOPY = LOOPY_IN_NINTHS / 9

examples = settings(max_examples=40, deadline=None)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Array, Array, Any]:
    """Draw an image, filters, and the other arguments of a receipt."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height, width, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    image = rng.normal(size=(height + draw(st.integers(2, 4)), width + draw(st.integers(2, 4)), channels))
    if draw(st.booleans()):
        image[rng.random(image.shape) < 0.1] = draw(st.sampled_from([np.nan, np.inf]))
    filters = rng.normal(size=(draw(st.integers(1, 2)), height, width, channels))
    rest = {
        "bias": draw(st.sampled_from([None, rng.normal(size=len(filters))])),
        "stride": draw(st.sampled_from([1, (1, 2), (2, 1)])),
        "padding": draw(st.sampled_from(["valid", "same", 1, (1, 0), (0, 1, 2, 0)])),
        "activation": draw(st.sampled_from([None, *ACTIVATIONS])),
    }
    return image, filters, rest


def is_same(one: float, other: float) -> bool:
    return one == other or (np.isnan(one) and np.isnan(other))


# ------------------------------------------------------------- receipts and maps


@given(networks())
@examples
def test_every_receipt_is_the_maps_own_value(network: tuple[Array, Array, Any]) -> None:
    image, filters, rest = network
    maps = stage(image, filters, **rest)
    for cell in np.ndindex(maps.before.shape):
        one = receipt(image, filters, cell=cell, **rest)
        assert one.cell == cell
        assert is_same(one.before, maps.before[cell])
        np.testing.assert_allclose(one.after, maps.after[cell], rtol=1e-15)  # exp of one number or of many

        assert_array_equal(one.weights, filters[cell[2]])
        with np.errstate(invalid="ignore"):
            assert_array_equal(one.products, one.patch * one.weights)
            assert is_same(one.total, float(one.products.sum()))
        assert one.bias is None if rest["bias"] is None else one.bias == rest["bias"][cell[2]]
        assert is_same(one.before, one.total + (one.bias or 0))


@given(networks())
@examples
def test_a_receipt_knows_the_place_of_its_patch(network: tuple[Array, Array, Any]) -> None:
    image, filters, rest = network
    shape = stage(image, filters, **rest).before.shape
    for cell in np.ndindex(shape):
        one = receipt(image, filters, cell=cell, **rest)
        for i, row in enumerate(one.rows):
            for j, column in enumerate(one.columns):
                inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
                assert one.inside[i, j] == inside
                assert_array_equal(one.patch[i, j], image[row, column] if inside else 0)


@given(networks(), st.sampled_from([2, (1, 2), (2, 1)]), st.sampled_from([None, 1, (2, 1)]))
@examples
def test_every_pool_receipt_is_the_pooled_maps_own_value(
    network: tuple[Array, Array, Any], pool: Any, pool_stride: Any
) -> None:
    image, filters, rest = network
    rest["stride"] = 1
    rest |= {"pool": pool, "pool_stride": pool_stride}
    maps = stage(image, filters, **rest)
    assert maps.pooled is not None
    won = winners(maps.after, pool, pool_stride)
    for cell in np.ndindex(maps.pooled.shape):
        one = pool_receipt(image, filters, cell=cell, **rest)
        window = maps.after[one.rows.start : one.rows.stop, one.columns.start : one.columns.stop, cell[2]]
        np.testing.assert_allclose(one.window, window, rtol=1e-15)
        np.testing.assert_allclose(one.value, maps.pooled[cell], rtol=1e-15)
        assert one.winner == (one.rows[won[cell] // window.shape[1]], one.columns[won[cell] % window.shape[1]])
        (champion,) = one.receipts
        assert champion.cell == (*one.winner, cell[2])
        assert is_same(champion.after, one.value)


@given(networks(), st.sampled_from([2, (1, 2)]), st.sampled_from([None, 1]))
@examples
def test_an_average_has_the_receipts_of_its_whole_window(
    network: tuple[Array, Array, Any], pool: Any, pool_stride: Any
) -> None:
    image, filters, rest = network
    rest["stride"] = 1
    rest |= {"pool": pool, "pool_stride": pool_stride, "pool_kind": "avg"}
    maps = stage(image, filters, **rest)
    assert maps.pooled is not None
    for cell in np.ndindex(maps.pooled.shape):
        one = pool_receipt(image, filters, cell=cell, **rest)
        assert one.winner is None
        assert [r.cell for r in one.receipts] == [(r, c, cell[2]) for r in one.rows for c in one.columns]
        assert_array_equal([r.after for r in one.receipts], one.window.ravel())
        np.testing.assert_allclose(one.value, maps.pooled[cell], rtol=1e-14)


def test_the_winner_of_a_tie_is_the_first() -> None:
    one = pool_receipt(np.ones((4, 4)), [[1]], cell=(1, 1), pool=2)
    assert one.winner == (2, 2)


# ------------------------------------------------------------------- arithmetic


def test_the_lectures_first_cell() -> None:
    lecture = SPEC["first_cell_arithmetic"].replace("*", "×")
    assert receipt(NINE, LOOPY, cell=(0, 0)).arithmetic(denominator=9) == lecture
    assert lecture == "(-1×1 + 1×1 + 1×1 + (-1)×1 + 1×(-1) + (-1)×1 + (-1)×1 + 1×1 + 1×1)/9 = -1/9 = -0.11"


def test_float32_ninths_are_ninths() -> None:
    one = receipt(NINE, LOOPY.astype(np.float32), cell=(0, 0))
    assert one.arithmetic(denominator=9) == SPEC["first_cell_arithmetic"].replace("*", "×")


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_cell_of_the_lecture_ends_in_its_ninths(padding: Any) -> None:
    for (row, column), ninths in np.ndenumerate(SPEC["nine"][f"{padding}_stride1"]):
        end = receipt(NINE, LOOPY, cell=(row, column), padding=padding).arithmetic(9).split(" = ", 1)[1]
        assert end == f"{ninths}/9 = {ninths / 9:.{0 if ninths in (0, 9) else 2}f}"


def test_decimals_without_a_denominator() -> None:
    one = receipt(NINE, LOOPY, cell=(0, 0))
    assert one.arithmetic() == (
        "-1×0.11 + 1×0.11 + 1×0.11 + (-1)×0.11 + 1×(-0.11) + (-1)×0.11 + (-1)×0.11 + 1×0.11 + 1×0.11 = -0.11"
    )
    assert one.arithmetic(terms=2, decimals=4) == "-1×0.1111 + … + 1×0.1111 = -0.1111"


def test_long_sums_are_cut_in_the_middle() -> None:
    one = receipt(NINE, LOOPY, cell=(0, 0))
    assert one.arithmetic(9, terms=5) == "(-1×1 + 1×1 + 1×1 + … + 1×1 + 1×1)/9 = -1/9 = -0.11"
    assert one.arithmetic(9, terms=9) == one.arithmetic(9, terms=100) == one.arithmetic(9)
    with pytest.raises(ConfigError, match="terms must be at least 2, one for each end of the sum; got 1"):
        one.arithmetic(terms=1)


def test_the_bias_is_shown() -> None:
    patch, weights = [[1, -2]], [[0.5, 0.25]]
    assert receipt(patch, weights, -3, cell=(0, 0)).arithmetic() == "1×0.5 + (-2)×0.25 + (-3) = 0 + (-3) = -3"
    assert receipt(patch, weights, 0, cell=(0, 0)).arithmetic(4) == "(1×2 + (-2)×1)/4 + 0 = 0/4 + 0 = 0"
    assert receipt(patch, weights, 0.1, cell=(0, 0)).arithmetic(4) == "(1×2 + (-2)×1)/4 + 0.1 = 0/4 + 0.1 = 0.1"


def test_every_channel_is_a_sum_of_its_own() -> None:
    patch = [[[1, -1, 2], [0, 3, 1]]]  # 1 row, 2 columns, 3 channels
    weights = [[[1, 1, -1], [1, 1, -1]]]
    one = receipt(patch, weights, cell=(0, 0))
    products = "(1×1 + 0×1) + (-1×1 + 3×1) + (2×(-1) + 1×(-1))"
    assert one.arithmetic() == f"{products} = 1 + 2 + (-3) = 0"
    assert one.arithmetic(terms=2) == "(1×1 + 0×1) + … + (2×(-1) + 1×(-1)) = 1 + … + (-3) = 0"
    thirds = receipt(patch, np.array(weights) / 3, 0.5, cell=(0, 0))
    assert thirds.arithmetic(3) == f"({products})/3 + 0.5 = (1 + 2 + (-3))/3 + 0.5 = 0/3 + 0.5 = 0.5"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-17, "0"),
        (-0.0, "0"),
        (1 - 1e-12, "1"),
        (0.5, "0.5"),
        (0.501, "0.50"),
        (-0.004, "-0.004"),
        (3.2e-7, "3e-07"),
        (123456789.0, "123456789"),
        (1.999, "2.00"),
        (1.00001, "1.00"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
    ],
)
def test_numbers_are_written_short_but_never_as_a_false_zero(value: float, text: str) -> None:
    assert receipt([[value]], [[1]], activation=None, cell=(0, 0)).arithmetic() == f"{text}×1 = {text}"


def test_the_non_linearity_is_shown() -> None:
    assert receipt(NINE, LOOPY, cell=(0, 0)).activation_arithmetic() == "relu(-0.11) = 0"
    assert receipt(NINE, LOOPY, cell=(0, 0), activation=None).activation_arithmetic() == "-0.11"


def test_the_lectures_pooling() -> None:
    first = pool_receipt(NINE, LOOPY, cell=(0, 0), pool=2, pool_stride=1)
    assert first.arithmetic(9) == "max(0/9, 9/9, 0/9, 1/9) = 9/9 = 1"
    assert first.arithmetic(9, terms=2) == "max(0/9, …, 1/9) = 9/9 = 1"
    assert first.arithmetic() == "max(0, 1, 0, 0.11) = 1"
    assert first.winner == (0, 1)
    assert first.receipts[0].arithmetic(9).endswith(" = 9/9 = 1")

    mean = pool_receipt(NINE, LOOPY, cell=(2, 1), pool=2, pool_stride=1, pool_kind="avg")
    assert mean.arithmetic(9) == "(3/9 + 0/9 + 0/9 + 0/9)/4 = 3/36 = 0.08"
    assert mean.arithmetic() == "(0.33 + 0 + 0 + 0)/4 = 0.33/4 = 0.08"
    negative = pool_receipt(NINE, LOOPY, cell=(0, 0), pool=2, pool_stride=1, pool_kind="avg", activation=None)
    assert negative.arithmetic(9) == "(-1/9 + 9/9 + (-5/9) + 1/9)/4 = 4/36 = 0.11"


def test_infinities_have_receipts() -> None:
    one = pool_receipt([[np.inf, -np.inf]], [[1]], cell=(0, 0), pool=(1, 2), pool_kind="avg", activation=None)
    assert one.arithmetic() == "(inf + (-inf))/2 = nan/2 = nan"


# ----------------------------------------------------------------------- errors


def test_a_cell_outside_the_map_is_told_the_valid_range() -> None:
    valid = "rows 0 to 4, columns 0 to 2, filters 0 to 0"
    cells: list[Cell] = [(5, 0), (0, 3), (-1, 0), (0, 0, 1)]
    for cell in cells:
        with pytest.raises(ConfigError, match=f"is not in the map, which has {valid}"):
            receipt(NINE, LOOPY, cell=cell)
    with pytest.raises(ConfigError, match=r"cell \(4, 0, 0\) is not in the map, which has rows 0 to 3, columns 0 to 1"):
        pool_receipt(NINE, LOOPY, cell=(4, 0), pool=2, pool_stride=1)


def test_the_filter_may_be_left_out_only_where_there_is_one() -> None:
    with pytest.raises(ConfigError, match=r"cell \(0, 0\) is not in the map, .* filters 0 to 1"):
        receipt(np.ones((3, 3)), np.ones((2, 3, 3, 1)), cell=(0, 0))


def test_a_denominator_must_fit_the_filter() -> None:
    with pytest.raises(ConfigError, match=r"0\.3 is not a whole number over 9: leave denominator out"):
        receipt([[1]], [[0.3]], cell=(0, 0)).arithmetic(9)
    with pytest.raises(ConfigError, match="denominator must be at least 1; got 0"):
        receipt([[1]], [[0.3]], cell=(0, 0)).arithmetic(0)


def test_settings_are_checked_as_in_a_stage() -> None:
    with pytest.raises(ConfigError, match="pool kind must be one of max, avg; got 'mean'"):
        pool_receipt([[1]], [[1]], cell=(0, 0), pool=1, pool_kind="mean")
    with pytest.raises(ConfigError, match="filters have 2 channels, but the image has 1"):
        receipt([[1]], np.ones((1, 1, 2)), cell=(0, 0))
    with pytest.raises(ConfigError, match="activation must be one of relu"):
        receipt([[1]], [[1]], cell=(0, 0), activation="rule")

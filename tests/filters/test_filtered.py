"""A filter at work: the lecture's numbers, the definition for small and large images, receipts, the matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import convstage.filters.filtered
from convstage.errors import ConfigError
from convstage.filters import KERNELS, Kernel, apply, prove, read_values
from convstage.stage.reference import average_pool, convolve, cross_correlate, max_pool

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())
examples = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize(("image", "key"), [("nine", "nine"), ("nine-shifted", "nine_shifted_left")])
def test_the_lecture(image: str, key: str) -> None:
    work = apply(image, "loopy", relu=True, pool="max", pool_stride=1)
    assert work.denominator == 9
    assert_array_equal(work.map_hw, np.array(SPEC[key]["valid_stride1"]) / 9)
    assert_array_equal(work.rectified_hw, np.array(SPEC[key]["relu_of_valid"]) / 9)
    assert_array_equal(work.pooled_hw, np.array(SPEC[key]["max_pool_2x2_stride1"]) / 9)
    assert list(work.steps) == ["cross-correlation", "ReLU", "max pooling"]


def test_the_lectures_other_maps() -> None:
    same = apply("nine", "loopy", padding="same")
    assert_array_equal(same.map_hw, np.array(SPEC["nine"]["same_stride1"]) / 9)
    average = apply("nine", "loopy", relu=True, pool="avg", pool_stride=1)
    assert average.pooled_hw is not None
    assert_allclose(9 * average.pooled_hw, SPEC["nine"]["average_pool_2x2_stride1"], rtol=1e-15)
    assert list(average.steps) == ["cross-correlation", "ReLU", "average pooling"]


def test_the_first_cell_is_told_as_the_lecture_tells_it() -> None:
    told = apply("nine", "loopy").receipt((0, 0)).arithmetic(9)
    assert told.replace("×", "*") == SPEC["first_cell_arithmetic"]


small = st.integers(0, 2)
paddings = st.sampled_from(["valid", "same"]) | small | st.tuples(small, small)
strides = st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    st.sampled_from([*KERNELS, "1 2 3; 0 1/3 -2", "0.5"]), paddings, strides, st.booleans(), st.booleans(),
    st.integers(0, 99),
)  # fmt: skip
@examples
def test_small_and_large_images_are_the_definitions(
    kernel: str, padding: Any, stride: Any, flip: bool, signed: bool, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8)
    arguments: dict[str, Any] = {"stride": stride, "padding": padding}
    settings: dict[str, Any] = {**arguments, "flip": flip, "relu": True, "levels": "signed" if signed else "plain"}
    work = apply(Image.fromarray(pixels), kernel, **settings, pool="avg", pool_size=2, pool_stride=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convstage.filters.filtered, "BY_DEFINITION", 0)
        fast = apply(Image.fromarray(pixels), kernel, **settings, pool="avg", pool_size=2, pool_stride=1)
        largest = apply(Image.fromarray(pixels), kernel, **settings, pool="max", pool_size=(2, 1))
    values = pixels / 255 * (2 if signed else 1) - (1 if signed else 0)
    definition = (convolve if flip else cross_correlate)(values, Kernel.of(kernel).weights, **arguments)
    assert_allclose(work.map_hw, definition, atol=1e-13)
    assert_array_equal(fast.map_hw, work.map_hw, "whole numbers: not a bit is different")
    assert_array_equal(work.rectified_hw, np.maximum(work.map_hw, 0))
    assert_allclose(work.pooled_hw, average_pool(work.rectified_hw, 2, 1), rtol=1e-15)
    assert_allclose(fast.pooled_hw, work.pooled_hw, rtol=1e-14, atol=1e-15)
    assert_array_equal(largest.pooled_hw, max_pool(work.rectified_hw, (2, 1)))


def test_a_large_picture_is_computed_as_a_small_one() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 90), dtype=np.uint8)
    work = apply(Image.fromarray(pixels), "sobel", padding="same", stride=(1, 2), pool="max", pool_stride=1)
    assert work.map_hw.size > convstage.filters.filtered.BY_DEFINITION > 60
    rows, columns = slice(39, 42), slice(39, 42)
    assert work.map_hw[40, 20] == pytest.approx((pixels[rows, columns] / 255 * KERNELS["sobel"].weights).sum())
    assert work.pooled_hw is not None
    assert work.pooled_hw[40, 20] == work.map_hw[40:42, 20:22].max()


def test_an_even_area_gives_exactly_nothing() -> None:
    even = Image.new("L", (6, 6), 77)
    for name, kernel in KERNELS.items():
        if kernel.total == 0:
            made = apply(even, name).map_hw
            assert not made.any()
            assert not np.signbit(made).any()
    assert (apply(even, "blur").map_hw == 77 / 255).all()


def test_numbers_of_any_kind() -> None:
    rng = np.random.default_rng(1)
    image, weights = rng.normal(size=(6, 5)), rng.normal(size=(3, 2))
    work = apply(image, weights, padding=1)
    assert_array_equal(work.map_hw, cross_correlate(image, weights, padding=1))
    assert (work.denominator, work.image.name) == (None, "image")
    difference = prove(work).difference
    assert difference is not None
    assert difference < 1e-14


def test_turning_changes_nothing_for_the_loopy_circle_but_the_name() -> None:
    turned = apply("nine", "loopy", flip=True)
    assert_array_equal(turned.map_hw, apply("nine", "loopy").map_hw)
    assert list(turned.steps) == ["convolution"]
    assert turned.convolution


def test_a_denominator_only_where_the_pixels_are_whole_numbers() -> None:
    grey = Image.fromarray(np.array([[1, 2, 3]], np.uint8))
    assert apply(grey, "(1 1)/9").denominator is None
    assert apply(grey, "(1 1)/9", levels="signed").denominator is None
    assert apply("nine", "sobel").denominator == 1
    assert apply("nine", "1/997 1/3").denominator is None


@given(paddings, strides, st.booleans(), st.sampled_from(["max", "avg"]))
@examples
def test_every_receipt_is_the_maps_own_value(padding: Any, stride: Any, flip: bool, pool: Any) -> None:
    work = apply(
        "nine", "1 0 -2; 1/2 3 0", padding=padding, stride=stride, flip=flip, relu=True, pool=pool, pool_size=1
    )
    assert work.rectified_hw is not None
    assert work.pooled_hw is not None
    for row, column in np.ndindex(work.map_hw.shape):
        told = work.receipt((row, column))
        assert told.before == pytest.approx(work.map_hw[row, column], abs=1e-12)
        assert told.after == pytest.approx(work.rectified_hw[row, column], abs=1e-12)
    for row, column in np.ndindex(work.pooled_hw.shape):
        assert work.pool_receipt((row, column)).value == pytest.approx(work.pooled_hw[row, column], abs=1e-12)


def test_pooling_without_relu_pools_the_map_itself() -> None:
    work = apply("nine", "sobel", pool="max", pool_stride=1)
    assert work.rectified_hw is None
    assert_array_equal(work.pooled_hw, max_pool(work.map_hw, 2, 1))
    assert work.pool_receipt((0, 0)).value == work.pooled_hw[0, 0]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ConfigError, match="a filter of 3×3 is larger than the image, 2×2"):
        apply([[1, 2], [3, 4]], "sobel")
    with pytest.raises(ConfigError, match="a pooling window of 2×2 is larger than the map, 1×1"):
        apply(np.eye(3), "sobel", pool="max")
    with pytest.raises(ConfigError, match="pool must be one of max, avg; got 'sum'"):
        apply("nine", "sobel", pool="sum")
    with pytest.raises(ConfigError, match="stride must be a number or"):
        apply("nine", "sobel", stride=0)
    with pytest.raises(ConfigError, match="the map was not pooled"):
        apply("nine", "sobel").pool_receipt((0, 0))
    with pytest.raises(ConfigError, match=r"cell \(9, 9, 0\) is not in the map, which has rows 0 to 4"):
        apply("nine", "sobel").receipt((9, 9))


def test_as_data() -> None:
    work = apply("nine", "loopy", padding=(1, 0), stride=(2, 1), relu=True, pool="max", pool_size=(2, 1))
    data = json.loads(json.dumps(work.to_dict()))
    assert data["image"] == {"name": "nine", "size": [7, 5], "black": -1, "white": 1}
    assert data["kernel"]["text"] == "(1 1 1; 1 -1 1; 1 1 1)/9"
    assert data["kernel"]["weights"][1][1] == -1 / 9
    assert (data["stride"], data["convolution"]) == ([2, 1], False)
    assert data["padding"] == {"top": 1, "bottom": 1, "left": 0, "right": 0}
    assert data["pooling"] == {"kind": "max", "size": [2, 1], "stride": [2, 1]}
    assert [one["step"] for one in data["maps"]] == ["cross-correlation", "ReLU", "max pooling"]
    assert_array_equal(data["maps"][0]["values"], work.map_hw)
    assert data["maps"][2]["size"] == list(work.pooled_hw.shape) if work.pooled_hw is not None else False
    assert apply("nine", "blur").to_dict()["pooling"] is None


def test_it_shows_itself_in_a_notebook() -> None:
    assert apply("nine", "loopy")._repr_png_().startswith(b"\x89PNG")


def test_an_image_that_was_read_already() -> None:
    values = read_values("nine", levels="plain")
    assert apply(values, "blur").image is values
    with pytest.raises(ConfigError, match="give its levels to read_values"):
        apply(values, "blur", levels="signed")


# ------------------------------------------------------------------- the matrix


@given(st.sampled_from([*KERNELS]), paddings, strides, st.booleans(), st.integers(0, 99))
@examples
def test_the_matrix_gives_the_same_map_to_the_last_bit(
    kernel: str, padding: Any, stride: Any, flip: bool, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7), dtype=np.uint8)
    work = apply(Image.fromarray(pixels), kernel, padding=padding, stride=stride, flip=flip)
    proof = prove(work)
    assert proof.difference == 0
    assert proof.places is not None
    assert proof.places.shape == (work.map_hw.size, 42)
    assert proof.counts.weights == work.kernel.weights.size


def test_the_proof_would_see_a_map_that_differs() -> None:
    work = apply("nine", "loopy")
    work.map_hw[2, 1] += 0.25
    assert prove(work).difference == pytest.approx(0.25)


def test_the_proof_as_data() -> None:
    assert prove(apply("nine", "loopy")).to_dict() == {
        "rows": 15, "columns": 35, "weights": 9, "connections": 135, "dense_weights": 525, "dense_connections": 525,
        "largest_difference": 0.0,
    }  # fmt: skip


def test_of_a_large_matrix_there_are_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstage.filters.proof.MAX_CONNECTIONS", 100)
    proof = prove(apply("nine", "loopy"))
    assert (proof.counts.connections, proof.places, proof.difference) == (135, None, None)
    assert proof.to_dict()["largest_difference"] is None

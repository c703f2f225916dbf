"""The definition of a stage: the lecture's numbers, agreement with torch and SciPy, and the laws of convolution."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal
from torch.nn import functional as F

from convstage.errors import ConfigError
from convstage.stage.reference import (
    ACTIVATIONS,
    Array,
    activate,
    average_pool,
    convolve,
    cross_correlate,
    max_pool,
    stage,
    winners,
)

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())
# In ninths every number of the lecture is exact in floating point.
LOOPY = SPEC["filter_loopy_circle_in_ninths"]
IMAGES = {"nine": SPEC["image_nine"], "nine_shifted_left": SPEC["image_nine_shifted_left"]}

examples = settings(max_examples=60, deadline=None)


# ------------------------------------------------------------------ the lecture


@pytest.mark.parametrize("name", IMAGES)
def test_lecture_stage_in_ninths(name: str) -> None:
    maps = stage(IMAGES[name], LOOPY, pool=2, pool_stride=1)
    assert_array_equal(maps.before, SPEC[name]["valid_stride1"])
    assert_array_equal(maps.after, SPEC[name]["relu_of_valid"])
    assert_array_equal(maps.pooled, SPEC[name]["max_pool_2x2_stride1"])


def test_lecture_same_padding_in_ninths() -> None:
    assert_array_equal(cross_correlate(IMAGES["nine"], LOOPY, padding="same"), SPEC["nine"]["same_stride1"])


def test_lecture_average_pooling_in_ninths() -> None:
    maps = stage(IMAGES["nine"], LOOPY, pool=2, pool_stride=1, pool_kind="avg")
    assert_array_equal(maps.pooled, SPEC["nine"]["average_pool_2x2_stride1"])


@pytest.mark.parametrize("name", IMAGES)
def test_lecture_stage_with_its_own_filter(name: str) -> None:
    maps = stage(IMAGES[name], np.array(LOOPY) / 9, pool=2, pool_stride=1)
    assert maps.pooled is not None
    assert_array_equal((maps.before * 9).round(12), SPEC[name]["valid_stride1"])
    assert_array_equal((maps.after * 9).round(12), SPEC[name]["relu_of_valid"])
    assert_array_equal((maps.pooled * 9).round(12), SPEC[name]["max_pool_2x2_stride1"])


def test_lecture_loopy_circle_is_its_own_half_turn() -> None:
    assert_array_equal(convolve(IMAGES["nine"], LOOPY), SPEC["nine"]["valid_stride1"])


def test_lecture_sizes() -> None:
    fact = SPEC["facts"]["conv_28x28x3_ten_5x5x3_filters"]
    image, filters, bias = np.zeros((28, 28, 3)), np.zeros((10, 5, 5, 3)), np.zeros(10)
    assert (filters.size, bias.size) == (fact["weights"], fact["biases"])
    assert list(cross_correlate(image, filters, bias, padding="valid").shape) == fact["output_valid"]
    assert list(cross_correlate(image, filters, bias, padding="same").shape) == fact["output_same"]


# ------------------------------------------------- agreement with torch and SciPy


def sides(padding: Any, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of any padding, written apart from the code under test."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        return (height - 1) // 2, height // 2, (width - 1) // 2, width // 2
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if len(padding) == 2:
        return padding[0], padding[0], padding[1], padding[1]
    top, bottom, left, right = padding
    return top, bottom, left, right


small = st.integers(0, 2)
paddings = st.one_of(
    st.sampled_from(["valid", "same"]), small, st.tuples(small, small), st.tuples(small, small, small, small)
)
strides = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
seeds = st.integers(0, 2**32 - 1)


def values(rng: np.random.Generator, *shape: int, kind: str) -> Array:
    """Return whole numbers (exact, full of ties), any numbers, or whole numbers among NaN and infinities."""
    if kind == "any":
        return rng.normal(size=shape)
    whole = rng.integers(-2, 3, size=shape).astype(np.float64)
    if kind == "special":
        special = rng.choice([np.nan, np.inf, -np.inf], size=shape)
        return np.where(rng.random(shape) < 0.15, special, whole)
    return whole


@st.composite
def problems(draw: st.DrawFn, kinds: tuple[str, ...] = ("whole", "any", "special")) -> tuple[Array, Array, Any]:
    """Draw an image, filters, and the other arguments of `cross_correlate`, which fit."""
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    channels, number = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(paddings)
    top, bottom, left, right = sides(padding, height, width)
    rows = max(1, height - top - bottom) + draw(st.integers(0, 4))
    columns = max(1, width - left - right) + draw(st.integers(0, 4))
    kind, rng = draw(st.sampled_from(kinds)), np.random.default_rng(draw(seeds))
    image = values(rng, rows, columns, channels, kind=kind)
    filters = values(rng, number, height, width, channels, kind="any" if kind == "any" else "whole")
    bias = draw(st.sampled_from([None, values(rng, number, kind="any" if kind == "any" else "whole")]))
    return image, filters, {"bias": bias, "stride": draw(strides), "padding": padding}


def torch_convolution(image: Array, filters: Array, bias: Array | None, stride: Any, padding: Any) -> torch.Tensor:
    top, bottom, left, right = sides(padding, *filters.shape[1:3])
    x = F.pad(torch.tensor(image).permute(2, 0, 1)[None], (left, right, top, bottom))
    weight = torch.tensor(filters).permute(0, 3, 1, 2)
    return F.conv2d(x, weight, None if bias is None else torch.tensor(bias), stride)


def hwk(maps: torch.Tensor) -> Array:
    return np.asarray(maps[0].permute(1, 2, 0).numpy())


@given(problems())
@examples
def test_cross_correlate_is_what_torch_calls_convolution(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    assert_allclose(
        cross_correlate(image, filters, **rest), hwk(torch_convolution(image, filters, **rest)), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("height", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_same_padding_is_that_of_torch(height: int, width: int) -> None:
    rng = np.random.default_rng(height * 10 + width)
    image, filters = values(rng, 5, 4, 2, kind="whole"), values(rng, 2, height, width, 2, kind="whole")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that an even filter costs it a copy
        expected = F.conv2d(
            torch.tensor(image).permute(2, 0, 1)[None], torch.tensor(filters).permute(0, 3, 1, 2), padding="same"
        )
    assert_array_equal(cross_correlate(image, filters, padding="same"), hwk(expected))


@given(problems())
@examples
def test_convolve_is_cross_correlate_with_the_filter_turned(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    assert_array_equal(convolve(image, filters, **rest), cross_correlate(image, filters[:, ::-1, ::-1], **rest))
    turned = filters[0, ::-1, ::-1]
    rest["bias"] = None
    assert_array_equal(convolve(image, filters[0], **rest), cross_correlate(image, turned, **rest))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(4, 7), st.integers(4, 7), seeds)
@examples
def test_convolve_is_that_of_scipy(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, one = values(rng, rows, columns, kind="whole"), values(rng, height, width, kind="whole")
    assert_array_equal(convolve(image, one), signal.convolve2d(image, one, "valid"))
    assert_array_equal(cross_correlate(image, one), signal.correlate2d(image, one, "valid"))
    full = (height - 1, width - 1)
    assert_array_equal(convolve(image, one, padding=full), signal.convolve2d(image, one, "full"))
    if height % 2 and width % 2:
        assert_array_equal(convolve(image, one, padding="same"), signal.convolve2d(image, one, "same"))


@st.composite
def poolings(draw: st.DrawFn) -> tuple[Array, Any, Any]:
    """Draw maps and a pooling window, its size and stride, that fits."""
    height, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.sampled_from([(height, width), height] if height == width else [(height, width)]))
    rng = np.random.default_rng(draw(seeds))
    rows, columns = height + draw(st.integers(0, 5)), width + draw(st.integers(0, 5))
    maps = values(rng, rows, columns, draw(st.integers(1, 3)), kind=draw(st.sampled_from(["whole", "any", "special"])))
    return maps, size, draw(st.one_of(st.none(), strides))


@given(poolings())
@examples
def test_max_pool_and_its_winners_are_those_of_torch(pooling: tuple[Array, Any, Any]) -> None:
    maps, size, stride = pooling
    pooled, places = F.max_pool2d(torch.tensor(maps).permute(2, 0, 1)[None], size, stride, return_indices=True)
    assert_array_equal(max_pool(maps, size, stride), hwk(pooled))

    won = winners(maps, size, stride)
    (height, width) = (size, size) if isinstance(size, int) else size
    down, right = (stride, stride) if isinstance(stride, int) else (stride or (height, width))
    row, column, _ = np.indices(won.shape)
    place = (row * down + won // width) * maps.shape[1] + column * right + won % width
    assert_array_equal(place, hwk(places))


@given(poolings())
@examples
def test_average_pool_is_that_of_torch(pooling: tuple[Array, Any, Any]) -> None:
    maps, size, stride = pooling
    expected = F.avg_pool2d(torch.tensor(maps).permute(2, 0, 1)[None], size, stride)
    assert_allclose(average_pool(maps, size, stride), hwk(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "index"),
    [
        ([[1, 1], [1, 1]], 0),
        ([[0, 2], [2, 2]], 1),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], 0),
        ([[np.nan, 1], [2, np.inf]], 0),
        ([[np.nan, 1], [np.nan, 2]], 2),
    ],
)
def test_the_first_maximum_wins_but_the_last_nan(window: list[list[float]], index: int) -> None:
    assert_array_equal(winners(window), [[index]])
    assert_array_equal(max_pool(window), [[np.ravel(window)[index]]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_torch(name: str) -> None:
    x = np.concatenate([np.linspace(-40, 40, 161), [-800, 800, 1e-12, -1e-12, -0.0, np.inf, -np.inf, np.nan]])
    assert_allclose(ACTIVATIONS[name](x), getattr(F, name)(torch.tensor(x)).numpy(), rtol=1e-12, atol=1e-300)
    assert ACTIVATIONS[name](x.reshape(13, 13)).shape == (13, 13)


def test_every_activation_of_the_layer_pattern_has_its_definition() -> None:
    assert list(ACTIVATIONS) == ["relu", "sigmoid", "tanh", "leaky_relu", "elu", "gelu", "silu"]


@given(problems(), st.sampled_from([None, *ACTIVATIONS]), st.sampled_from(["max", "avg"]))
@examples
def test_stage_is_the_composition(problem: tuple[Array, Array, Any], activation: str | None, kind: str) -> None:
    image, filters, rest = problem
    maps = stage(image, filters, **rest, activation=activation, pool=1, pool_stride=2, pool_kind=kind)
    assert maps.pooled is not None
    before = torch_convolution(image, filters, **rest)
    after = before if activation is None else getattr(F, activation)(before)
    assert_allclose(maps.before, hwk(before), rtol=1e-12, atol=1e-12)
    assert_allclose(maps.after, hwk(after), rtol=1e-12, atol=1e-12)
    assert_allclose(maps.pooled, hwk(after)[::2, ::2], rtol=1e-12, atol=1e-12)


def test_a_stage_without_pooling() -> None:
    maps = stage([[1, -2]], [[1]])
    assert maps.pooled is None
    assert_array_equal(maps.after, [[1, 0]])


# ------------------------------------------------------------------------- laws


@given(problems(kinds=("whole",)), seeds)
@examples
def test_cross_correlation_is_linear(problem: tuple[Array, Array, Any], seed: int) -> None:
    image, filters, rest = problem
    rest["bias"] = None
    rng = np.random.default_rng(seed)
    other, others = values(rng, *image.shape, kind="whole"), values(rng, *filters.shape, kind="whole")
    y = cross_correlate(image, filters, **rest)
    assert_array_equal(
        cross_correlate(2 * image - 3 * other, filters, **rest), 2 * y - 3 * cross_correlate(other, filters, **rest)
    )
    assert_array_equal(
        cross_correlate(image, 2 * filters - 3 * others, **rest), 2 * y - 3 * cross_correlate(image, others, **rest)
    )


@given(problems(kinds=("whole", "any")), st.integers(0, 3), st.integers(0, 3))
@examples
def test_maps_shift_with_the_image(problem: tuple[Array, Array, Any], down: int, right: int) -> None:
    image, filters, rest = problem
    rest["padding"] = (image.shape[0] + filters.shape[1], image.shape[1] + filters.shape[2])
    s = rest["stride"]
    (vertical, horizontal) = (s, s) if isinstance(s, int) else s
    y = cross_correlate(image, filters, **rest)
    shifted = cross_correlate(np.pad(image, ((down * vertical, 0), (right * horizontal, 0), (0, 0))), filters, **rest)
    assert_array_equal(shifted[down : down + y.shape[0], right : right + y.shape[1]], y)


@given(st.integers(1, 4), st.integers(1, 4), seeds)
@examples
def test_convolution_commutes_and_cross_correlation_turns(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = values(rng, 3, 4, kind="whole"), values(rng, height, width, kind="whole")
    there = (height - 1, width - 1)
    assert_array_equal(convolve(one, other, padding=there), convolve(other, one, padding=(2, 3)))
    assert_array_equal(
        cross_correlate(one, other, padding=there), cross_correlate(other, one, padding=(2, 3))[::-1, ::-1]
    )


@given(problems())
@examples
def test_filters_and_biases_are_independent_of_each_other(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    bias = rest.pop("bias")
    y = cross_correlate(image, filters, bias, **rest)
    for k, one in enumerate(filters):
        alone = cross_correlate(image, one, None if bias is None else bias[k], **rest)
        assert_array_equal(alone, y[:, :, k : k + 1])


def test_one_channel_may_be_left_out() -> None:
    image, one = np.arange(12.0).reshape(3, 4), np.arange(4.0).reshape(2, 2)
    y = cross_correlate(image, one, [0.5])
    assert y.shape == (2, 3)
    assert_array_equal(cross_correlate(image[:, :, None], one, [0.5]), y)
    assert_array_equal(cross_correlate(image, one[:, :, None], [0.5]), y[:, :, None])
    assert_array_equal(cross_correlate(image, one[None, :, :, None], [0.5]), y[:, :, None])


def test_arguments_are_left_as_they_were() -> None:
    image, filters, bias = np.full((3, 3), -1.0), np.ones((2, 2)), np.zeros(1)
    maps = stage(image, filters, bias, activation=None, pool=1)
    maps.before[:] = 7
    assert (image == -1).all()
    assert (filters == 1).all()
    assert (bias == 0).all()


# ----------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image": np.ones((4, 4, 3)), "filters": np.ones((1, 2, 2, 2))},
            "filters have 2 channels, but the image has 3",
        ),
        ({"image": np.ones((4, 4, 3)), "filters": np.ones((2, 2))}, "filters have 1 channel, but the image has 3"),
        ({"filters": np.ones((5, 2))}, "a filter of 5×2 is larger than the image, 4×4"),
        (
            {"filters": np.ones((5, 7)), "padding": (1, 0)},
            "a filter of 5×7 is larger than the image, 4×4, padded to 6×4",
        ),
        ({"bias": [1, 2]}, "bias needs one number per filter, 1; got 2"),
        ({"image": np.ones(4)}, "image must have 2 or 3 axes, none empty; got shape (4,)"),
        ({"image": np.ones((0, 4))}, "image must have 2 or 3 axes, none empty; got shape (0, 4)"),
        ({"filters": np.ones(3)}, "filters must have 2, 3 or 4 axes, none empty; got shape (3,)"),
        ({"stride": 0}, "stride must be a number or (rows, columns), each at least 1; got 0"),
        ({"stride": (1, 2, 3)}, "stride must be a number or (rows, columns), each at least 1; got (1, 2, 3)"),
        ({"stride": 1.5}, "stride must be a number or (rows, columns), each at least 1; got 1.5"),
        ({"padding": "full"}, "padding must be valid, same, or zeros counted: a number, (rows, columns) or "),
        ({"padding": -1}, "(top, bottom, left, right); got -1"),
        ({"padding": (1, 2, 3)}, "(top, bottom, left, right); got (1, 2, 3)"),
        ({"padding": (0, 0, 0, -2)}, "(top, bottom, left, right); got (0, 0, 0, -2)"),
        ({"activation": "rule"}, "activation must be one of relu, sigmoid, tanh, leaky_relu, elu, gelu, silu; got "),
        ({"pool": 4}, "a pooling window of 4×4 is larger than the map, 3×3"),
        ({"pool": 0}, "pool size must be a number or (rows, columns), each at least 1; got 0"),
        ({"pool": 2, "pool_stride": 0}, "pool stride must be a number or (rows, columns), each at least 1; got 0"),
        ({"pool": 2, "pool_kind": "mean"}, "pool kind must be one of max, avg; got 'mean'"),
    ],
)
def test_errors_say_what_does_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        stage(**{"image": np.ones((4, 4)), "filters": np.ones((2, 2)), **arguments})
    assert message in str(error.value)


def test_activate_without_a_name_leaves_values_as_they_are() -> None:
    x = np.array([-1.0, 1.0])
    assert activate(x, None) is x

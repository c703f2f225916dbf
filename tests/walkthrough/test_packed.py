"""What goes into the page for its arithmetic, and what is left out."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from convstage.walkthrough.packed import PRODUCTS, Numbers, pack
from convstage.walkthrough.steps import weights_of
from walkthrough.networks import ALL_KINDS, walk_of

PATTERN = "INPUT(10x10x1) -> CONV(3) -> RELU -> POOL -> FC(4) -> BN -> RELU -> CLASSIFIER(2)"


def numbers_of(data: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data["numbers"]), "<f4")


def layer(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in data["layers"] if one["name"] == name)


def test_arrays_lie_one_after_the_other() -> None:
    numbers = Numbers(5)
    assert numbers.add(np.array([[1.5, 2], [3, 4]])) == 0
    assert numbers.add(np.array([5, 6])) is None
    assert numbers.add(np.array([7])) == 4
    assert numbers.left == 0
    assert np.frombuffer(base64.b64decode(numbers.encoded()), "<f4").tolist() == [1.5, 2, 3, 4, 7]


def test_everything_is_there_exactly() -> None:
    walk = walk_of(PATTERN)
    data = pack(walk.steps)
    numbers = numbers_of(data)
    for name in ("stage1.conv", "stage1.relu", "stage1.pool", "flatten", "fc1", "fc1_bn", "classifier"):
        start, values = layer(data, name)["values"], walk.steps[name].output.ravel()
        np.testing.assert_array_equal(numbers[start : start + values.size], values)
    for name, key in (("stage1.conv", "weight"), ("stage1.conv", "bias"), ("fc1_bn", "running_var")):
        start, values = layer(data, name)[key], weights_of(walk.steps[name])[key].ravel()
        np.testing.assert_array_equal(numbers[start : start + values.size], values)
    assert base64.b64decode(data["pixels"]) == walk.subject.pixels_hwc.tobytes()
    assert layer(data, "fc1_bn")["epsilon"] == walk.steps["fc1_bn"].how.eps


def test_the_last_maps_are_the_vectors_numbers() -> None:
    data = pack(walk_of(PATTERN).steps, values=0)
    assert layer(data, "stage1.pool")["values"] == layer(data, "flatten")["values"]
    assert "values" not in layer(data, "stage1.conv")
    averaged = walk_of("INPUT(10x10x1) -> CONV(3) -> RELU -> GAP -> CLASSIFIER(2)")
    data = pack(averaged.steps, values=0)
    start, values = layer(data, "stage1.relu")["values"], averaged.steps["stage1.relu"].output.ravel()
    np.testing.assert_array_equal(numbers_of(data)[start : start + values.size], values)


def test_a_units_largest_products_and_the_sum_of_the_others() -> None:
    walk = walk_of(PATTERN)
    data = pack(walk.steps)
    numbers, packed, step = numbers_of(data), layer(data, "fc1"), walk.steps["fc1"]
    weights = weights_of(step)
    shape = (4, PRODUCTS)
    places = numbers[packed["places"] :][: 4 * PRODUCTS].reshape(shape).astype(int)
    chosen = numbers[packed["weights"] :][: 4 * PRODUCTS].reshape(shape)
    for unit in range(4):
        products = weights["weight"][unit].astype(float) * step.input
        np.testing.assert_array_equal(chosen[unit], weights["weight"][unit][places[unit]])
        sizes = np.abs(products[places[unit]])
        assert (np.diff(sizes) <= 1e-6).all()
        others = np.delete(products, places[unit])
        assert np.abs(others).max() <= sizes.min() + 1e-6
        rest, bias = numbers[packed["rest"] + unit], numbers[packed["bias"] + unit]
        np.testing.assert_allclose(rest, others.sum(), atol=1e-5)
        np.testing.assert_allclose(sum(products[places[unit]]) + rest + bias, step.output[unit], atol=1e-4)


def test_what_has_no_room_is_none() -> None:
    walk = walk_of(PATTERN)
    data = pack(walk.steps, most=0)
    assert len(numbers_of(data)) == 0
    assert layer(data, "fc1")["values"] is None
    assert "weights" not in layer(data, "fc1")
    assert layer(data, "stage1.conv")["weight"] is None
    # A convolution without its bias would give wrong sums: both are there, or none.
    vectors = sum(step.output.size for step in walk.steps.values() if not step.is_map and step.name != "softmax")
    data = pack(walk.steps, most=vectors + 16 + 20 + 27 + 2)
    assert (layer(data, "stage1.conv")["weight"] is None) == (layer(data, "stage1.conv")["bias"] is None)


def test_it_is_plain_data_for_every_kind_of_layer() -> None:
    walk = walk_of(ALL_KINDS)
    text = json.dumps(pack(walk.steps), allow_nan=False)
    assert [one["name"] for one in json.loads(text)["layers"]] == [name for name in walk.steps if name != "softmax"]


def test_values_that_are_not_finite_stay_plain_data() -> None:
    walk = walk_of(PATTERN)
    walk.steps["fc1"].output[0] = np.nan
    data = json.loads(json.dumps(pack(walk.steps), allow_nan=False))
    assert np.isnan(numbers_of(data)[layer(data, "fc1")["values"]])

"""A convolution as a matrix: the same maps as the definition, the plan's counts, gradients by the transpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.linalg import toeplitz
from torch.nn import functional as F

import convstage.stage.matrix
from convstage import Pattern
from convstage.errors import ConfigError
from convstage.stage.matrix import as_matrix, connectivity, filled, places
from convstage.stage.reference import Array, cross_correlate

examples = settings(max_examples=40, deadline=None)
small = st.integers(0, 2)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Array, Array, Any]:
    """Draw an image and filters of whole numbers, zeros among them, with a stride and a padding that fit."""
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    channels, number = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(
        st.sampled_from(["valid", "same"]) | small | st.tuples(small, small) | st.tuples(small, small, small, small)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (height + draw(st.integers(0, 4)), width + draw(st.integers(0, 4)), channels)
    image = rng.integers(-3, 4, shape).astype(float)
    filters = rng.integers(-2, 3, (number, height, width, channels)).astype(float)
    stride = draw(st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return image, filters, {"stride": stride, "padding": padding}


@given(problems())
@examples
def test_the_matrix_times_the_pixels_is_the_map(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    maps = cross_correlate(image, filters, **rest)
    matrix = as_matrix(filters, image.shape, **rest)
    assert matrix.shape == (maps.size, image.size)
    assert_array_equal((matrix @ image.ravel()).reshape(maps.shape), maps)


@given(problems())
@examples
def test_the_counts_are_those_of_the_matrix(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    counts = connectivity(filters, image.shape, **rest)
    which = places(filters, image.shape, **rest)
    assert (counts.outputs, counts.inputs) == which.shape
    assert counts.connections == which.nnz == as_matrix(filters, image.shape, **rest).nnz, (
        "weights of 0 are connections"
    )
    assert counts.dense_connections == which.shape[0] * which.shape[1]
    assert counts.weights == filters.size
    assert set(which.data) <= set(range(1, counts.weights + 1))
    if rest["padding"] == "valid":  # where nothing lies in the padding, every weight is used, and equally often
        assert_array_equal(np.bincount(which.data)[1:], counts.outputs // len(filters))


@given(
    st.integers(3, 5), st.integers(1, 3), st.integers(1, 3), st.sampled_from(["valid", "same", "1", "2x1"]), st.data()
)
@examples
def test_the_counts_are_those_of_the_plan(f: int, s: int, channels: int, padding: str, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(f, 9)), data.draw(st.integers(f, 9))
    pattern = f"INPUT({height}x{width}x{channels}) -> CONV(4, {f}x{f}, stride={s}, padding={padding}) -> CLASSIFIER(2)"
    row = Pattern(pattern).plan().rows[1]
    told = {"1": 1, "2x1": (2, 1)}.get(padding, padding)
    counts = connectivity(np.ones((4, f, f, channels)), (height, width, channels), stride=s, padding=told)
    assert counts.connections == row.connections
    assert counts.dense_connections == row.dense_connections
    assert counts.weights == row.weights
    assert counts.outputs == np.prod(row.output)


@given(problems())
@examples
def test_the_transpose_takes_gradients_back(problem: tuple[Array, Array, Any]) -> None:
    image, filters, rest = problem
    from convstage.sizes import margins_of

    top, bottom, left, right = margins_of(rest["padding"], filters.shape[1:3])
    x = torch.tensor(image).permute(2, 0, 1)[None].requires_grad_()
    y = F.conv2d(
        F.pad(x, (left, right, top, bottom)), torch.tensor(filters).permute(0, 3, 1, 2), stride=rest["stride"]
    ).permute(0, 2, 3, 1)[0]
    gradient = np.random.default_rng(0).integers(-3, 4, y.shape).astype(float)
    y.backward(torch.tensor(gradient))
    back = as_matrix(filters, image.shape, **rest).T @ gradient.ravel()
    assert x.grad is not None
    assert_array_equal(back.reshape(image.shape), x.grad[0].permute(1, 2, 0).numpy())


def test_one_row_of_pixels_gives_a_toeplitz_matrix() -> None:
    matrix = as_matrix([[3, 1, 4]], (1, 6)).toarray()
    assert_array_equal(matrix, toeplitz([3, 0, 0, 0], [3, 1, 4, 0, 0, 0]))


def test_patches_that_lie_in_the_padding_connect_nothing() -> None:
    counts = connectivity([[5]], (2, 1), padding=2)
    assert (counts.outputs, counts.connections) == (30, 2)


def test_the_lectures_nine() -> None:
    counts = connectivity(np.ones((3, 3)), (7, 5))
    assert (counts.weights, counts.connections, counts.dense_connections) == (9, 135, 525)
    same = connectivity(np.ones((3, 3)), (7, 5), padding="same")
    assert (same.connections, same.dense_connections) == (247, 1225)  # 13 × 19 cells are read by 35 patches


def test_the_lectures_large_layers() -> None:
    ten = connectivity(np.zeros((10, 5, 5, 3)), (28, 28, 3))
    assert (ten.weights, ten.outputs, ten.inputs) == (750, 24 * 24 * 10, 28 * 28 * 3)


def test_a_filter_without_axes_for_channels_and_number() -> None:
    one = np.arange(6.0).reshape(2, 3)
    assert_array_equal(as_matrix(one, (4, 4)).toarray(), as_matrix(one[None, :, :, None], (4, 4, 1)).toarray())


def test_filled_takes_any_weights_for_the_same_places() -> None:
    which = places(np.zeros((2, 2)), (3, 3))
    assert_array_equal(filled(which, [[1, 2], [3, 4]]).toarray(), as_matrix([[1, 2], [3, 4]], (3, 3)).toarray())


@pytest.mark.parametrize(
    ("filters", "shape", "message"),
    [
        (np.ones((3, 3, 2)), (5, 5, 1), "filters have 2 channels, but the image has 1"),
        (np.ones((3, 3)), (2, 5), "a filter of 3×3 is larger than the image, 2×5"),
    ],
)
def test_what_does_not_fit_is_said_as_the_definition_says_it(filters: Array, shape: Any, message: str) -> None:
    for function in (connectivity, places, as_matrix):
        with pytest.raises(ConfigError, match=message):
            function(filters, shape)


def test_too_large_a_matrix_is_refused_but_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convstage.stage.matrix, "MAX_CONNECTIONS", 134)
    assert connectivity(np.ones((3, 3)), (7, 5)).connections == 135
    with pytest.raises(ConfigError) as error:
        as_matrix(np.ones((3, 3)), (7, 5))
    assert str(error.value) == (
        "the matrix of 15 × 35 would have 135 connections, and more than 134 are not written out.\n"
        "Take a smaller image."
    )

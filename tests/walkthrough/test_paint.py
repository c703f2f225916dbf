"""Values, filters and vectors as pictures of one byte per cell."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from convstage.pictures import NO_VALUE, Scale
from convstage.walkthrough.paint import (
    CLEAR,
    COLOURS,
    NONE,
    colours_of,
    filter_indices,
    indexed_png,
    indices,
    palette,
    reduced,
    vector_columns,
    vector_indices,
)

SIGNED = Scale(-2.0, 2.0, True)


@given(arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32)))
def test_indices_grow_with_the_values_and_stand_for_the_scales_colours(values: np.ndarray) -> None:
    painted = indices(SIGNED, values)
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(painted.ravel()[order].astype(int)) >= 0).all()
    table = np.frombuffer(palette(colours_of(SIGNED)), np.uint8).reshape(-1, 3).astype(int)
    assert np.abs(table[painted] - SIGNED.colours(values)).max() <= 5


def test_the_ends_the_middle_and_what_has_no_value() -> None:
    values = np.array([-2, 0, 2, 99, np.nan, np.inf])
    assert indices(SIGNED, values).tolist() == [0, 126, 253, 253, NONE, NONE]
    assert indices(SIGNED, values, first=110, count=110)[[0, 2, 4]].tolist() == [110, 219, NONE]


def test_a_png_keeps_every_colour() -> None:
    painted = np.arange(256, dtype=np.uint8).reshape(8, 32)
    colours = palette(colours_of(SIGNED))
    image = Image.open(io.BytesIO(indexed_png(painted, colours)))
    assert image.size == (32, 8)
    rgba = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(
        rgba[:, :, :3].reshape(-1, 3)[:CLEAR], np.frombuffer(colours, np.uint8).reshape(-1, 3)[:CLEAR]
    )
    assert tuple(rgba[7, 31]) == (*NO_VALUE, 255)
    assert rgba[7, 30, 3] == 0  # CLEAR
    assert (rgba[:, :, 3] == 0).sum() == 1


def test_a_filters_channels_stand_side_by_side() -> None:
    one = np.full((3, 2, 1), 2.0, np.float32)
    assert filter_indices(SIGNED, one).tolist() == [[COLOURS - 1] * 2] * 3
    colour = filter_indices(SIGNED, np.zeros((3, 2, 3), np.float32))
    assert colour.shape == (3, 8)
    assert (colour[:, [2, 5]] == CLEAR).all()
    many = np.arange(7, dtype=np.float32).reshape(1, 1, 7)
    sheet = filter_indices(Scale(0.0, 6.0, False), many)
    assert sheet.shape == (5, 5)
    assert sheet[::2, ::2].ravel().tolist() == [*np.rint(np.arange(7) / 6 * 253).astype(int).tolist(), CLEAR, CLEAR]
    assert (sheet[1::2] == CLEAR).all() and (sheet[:, 1::2] == CLEAR).all()


@given(st.integers(1, 5000))
def test_a_vector_is_shown_row_by_row_and_whole(length: int) -> None:
    values = np.arange(length, dtype=np.float32)
    strip = vector_indices(Scale(0.0, float(length), False), values)
    assert strip.shape[1] == vector_columns(length)
    assert strip.size - length < strip.shape[1]
    assert (strip.ravel()[length:] == CLEAR).all()
    assert (np.diff(strip.ravel()[:length].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("shape", "side", "left"), [((20, 16), 20, (20, 16)), ((20, 16), 19, (10, 8)), ((20, 7), 6, (5, 2))]
)
def test_reduced_maps_leave_out_rows_and_columns_alike(shape, side, left) -> None:
    maps = np.arange(np.prod(shape) * 2).reshape(*shape, 2)
    small = reduced(maps, side)
    assert small.shape == (*left, 2)
    assert max(small.shape[:2]) <= side
    assert (small[0, 0] == maps[0, 0]).all()

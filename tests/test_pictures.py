"""Values as colours, overlays, and the files they become."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from convstage import pictures
from convstage.pictures import NO_VALUE, Scale

floats = arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6))


def test_a_signed_scale_is_white_at_zero_and_differs_by_sign():
    scale = Scale.of(np.array([[-2.0, 1.0]]))
    assert (scale.low, scale.high, scale.signed) == (-2.0, 2.0, True)
    negative, zero, positive = scale.colours(np.array([-2.0, 0.0, 2.0]))
    assert zero.min() > 240
    assert negative[2] > negative[0] + 50  # blue
    assert positive[0] > positive[2] + 50  # red


def test_an_unsigned_scale_grows_lighter():
    lightness = Scale.of(np.array([0.0, 5.0])).colours(np.linspace(0, 5, 9)).mean(axis=1)
    assert (np.diff(lightness) > 0).all()


def test_it_begins_at_zero_so_that_dark_is_nothing():
    assert Scale.of(np.array([3.0, 4.0])).low == 0


def test_told_to_be_signed_it_is():
    assert Scale.of(np.array([3.0, 4.0]), signed=True) == Scale(-4.0, 4.0, True)


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.zeros((0,))])
def test_a_scale_of_nothing_is_no_error(values):
    for signed in (False, True):
        scale = Scale.of(values, signed=signed)
        assert scale.colours(np.zeros((2, 2))).shape == (2, 2, 3)


def test_what_has_no_value_has_a_colour_of_its_own():
    painted = Scale(0, 1, False).colours(np.array([np.nan, np.inf, -np.inf, 0.5]))
    assert [tuple(colour) for colour in painted[:3]] == [NO_VALUE] * 3
    assert tuple(painted[3]) != NO_VALUE


@given(floats, floats)
def test_one_scale_for_several_maps_gives_equal_values_equal_colours(one, other):
    scale = Scale.of(one, other)
    both = scale.colours(np.stack([one, other]))
    assert (both[0] == scale.colours(one)).all()
    assert (scale.share(one) >= 0).all()
    assert (scale.share(other) <= 1).all()


def test_the_bar_goes_from_low_to_high():
    scale = Scale(-1, 1, True)
    assert (scale.bar(2, 9)[0, [0, -1]] == scale.colours(np.array([-1, 1]))).all()


def test_grey_pixels_become_three_channels_and_colour_stays():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    assert (pictures.as_picture(grey) == grey).all()
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert (pictures.as_picture(colour) == colour).all()


def test_enlarging_repeats_pixels():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = pictures.enlarge(picture, 3)
    assert large.shape == (6, 6, 3)
    assert (large[::3, ::3] == picture).all()
    assert (large[2::3, 2::3] == picture).all()
    assert pictures.enlarged_to(picture, 100).shape == (100, 100, 3)
    assert pictures.enlarged_to(large, 2).shape == large.shape


def test_a_thumbnail_keeps_proportions():
    assert pictures.thumbnail(np.zeros((100, 50, 3), np.uint8), 20).shape == (20, 10, 3)


def test_an_overlay_of_nothing_is_the_picture():
    picture = np.full((2, 3, 3), 100, np.uint8)
    assert (pictures.overlay(picture, np.zeros((2, 3))) == picture).all()


def test_an_overlay_is_red_where_positive_and_blue_where_negative():
    picture = np.full((1, 3, 3), 100, np.uint8)
    painted = pictures.overlay(picture, np.array([[-1.0, 0.0, 1.0]])).astype(int)
    assert painted[0, 0, 2] > painted[0, 0, 0]
    assert painted[0, 2, 0] > painted[0, 2, 2]
    assert (painted[0, 1] == 100).all()


def test_png_keeps_every_pixel_and_saves_whole(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = pictures.save(picture, tmp_path / "a.png")
    assert (np.asarray(Image.open(path)) == picture).all()
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_jpeg_and_addresses():
    content = pictures.jpeg(np.full((8, 8, 3), 90, np.uint8))
    assert Image.open(io.BytesIO(content)).size == (8, 8)
    assert pictures.data_uri(content, "jpeg").startswith("data:image/jpeg;base64,/9j/")


def test_svg_is_one_element_the_same_each_time_with_its_text_as_text():
    from matplotlib.figure import Figure

    def drawn():
        with pictures.plot_style():
            figure = Figure()
            figure.add_subplot().set_title("$<b> & x$")
            return pictures.svg(figure)

    text = drawn()
    assert text == drawn()
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert any(element.text == "$<b> & x$" for element in root.iter())

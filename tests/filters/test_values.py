"""An image as numbers: the lecture's digit, pictures in grey, matrices as they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from convstage.errors import ConfigError, DataError
from convstage.filters import read_values
from convstage.filters.values import MAX_PIXELS
from support.pictures import colours, gradient

SPEC = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())


def test_the_words_are_the_lectures_digit() -> None:
    nine = read_values("nine")
    assert_array_equal(nine.values_hw, SPEC["image_nine"])
    assert_array_equal(read_values("nine-shifted").values_hw, SPEC["image_nine_shifted_left"])
    assert (nine.name, nine.words, nine.shape, nine.denominator) == ("nine", "7×5, -1 to 1", (7, 5), 1)
    plain = read_values("nine", levels="plain")
    assert_array_equal(2 * plain.values_hw - 1, SPEC["image_nine"])
    assert plain.words == "7×5, 0 to 1"


def test_a_picture_is_grey_from_0_to_1_or_signed(tmp_path: Path) -> None:
    grey = gradient()
    Image.fromarray(grey).save(tmp_path / "grey.png")
    for image in (tmp_path / "grey.png", str(tmp_path / "grey.png"), Image.fromarray(grey)):
        values = read_values(image)
        assert_array_equal(values.values_hw, grey / 255)
        assert values.denominator == 255
    signed = read_values(tmp_path / "grey.png", levels="signed")
    assert_array_equal(signed.values_hw, (2 * grey.astype(int) - 255) / 255)
    assert signed.words == "12×10, -1 to 1"
    assert read_values(Image.fromarray(grey)).name == "image"


def test_colours_become_grey_by_their_brightness() -> None:
    picture = colours()
    expected = picture @ np.array([0.299, 0.587, 0.114])
    assert_allclose(255 * read_values(Image.fromarray(picture)).values_hw, expected, atol=1)


def test_black_and_white_alone_are_whole_numbers() -> None:
    picture = Image.fromarray(np.array([[0, 255]], np.uint8))
    assert (read_values(picture).denominator, read_values(picture, levels="signed").denominator) == (1, 1)
    assert read_values(picture, levels="signed").values_hw.tolist() == [[-1, 1]]


def test_a_matrix_is_the_numbers_that_it_is() -> None:
    whole = read_values([[3, -2], [0, 7]])
    assert (whole.values_hw.tolist(), whole.denominator, whole.words) == ([[3, -2], [0, 7]], 1, "2×2, -2 to 7")
    assert read_values(np.array([[0.5, 1]])).denominator is None
    assert read_values(np.array([[True, False]])).values_hw.tolist() == [[1, 0]]


def test_another_size() -> None:
    assert read_values(Image.fromarray(gradient()), resize=(3, 5)).shape == (3, 5)
    assert read_values("nine", resize=(14, 10)).words == "14×10, -1 to 1"


@pytest.mark.parametrize("image", [[1, 2], np.zeros((2, 2, 3)), [[]], [[np.nan]], [[1, np.inf]]])
def test_what_is_no_image(image: object) -> None:
    with pytest.raises(ConfigError, match=r"an image must be a matrix \(height, width\) of finite numbers; got shape"):
        read_values(image)


def test_a_matrix_has_no_levels_and_no_other_size() -> None:
    for settings in ({"levels": "signed"}, {"resize": (2, 2)}):
        with pytest.raises(ConfigError, match="a matrix is taken as the numbers that it is"):
            read_values([[1, 2]], **settings)


def test_levels_that_there_are_not() -> None:
    with pytest.raises(ConfigError, match="levels must be one of plain, signed; got 'other'"):
        read_values("nine", levels="other")


def test_a_file_that_is_missing_or_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_values(tmp_path / "none.png")
    assert str(error.value) == (
        f"{tmp_path}/none.png: No such file or directory.\nGive an image file, or one of nine, nine-shifted."
    )
    (tmp_path / "text.png").write_text("words")
    with pytest.raises(DataError, match=f"{tmp_path}/text.png: no image"):
        read_values(tmp_path / "text.png")


def test_too_large_a_picture_is_told_which_size_would_do() -> None:
    picture = Image.new("L", (40, 10))
    with pytest.raises(ConfigError) as error:
        read_values(picture, most=100)
    assert str(error.value) == (
        "image has 10×40 pixels, more than the 100 that are worked on at once.\n"
        "Bring it to a smaller size: --size 5x20."
    )
    assert read_values(picture, resize=(5, 20), most=100).shape == (5, 20)
    with pytest.raises(ConfigError, match=f"more than the {MAX_PIXELS:,}"):
        read_values(picture, resize=(5001, 5000))

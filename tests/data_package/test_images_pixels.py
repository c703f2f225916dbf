"""Images as matrices of pixels: colour or not, arrays, sizes."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from convstage import DataError
from convstage.data.images import from_array, is_coloured, open_image, to_pixels
from support.pictures import colours, encoded


def test_a_grey_picture_in_a_colour_file_has_no_colour() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    grey = Image.fromarray(noise).convert("RGB")
    for quality in (30, 60, 90):
        assert not is_coloured(open_image(encoded(grey, "JPEG", quality=quality)))
    assert not is_coloured(grey.convert("RGBA"))
    assert not is_coloured(grey.convert("P"))
    assert not is_coloured(grey.convert("CMYK"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "I;16", "F"])
def test_grey_modes_have_no_colour(mode: str) -> None:
    assert not is_coloured(Image.new(mode, (8, 8)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr"])
def test_a_colour_picture_has_colour(mode: str) -> None:
    assert is_coloured(Image.fromarray(colours()).convert(mode))


def test_a_few_coloured_pixels_are_no_colour_a_patch_is() -> None:
    picture = np.full((100, 100, 3), 90, np.uint8)
    picture[:5, :5] = (200, 0, 0)
    assert not is_coloured(Image.fromarray(picture))
    picture[:20, :20] = (200, 0, 0)
    assert is_coloured(Image.fromarray(picture))


def test_entries_of_a_palette_that_no_pixel_has_do_not_count() -> None:
    """Halfway between the numbers of black and white, which are 0 and 200, lies red."""
    image = Image.fromarray((np.random.default_rng(0).integers(0, 2, (300, 300)) * 200).astype(np.uint8))
    image.putpalette([0, 0, 0] + [255, 0, 0] * 199 + [255, 255, 255])
    assert not is_coloured(image)
    assert not is_coloured(image.convert("PA"))


def test_looking_changes_nothing() -> None:
    image = Image.fromarray(colours(300, 200))
    is_coloured(image)
    assert image.size == (200, 300)


# ------------------------------------------------------------- arrays

LEVELS = np.array([[0, 51], [102, 255]], np.uint8)


@pytest.mark.parametrize(
    "array",
    [
        LEVELS,
        LEVELS[:, :, None],
        LEVELS.astype(np.int64),
        LEVELS.astype(np.int16),
        LEVELS.astype(np.uint16) * 257,
        LEVELS.astype(np.uint16),
        LEVELS.astype(np.int32) * 16,
        LEVELS.astype(">u2") * 257,
        LEVELS / 255,
        LEVELS.astype(np.float32) / 255,
        (LEVELS / 255).astype(np.float16),
        np.asfortranarray(LEVELS),
        np.repeat(LEVELS, 2, axis=1)[:, ::2],
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_of_every_type_are_the_same_image(array: np.ndarray) -> None:
    image = from_array(array)
    assert image.mode == "L"
    assert_array_equal(np.asarray(image), LEVELS)


def test_arrays_of_bool_and_of_colours() -> None:
    assert_array_equal(np.asarray(from_array(LEVELS > 60)), [[0, 0], [255, 255]])
    image = from_array(colours())
    assert image.mode == "RGB"
    assert_array_equal(np.asarray(image), colours())
    assert_array_equal(np.asarray(from_array(colours() / 255)), colours())


@pytest.mark.parametrize("shape", [(), (5,), (4, 4, 2), (4, 4, 4), (3, 8, 8), (1, 4, 4, 1), (0, 4), (4, 0, 3)])
def test_arrays_of_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        from_array(np.zeros(shape, np.uint8))
    assert str(caught.value) == f"an image must be (height, width), with 1 or 3 channels behind; got shape {shape}"


@pytest.mark.parametrize("value", [-0.001, 1.001, 255.0, np.nan, np.inf, -np.inf])
def test_floats_outside_of_0_to_1(value: float) -> None:
    array = np.full((4, 4), 0.5)
    array[2, 1] = value
    with pytest.raises(DataError) as caught:
        from_array(array)
    assert str(caught.value) == "an image of floats must lie in 0..1, without NaN"


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), complex),
        np.full((2, 2), "a"),
        np.full((2, 2), None),
        np.zeros((2, 2), "M8[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_other_types(array: np.ndarray) -> None:
    with pytest.raises(DataError) as caught:
        from_array(array)
    assert str(caught.value) == f"an image must be whole numbers, bool, or floats in 0..1; got {array.dtype}"


# ------------------------------------------------------------- size


def wide() -> Image.Image:
    """Return a picture of 20 × 40: grey, a white square in the middle, light grey."""
    picture = np.full((20, 40), 50, np.uint8)
    picture[:, 10:30] = 255
    picture[:, 30:] = 150
    return Image.fromarray(picture)


def test_stretch_shows_all_of_it_in_other_proportions() -> None:
    pixels = to_pixels(wide(), "grey", (10, 40), "stretch")[:, :, 0]
    assert_array_equal(pixels, np.asarray(wide())[:10])
    pixels = to_pixels(wide(), "grey", (20, 20), "stretch")[:, :, 0]
    assert_array_equal(pixels[:, [0, 3, 7, 12, 16, 19]], [[50, 50, 255, 255, 150, 150]] * 20)


def test_crop_shows_the_middle_in_its_proportions() -> None:
    assert_array_equal(to_pixels(wide(), "grey", (20, 20), "crop"), np.full((20, 20, 1), 255))
    assert_array_equal(to_pixels(wide(), "grey", (10, 10), "crop")[:, 2:8], np.full((10, 6, 1), 255))


def test_pad_shows_all_of_it_in_its_proportions_with_black_around() -> None:
    pixels = to_pixels(wide(), "grey", (40, 40), "pad")[:, :, 0]
    assert_array_equal(pixels[10:30], np.asarray(wide()))
    assert not pixels[:10].any()
    assert not pixels[30:].any()
    colour = to_pixels(wide(), "colour", (40, 40), "pad")
    assert_array_equal(colour, np.repeat(pixels[:, :, None], 3, axis=2))


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1, 1), (3, 2)])
@pytest.mark.parametrize("channels", ["binary", "grey", "colour"])
def test_extreme_proportions_fit_every_size(resize: str, size: tuple[int, int], channels: str) -> None:
    pixels = to_pixels(Image.new("RGB", size, "white"), channels, (28, 20), resize)
    assert pixels.shape == (28, 20, 3 if channels == "colour" else 1)
    assert pixels.dtype == np.uint8
    assert pixels.max() == 255


def test_binary_is_white_from_the_threshold_on() -> None:
    levels = Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8))
    assert_array_equal(to_pixels(levels, "binary", (1, 4))[0, :, 0], [0, 0, 255, 255])
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (8, 1)))
    assert set(np.unique(to_pixels(ramp, "binary", (5, 77)))) == {0, 255}

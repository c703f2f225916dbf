"""Image -> network input: one way for files, images and arrays, and exact figures to standardise by."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image, PngImagePlugin

from convstage import DataError
from convstage.data import Geometry, Standardisation
from convstage.data.preprocess import measure

COLOUR = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
#: Of every way to read images one.
GEOMETRIES = [
    Geometry(12, 10, "colour"),
    Geometry(7, 9, "grey"),
    Geometry(8, 8, "binary", "pad"),
    Geometry(5, 8, "colour", "crop"),
]


# ------------------------------------------------------------- geometry


def test_size_and_shape() -> None:
    assert Geometry(12, 10).size == (12, 10)
    assert [Geometry(12, 10, channels).shape for channels in ("binary", "grey", "colour")] == [
        (12, 10, 1),
        (12, 10, 1),
        (12, 10, 3),
    ]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_a_path_an_image_and_an_array_agree(geometry: Geometry, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(COLOUR).save(path)
    expected = geometry.pixels(path)
    assert expected.shape == geometry.shape
    assert expected.dtype == np.uint8
    with Image.open(path) as image:
        assert_array_equal(geometry.pixels(image), expected)
    for other in (str(path), Image.fromarray(COLOUR), COLOUR, COLOUR / 255, COLOUR.astype(np.uint16) * 257):
        assert_array_equal(geometry.pixels(other), expected)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_that_lies_on_its_side_is_turned_either_way(orientation: int, kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image.{kind}"
    Image.fromarray(COLOUR).save(path, exif=exif)
    geometry = Geometry(12, 10, "colour")
    with Image.open(path) as image:
        assert_array_equal(geometry.pixels(image), geometry.pixels(path))
    if orientation > 1 and kind != "jpg":
        assert (geometry.pixels(path) != COLOUR).any()


def test_to_dict_and_back() -> None:
    geometry = Geometry(12, 10, "binary", "pad")
    assert Geometry(**json.loads(json.dumps(geometry.to_dict()))) == geometry
    assert geometry.to_dict() == {"height": 12, "width": 10, "channels": "binary", "resize": "pad"}


def refusal(image) -> str:
    with pytest.raises(DataError) as caught:
        Geometry(8, 8).pixels(image)
    return str(caught.value)


@pytest.mark.parametrize("kind", [Path, str])
def test_an_error_names_the_file(kind, tmp_path: Path) -> None:
    path = kind(tmp_path / "bad.png")
    assert refusal(path) == f"{path}: No such file or directory."
    Path(path).write_bytes(b"")
    assert refusal(path) == f"{path}: the file is empty."
    Path(path).write_bytes(b"no image")
    assert refusal(path) == f"{path}: no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM."
    Image.new("F", (4, 4), 300.0).save(tmp_path / "float.tif")
    path = kind(tmp_path / "float.tif")
    assert refusal(path) == f"{path}: an image of floats must lie in 0..1, without NaN."
    assert refusal(kind(tmp_path)) == f"{tmp_path}: Is a directory."


def test_an_error_of_what_has_no_name() -> None:
    assert refusal(np.full((4, 4), 2.0)) == "an image of floats must lie in 0..1, without NaN."
    assert refusal(Image.new("F", (4, 4), 300.0)) == "an image of floats must lie in 0..1, without NaN."


@pytest.mark.parametrize("kind", [OSError, SyntaxError, ValueError])
def test_an_image_that_turns_out_to_be_damaged_when_it_is_used(kind, tmp_path: Path, monkeypatch) -> None:
    def fail(self) -> None:
        raise kind("of no use")

    Image.fromarray(COLOUR).save(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as image:
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
        assert refusal(image) == "the image is damaged: of no use."


# ------------------------------------------------------------- standardisation


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 3])),
    seed=st.integers(0, 2**32 - 1),
    top=st.integers(1, 255),
)
@settings(max_examples=60, deadline=None)
def test_mean_and_deviation_are_exact(shape: tuple[int, ...], seed: int, top: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, top, shape, dtype=np.uint8, endpoint=True)
    rows = random.permutation(shape[0])[: random.integers(1, shape[0] + 1)]
    found = measure(pixels, rows)
    values = pixels[rows].astype(np.float64) / 255
    deviation = values.std(axis=(0, 1, 2))
    np.testing.assert_allclose(found.mean, values.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, np.where(deviation < 1e-6, 1, deviation), rtol=1e-7, atol=1e-9)


def test_only_the_rows_that_are_given_count() -> None:
    pixels = np.zeros((3, 4, 4, 1), np.uint8)
    pixels[1] = 255
    assert measure(pixels, np.array([1])).mean == (1.0,)
    assert measure(pixels, np.array([0, 2])).mean == (0.0,)
    assert measure(pixels, np.array([0, 1])) == Standardisation((0.5,), (0.5,))


@pytest.mark.parametrize("level", [0, 1, 77, 128, 254, 255])
def test_a_channel_without_contrast_is_shifted_but_not_scaled(level: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    pixels[..., 1] = level
    found = measure(pixels, np.arange(5))
    assert found.std[1] == 1.0
    x = found(pixels)
    assert x.isfinite().all()
    assert x[:, 1].abs().max() < 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_standardised_training_images_have_mean_0_and_deviation_1(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(30, 200, (20, 8, 6, channels), dtype=np.uint8)
    x = measure(pixels, np.arange(20))(pixels).double()
    assert x.mean(dim=(0, 2, 3)).abs().max() < 1e-6
    assert (x.std(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-6


def test_every_value_is_where_it_belongs() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    standardisation = Standardisation((0.5, 0.25, 0.1), (0.2, 0.3, 0.4))
    x = standardisation(pixels)
    assert (x.shape, x.dtype) == ((4, 3, 8, 6), torch.float32)
    expected = (pixels / 255 - standardisation.mean) / standardisation.std
    np.testing.assert_allclose(x.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


def test_the_input_is_channels_last_in_memory() -> None:
    x = Standardisation((0.5,) * 3, (0.2,) * 3)(np.zeros((4, 8, 6, 3), np.uint8))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x.untyped_storage().nbytes() == 4 * 8 * 6 * 3 * 4


@pytest.mark.parametrize("view", [slice(None), slice(1, 3), slice(None, None, 2), np.array([3, 0])])
def test_pixels_may_be_mapped_and_cannot_be_changed(view, tmp_path: Path) -> None:
    """A map that is only read, and parts of it, give no warning and the same values."""
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 1), dtype=np.uint8)
    pixels.tofile(tmp_path / "pixels")
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "r", shape=pixels.shape)
    standardisation = Standardisation((0.5,), (0.2,))
    assert torch.equal(standardisation(mapped[view]), standardisation(pixels[view].copy()))
    before = pixels.copy()
    standardisation(pixels)
    assert_array_equal(pixels, before)


def test_standardisation_to_dict_and_back() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    found = measure(pixels, np.arange(4))
    assert Standardisation.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert re.fullmatch(r"\{\"mean\": \[.*\], \"std\": \[.*\]\}", json.dumps(found.to_dict()))

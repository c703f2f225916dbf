"""More than 8 bits: ramps keep their levels, 12 bits in files of 16 are not black, and one rule holds everywhere."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from PIL import Image

from convstage import DataError
from convstage.data import Geometry
from convstage.data.images import from_array, is_coloured, open_image, to_pixels
from convstage.data.levels import from_fractions, from_integers
from support.dicoms import dicom
from support.pictures import colours, encoded, gradient

RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def tiff(values: np.ndarray, bits: int = 16, photometric: int = 1) -> bytes:
    """Return a grey TIFF that says how many bits a value has (12 are packed), and whether 0 is white (0) or black."""
    height, width = values.shape
    content = values.astype("<u2").tobytes()
    if bits == 12:
        pairs = values.astype(np.uint32).reshape(-1, 2)
        content = b"".join(int(high << 12 | low).to_bytes(3, "big") for high, low in pairs)
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: photometric,
        273: 8,
        277: 1,
        278: height,
        279: len(content),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + struct.pack("<H", len(tags)) + entries + bytes(4)


def grey(data: bytes) -> np.ndarray:
    image = open_image(data)
    return to_pixels(image, "grey", (image.height, image.width))[:, :, 0]


# ------------------------------------------------------------- the rule


@given(bits=st.integers(1, 16), top=st.integers(0, 65535))
def test_more_light_is_never_darker(bits: int, top: int) -> None:
    values = np.arange(top + 1)
    for levels in (from_integers(values), from_integers(values, bits)):
        assert levels.dtype == np.uint8
        assert (np.diff(levels.astype(int)) >= 0).all()


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=5)))
def test_the_same_picture_in_more_bits_is_the_same(picture: np.ndarray) -> None:
    assert_array_equal(from_integers(picture), picture)
    assert_array_equal(from_integers(picture.astype(np.uint16)), picture)
    assert_array_equal(from_integers(picture.astype(np.uint16) * 257), picture)
    assert_array_equal(from_integers(picture.astype(np.uint16) << 4, bits=12), picture)
    assert_array_equal(from_fractions(picture / 255), picture)


@pytest.mark.parametrize(
    ("high", "level"), [(0, 0), (1, 1), (255, 255), (256, 16), (4095, 255), (4096, 16), (65534, 255), (65535, 255)]
)
def test_the_range_is_the_smallest_depth_that_fits(high: int, level: int) -> None:
    assert from_integers(np.array([0, 1, high]))[2] == level


@pytest.mark.parametrize(("bits", "top"), [(1, 1), (4, 15), (8, 255), (10, 1023), (16, 65535), (32, 2**32 - 1)])
def test_declared_bits_reach_from_black_to_white(bits: int, top: int) -> None:
    assert from_integers(np.array([0, top, top + 1]), bits).tolist() == [0, 255, 255]


@pytest.mark.parametrize(("low", "high"), [(-1, 5), (0, 65536), (-1000, 3000)])
def test_values_that_no_file_fixes_are_refused(low: int, high: int) -> None:
    with pytest.raises(DataError) as caught:
        from_array(np.array([[low, high]], np.int32))
    assert str(caught.value) == (
        f"values from {low:,} to {high:,} have no fixed black and white; "
        "save the image as 8 bits, or as numbers 0..65,535"
    )


# ------------------------------------------------------------- files


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_a_16_bit_ramp_keeps_its_levels(kind: str) -> None:
    levels = grey(encoded(Image.fromarray(RAMP), kind)).ravel().astype(int)
    assert len(np.unique(levels)) >= 250
    assert (np.diff(levels) >= 0).all()
    assert (levels[0], levels[-1]) == (0, 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 12])
def test_fewer_bits_in_a_file_of_16_keep_their_levels(kind: str, bits: int) -> None:
    values = np.arange(1 << bits, dtype=np.uint16).reshape(16, -1)
    assert_array_equal(grey(encoded(Image.fromarray(values), kind)), values >> (bits - 8))


def test_a_file_that_says_how_many_bits_it_has_is_believed() -> None:
    dark = np.arange(0, 120, dtype=np.uint16).reshape(12, 10)
    assert_array_equal(grey(tiff(dark, bits=12)), dark >> 4)
    assert_array_equal(grey(b"P5 2 1 65535\n" + struct.pack(">HH", 4095, 100)), [[15, 0]])
    assert_array_equal(grey(b"P5 2 1 4095\n" + struct.pack(">HH", 4095, 100)), [[255, 6]])


def test_white_may_be_0() -> None:
    values = gradient().astype(np.uint16) * 257
    assert_array_equal(grey(tiff(values, photometric=1)), gradient())
    assert_array_equal(grey(tiff(values, photometric=0)), 255 - gradient())


def test_a_transparent_level_of_16_bits_becomes_white() -> None:
    values = gradient().astype(np.uint16) * 257
    data = encoded(Image.fromarray(values), "PNG", transparency=int(values[3, 4]))
    expected = np.where(gradient() == gradient()[3, 4], 255, gradient())
    assert_array_equal(grey(data), expected)
    assert not is_coloured(open_image(data))


def test_floats_are_read_where_they_have_a_range() -> None:
    values = (gradient() / 255).astype(np.float32)
    assert_array_equal(grey(encoded(Image.fromarray(values), "TIFF")), gradient())
    with pytest.raises(DataError) as caught:
        open_image(encoded(Image.fromarray(values * 255), "TIFF"))
    assert str(caught.value) == "an image of floats must lie in 0..1, without NaN"


@pytest.mark.parametrize("values", [[[-5, 9]], [[0, 70_000]], [[-1000, 3000]]])
def test_whole_numbers_without_a_range_are_refused(values: list[list[int]]) -> None:
    data = encoded(Image.fromarray(np.array(values, np.int32)), "TIFF")
    with pytest.raises(DataError, match="have no fixed black and white"):
        open_image(data)


# ------------------------------------------------------------- one picture, many files

PICTURES = {"smooth": gradient(), "dark": gradient() % 13, "black": np.zeros((12, 10), np.uint8)}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("geometry", [Geometry(12, 10), Geometry(7, 9), Geometry(8, 8, "colour", "pad")], ids=str)
def test_the_same_pixels_in_every_file_are_the_same_input(picture, geometry: Geometry, tmp_path) -> None:
    image, deep = Image.fromarray(picture), Image.fromarray(picture.astype(np.uint16) * 257)
    files = {
        "a.png": encoded(image, "PNG"),
        "a.tif": encoded(image, "TIFF"),
        "lzw.tif": encoded(image, "TIFF", compression="tiff_lzw"),
        "a.bmp": encoded(image, "BMP"),
        "a.gif": encoded(image, "GIF"),
        "a.webp": encoded(image, "WEBP", lossless=True),
        "a.pgm": encoded(image, "PPM"),
        "colour.png": encoded(image.convert("RGB"), "PNG"),
        "alpha.png": encoded(image.convert("RGBA"), "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "deep.tif": encoded(deep, "TIFF"),
        "deep.pgm": encoded(deep, "PPM"),
        "a.dcm": dicom(picture),
        "no-extension": dicom(picture, WindowCenter="128", WindowWidth="256"),
        "inverted.dcm": dicom(255 - picture, PhotometricInterpretation="MONOCHROME1"),
        "deep.dcm": dicom(picture.astype(np.uint16) * 257),
        "declared.dcm": dicom(picture.astype(np.uint16) << 4, BitsStored=12),
        "colour.dcm": dicom(np.repeat(picture[:, :, None], 3, axis=2)),
    }
    expected = geometry.pixels(picture)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert_array_equal(geometry.pixels(tmp_path / name), expected, err_msg=name)
        if not name.endswith("dcm") and name != "no-extension":
            with Image.open(tmp_path / name) as opened:
                assert_array_equal(geometry.pixels(opened), expected, err_msg=f"{name}, opened by its user")


def test_the_same_colours_in_every_file_are_the_same_input(tmp_path) -> None:
    geometry = Geometry(9, 11, "colour")
    image = Image.fromarray(colours())
    expected = geometry.pixels(colours())
    for kind in ("PNG", "TIFF", "BMP", "WEBP", "PPM"):
        (tmp_path / kind).write_bytes(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert_array_equal(geometry.pixels(tmp_path / kind), expected, err_msg=kind)
    (tmp_path / "dicom").write_bytes(dicom(colours()))
    assert_array_equal(geometry.pixels(tmp_path / "dicom"), expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_an_array_and_its_file_agree(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, random.integers(1, 65536), (4, 5), dtype=np.uint16, endpoint=True)
    assert_array_equal(np.asarray(from_array(values)), grey(encoded(Image.fromarray(values), "PNG")))

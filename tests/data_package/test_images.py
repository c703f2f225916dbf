"""Image files -> upright pixels: every format and mode, every turn, and every kind of damage."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, PngImagePlugin

from convstage import DataError
from convstage.data import decoding
from convstage.data.images import is_coloured, open_image, to_pixels, upright
from convstage.data.pillow import FORMATS_ALLOWED
from support.pictures import colours, encoded, gradient

#: How each format is written without a loss; JPEG cannot.
SAVED_AS = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "BMP": {},
    "TIFF": {},
    "GIF": {},
    "WEBP": {"lossless": True},
    "PPM": {},
}
NO_IMAGE = "no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM"


def reason(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        open_image(data)
    return str(caught.value)


# ------------------------------------------------------------- formats


def test_every_allowed_format_is_tried_here() -> None:
    assert set(SAVED_AS) == set(FORMATS_ALLOWED)


@pytest.mark.parametrize("kind", FORMATS_ALLOWED)
def test_every_format_comes_back_as_it_was(kind: str) -> None:
    tolerance = 4 if kind == "JPEG" else 0
    grey = to_pixels(open_image(encoded(Image.fromarray(gradient()), kind, **SAVED_AS[kind])), "grey", (12, 10))
    assert grey.dtype == np.uint8
    assert np.abs(grey[:, :, 0].astype(int) - gradient()).max() <= tolerance
    if kind != "GIF":  # which has 256 colours, and so none of its own for every pixel
        colour = to_pixels(open_image(encoded(Image.fromarray(colours()), kind, **SAVED_AS[kind])), "colour", (12, 10))
        assert np.abs(colour.astype(int) - colours()).max() <= tolerance


@pytest.mark.parametrize("kind", FORMATS_ALLOWED)
def test_an_image_of_one_pixel_fills_any_size(kind: str) -> None:
    image = open_image(encoded(Image.new("L", (1, 1), 200), kind))
    assert_array_equal(to_pixels(image, "grey", (3, 5)), np.full((3, 5, 1), 200))


@pytest.mark.parametrize("kind", ["PCX", "ICO", "TGA", "SGI", "DDS", "ICNS"])
def test_formats_that_are_not_allowed_are_refused(kind: str) -> None:
    data = encoded(Image.new("RGB", (16, 16), "red"), kind)
    Image.open(BytesIO(data)).load()  # Pillow itself would read it
    assert reason(data) == NO_IMAGE


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("L", (4, 4), level) for level in (10, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert_array_equal(to_pixels(open_image(data), "grey", (4, 4)), np.full((4, 4, 1), 10))


# ------------------------------------------------------------- modes


def palette_image(mode: str = "P") -> Image.Image:
    """Return an image of palette entry 3, which is red."""
    image = Image.new("P", (4, 4), 3)
    image.putpalette([0] * 9 + [255, 0, 0])
    return image.convert(mode)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (4, 4), 1), (255, 255, 255)),
        (Image.new("L", (4, 4), 77), (77, 77, 77)),
        (Image.new("LA", (4, 4), (77, 255)), (77, 77, 77)),
        (Image.new("LA", (4, 4), (77, 0)), (255, 255, 255)),
        (palette_image(), (255, 0, 0)),
        (palette_image("PA"), (255, 0, 0)),
        (Image.new("RGB", (4, 4), (10, 200, 30)), (10, 200, 30)),
        (Image.new("RGBA", (4, 4), (10, 200, 30, 255)), (10, 200, 30)),
        (Image.new("RGBA", (4, 4), (10, 200, 30, 0)), (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 51)), (204, 204, 204)),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("YCbCr", (4, 4), (90, 128, 128)), (90, 90, 90)),
        (Image.new("I;16", (4, 4), 40_000), (156, 156, 156)),
        (Image.new("I;16B", (4, 4), 40_000), (156, 156, 156)),
        (Image.new("I", (4, 4), 40_000), (156, 156, 156)),
        (Image.new("F", (4, 4), 0.5), (128, 128, 128)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_every_mode_as_colour_as_grey_and_as_binary(image: Image.Image, expected: tuple[int, int, int]) -> None:
    assert_array_equal(to_pixels(image, "colour", (4, 4)), np.full((4, 4, 3), expected))
    grey = round(np.dot(expected, (0.299, 0.587, 0.114)))
    assert_array_equal(to_pixels(image, "grey", (4, 4)), np.full((4, 4, 1), grey))
    assert_array_equal(to_pixels(image, "binary", (4, 4)), np.full((4, 4, 1), 255 if grey >= 128 else 0))


def test_cielab_is_read_as_well() -> None:
    image = open_image(encoded(Image.new("LAB", (4, 4), (100, 128, 128)), "TIFF"))
    assert image.mode == "LAB"
    colour = to_pixels(image, "colour", (4, 4)).astype(int)
    assert np.ptp(colour) <= 3  # a grey
    assert np.abs(to_pixels(image, "grey", (4, 4)) - colour).max() <= 3
    assert not is_coloured(image)
    assert is_coloured(open_image(encoded(Image.new("LAB", (4, 4), (100, 200, 128)), "TIFF")))


def test_a_mode_that_pillow_cannot_convert_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        to_pixels(Image.new("La", (4, 4)), "grey", (4, 4))
    assert str(caught.value) == "pixels of mode La cannot be read; save the image as grey or RGB"


@pytest.mark.parametrize(("mode", "black"), [("L", 0), ("1", 0), ("RGB", (0, 0, 0))])
@pytest.mark.parametrize("channels", ["grey", "colour"])
def test_a_transparent_colour_becomes_white_too(mode: str, black, channels: str) -> None:
    image = open_image(encoded(Image.new(mode, (4, 4), black), "PNG", transparency=black))
    assert (image.mode, "transparency" in image.info) == (mode, True)
    assert to_pixels(image, channels, (4, 4)).min() == 255


# ------------------------------------------------------------- upright

#: What a camera stores of an upright picture, by the orientation that it notes.
STORED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, -1),
}


def with_orientation(picture: np.ndarray, orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture)))
    return encoded(stored, kind, exif=exif, **SAVED_AS[kind])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_all_orientations_come_out_upright(orientation: int, kind: str) -> None:
    image = open_image(with_orientation(gradient(), orientation, kind))
    assert image.size == (10, 12)
    assert np.abs(np.asarray(image.convert("L")).astype(int) - gradient()).max() <= (4 if kind == "JPEG" else 0)
    assert upright(image).tobytes() == image.tobytes()  # once more is too much


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_16_bits_are_turned_as_well(orientation: int, kind: str) -> None:
    picture = gradient().astype(np.uint16) << 8
    image = open_image(with_orientation(picture, orientation, kind))
    assert_array_equal(to_pixels(image, "grey", (12, 10))[:, :, 0], gradient())


def test_a_turned_picture_keeps_its_transparency() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    turned = open_image(encoded(image, "PNG", transparency=1, exif=exif))
    assert to_pixels(turned, "grey", (4, 4)).min() == 255


def exif_block(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Return an EXIF block of entries: tag, type, count, value of four bytes."""
    packed = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries)) + packed + bytes(4)


TURNED = (0x0112, 3, 1, b"\x06\x00\x00\x00")


@pytest.mark.parametrize(
    ("block", "turned"),
    [
        (b"Exif\x00\x00" + bytes(20), False),  # no EXIF data at all
        (exif_block((0x0112, 3, 1, b"\x63\x00\x00\x00")), False),  # an orientation 99
        (exif_block((0x0112, 2, 4, b"six\x00")), False),  # an orientation in words
        (exif_block((0x0100, 2, 4, b"abc\x00"), TURNED), True),  # a width in words, which Pillow cannot write again
        (exif_block((0x010F, 3, 1, b"\x07\x00\x00\x00"), TURNED), True),  # a maker that is a number
    ],
)
def test_damaged_exif_data_do_not_cost_the_picture(block: bytes, turned: bool) -> None:
    picture = np.rot90(gradient(), 1) if turned else gradient()
    data = encoded(Image.fromarray(np.ascontiguousarray(picture)), "JPEG", exif=block, **SAVED_AS["JPEG"])
    found = np.asarray(open_image(data)).astype(int)
    assert np.abs(found - gradient()).max() <= 4


# ------------------------------------------------------------- damage


def test_an_empty_file() -> None:
    assert reason(b"") == "the file is empty"


@pytest.mark.parametrize("data", [b"\x00", bytes(1000), b"<svg/>", np.random.default_rng(0).bytes(5000)])
def test_what_is_no_image(data: bytes) -> None:
    assert reason(data) == NO_IMAGE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM"])
def test_a_file_that_was_cut_off(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind, **SAVED_AS[kind])
    for share in (0.3, 0.6, 0.95):
        assert reason(data[: int(share * len(data))]).startswith(("the image is damaged: ", NO_IMAGE))


def test_a_damaged_checksum() -> None:
    data = bytearray(encoded(Image.fromarray(gradient()), "PNG"))
    data[data.index(b"IDAT") + 6] ^= 0x40
    assert reason(bytes(data)).startswith("the image is damaged: ")


def png(width: int, height: int) -> bytes:
    """Return a PNG file whose header says this size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("data", [png(0, 4), png(4, 0), b"P5 0 4 255\n", b"P5 4 0 255\n"])
def test_an_image_without_pixels(data: bytes) -> None:
    assert reason(data).startswith(("the image is damaged: ", NO_IMAGE))


def test_more_pixels_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.fromarray(gradient()), "PNG")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 120)
    assert open_image(data).size == (10, 12)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 119)
    assert reason(data) == "10×12 pixels are more than 119"


def test_the_largest_allowed_picture_is_none_that_pillow_warns_of() -> None:
    assert decoding.MAX_PIXELS <= Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("limit", [100, 50])  # Pillow warns above its limit, and refuses above twice its limit
def test_what_pillow_takes_for_a_bomb(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert reason(encoded(Image.fromarray(gradient()), "PNG")) == "it has more than 52,000,000 pixels"


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    assert reason(png(60_000, 60_000)) == "it has more than 52,000,000 pixels"


@pytest.mark.parametrize("kind", [ValueError, SyntaxError, struct.error, OSError, IndexError, MemoryError, KeyError])
@pytest.mark.parametrize("where", ["_open", "load"])
def test_whatever_a_decoder_raises_becomes_ours(kind: type[Exception], where: str, monkeypatch) -> None:
    data = encoded(Image.fromarray(gradient()), "PNG")

    def fail(self) -> None:
        raise kind("of no use")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, where, fail)
    assert reason(data).startswith(("the image is damaged: ", NO_IMAGE))
    if where == "load":
        assert "of no use" in reason(data)

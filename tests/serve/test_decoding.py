"""Images that are sent are read under the allow list of training, or refused in words."""

import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convstage.data import Geometry
from convstage.errors import DataError
from convstage.serve.decoding import Uploads, drawn
from convstage.serve.limits import Limits
from support.dicoms import dicom
from support.pictures import colours, encoded, gradient

GEOMETRY = Geometry(8, 8)
LIMITS = Limits(image_pixels=10_000, drawn_side=16)


def uploaded(content, name, geometry, limits):
    return Uploads(geometry, limits).read(content, name)


PNG = encoded(Image.fromarray(gradient(40, 30)), "PNG")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM"])
def test_what_training_reads_is_read_alike(kind, tmp_path):
    content = encoded(Image.fromarray(colours(20, 20)), kind)
    (tmp_path / "image").write_bytes(content)
    subject = uploaded(content, "x", GEOMETRY, LIMITS)
    assert (subject.pixels_hwc == GEOMETRY.pixels(tmp_path / "image")).all()


def test_dicom_is_read(tmp_path):
    assert uploaded(dicom(gradient(20, 20)), "scan.dcm", GEOMETRY, LIMITS).pixels_hwc.shape == (8, 8, 1)


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "SGI", "PDF", "EPS", "ICNS"])
def test_what_training_does_not_read_is_refused(kind):
    content = encoded(Image.fromarray(colours(32, 32)), kind)
    with pytest.raises(DataError, match=r"^a\.png: no image, or none of PNG.*\nSend it smaller, or saved as PNG"):
        uploaded(content, "a.png", GEOMETRY, LIMITS)


def test_a_bomb_is_refused_by_its_head():
    """A picture of 50,000 × 50,000 pixels in 50 bytes: no pixel of it is decoded."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="pixels"):
        uploaded(bomb, "bomb.png", GEOMETRY, LIMITS)
    large = encoded(Image.new("1", (200, 51)), "PNG")
    with pytest.raises(DataError, match="51×200 pixels are more than the 10,000 that are taken"):
        uploaded(large, "large.png", GEOMETRY, LIMITS)
    assert uploaded(encoded(Image.new("1", (200, 50)), "PNG"), None, GEOMETRY, LIMITS).name == "image"


def test_images_of_a_request_share_their_pixels():
    uploads = Uploads(GEOMETRY, Limits(image_pixels=1000, request_pixels=2500))
    content = encoded(Image.new("L", (30, 30)), "PNG")
    assert [uploads.read(content, "a").name for _ in range(2)] == ["a", "a"]
    with pytest.raises(DataError, match="30×30 pixels are more than the 700 that are taken after those before it"):
        uploads.read(content, "a")
    assert uploads.read(encoded(Image.new("L", (20, 20)), "PNG"), "b").name == "b"


@given(st.binary(max_size=200), st.booleans(), st.text(max_size=300))
def test_whatever_is_sent_is_read_or_refused_in_words(content, begins_well, name):
    try:
        subject = uploaded(PNG[:100] + content if begins_well else content, name, GEOMETRY, LIMITS)
    except DataError as error:
        assert str(error).endswith("Send it smaller, or saved as PNG or JPEG.")
        str(error).encode()
    else:
        assert subject.pixels_hwc.shape == (8, 8, 1)


@given(st.integers(0, len(PNG) - 1), st.integers(0, 255))
def test_a_turned_byte_is_no_accident(place, byte):
    content = PNG[:place] + bytes([byte]) + PNG[place + 1 :]
    with suppress(DataError):
        assert uploaded(content, "x", GEOMETRY, LIMITS).pixels_hwc.shape == (8, 8, 1)


def test_a_drawing_is_an_image():
    grey = gradient(8, 8)
    assert (drawn(grey.tolist(), GEOMETRY, LIMITS).pixels_hwc[:, :, 0] == grey).all()
    rgb = colours(8, 8)
    colour = Geometry(8, 8, "colour")
    assert (drawn(rgb.tolist(), colour, LIMITS).pixels_hwc == rgb).all()
    assert (drawn(rgb[:, :, :1].tolist(), colour, LIMITS).pixels_hwc == rgb[:, :, :1]).all()
    assert drawn(np.zeros((16, 3)).tolist(), GEOMETRY, LIMITS).pixels_hwc.shape == (8, 8, 1)


@pytest.mark.parametrize("rows", [[], [[]], [[1], [1, 2]], [[[1, 2]]], [[[1], 2]], [[[]]], [1], [[[[1]]]]])
def test_a_drawing_has_rows_of_one_length(rows):
    with pytest.raises(DataError, match="rows of equal length"):
        drawn(rows, GEOMETRY, LIMITS)


def test_a_drawing_has_an_end():
    with pytest.raises(DataError, match="may have a side of 16; this one has 17×1"):
        drawn([[0]] * 17, GEOMETRY, LIMITS)

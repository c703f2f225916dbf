"""Spoiled files of every format are decoded or refused, alike by all ways in; what the long form has found stays so."""

from __future__ import annotations

import os
import struct
import tracemalloc
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from convstage import DataError
from convstage.data import Geometry, content, decoding, images, levels, pillow
from convstage.data.dicom_runs import unpacked
from convstage.data.images import describe, open_image, to_pixels
from image_agreement import disagreements
from image_cases import judge, kinds, spoiled
from image_extremes import chunk, jpeg, png, segment, tiff
from image_seeds import COLOUR, DEEP, GREY
from support.dicoms import dataset, dicom, written
from support.pictures import encoded

# What decoders warn of is passed over; here warnings are errors.
pytestmark = pytest.mark.filterwarnings(
    "ignore:::PIL", "ignore::UserWarning", "ignore::RuntimeWarning", "ignore::PIL.Image.DecompressionBombWarning"
)


def reason(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        open_image(data)
    return str(caught.value)


# ------------------------------------------------------------- the property


def test_all_formats_are_spoiled() -> None:
    assert kinds() == [*pillow.FORMATS_ALLOWED, "DICOM"]


@given(number=st.integers(0, 2**32), seed=st.integers(0, 99))
@settings(max_examples=600, deadline=None)
def test_a_spoiled_file_is_decoded_or_refused(number: int, seed: int) -> None:
    _, failure = judge(spoiled(number, seed)[1])
    assert not failure


def test_all_ways_in_agree(trained, tmp_path: Path) -> None:
    contents = [spoiled(number, 7)[1] for number in range(40)]
    contents += [
        b"",
        b"no image",
        encoded(Image.fromarray(GREY), "PNG"),
        png(colour=3),
        png(width=9500, height=9500, bits=1),
    ]
    assert disagreements(trained, contents, tmp_path / "files") == []


# ------------------------------------------------------------- nothing is printed


def test_decoders_print_nothing(convstage, tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw")
    files = {
        "libtiff.tif": whole[:60] + b"\xff" * 40 + whole[100:],
        "warning.tif": tiff([(256, 4, 1, 18), (257, 4, 1, 21), (700, 1, 99_999_999, 8)]),
        "samples.tif": tiff([(256, 4, 1, 18), (257, 4, 1, 21), (277, 3, 1, 999), (258, 3, 1, 8), (262, 3, 1, 1)]),
        "bomb.png": png(width=9500, height=9500, bits=1),
        "odd.dcm": dicom(GREY, WindowCenter="1", WindowWidth="2")[:-9],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code = (
        "import sys, pathlib\nfrom convstage.data import Geometry\nfrom convstage.errors import DataError\n"
        "for path in sys.argv[1:]:\n    try:\n        Geometry(5, 5).pixels(path)\n"
        "    except DataError as error:\n        print(pathlib.Path(path).name)\n"
    )
    ran = convstage.python(code, *tmp_path.iterdir())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert set(ran.stdout.split()) == set(files)


# ------------------------------------------------------------- found by spoiling


@pytest.mark.parametrize("read", [open_image, lambda data: Geometry(5, 5).pixels(Image.open(BytesIO(data)))])
def test_a_palette_that_is_missing(read) -> None:
    with pytest.raises(DataError) as caught:
        read(png(colour=3))
    assert str(caught.value).removesuffix(".") == "the image is damaged: its palette is missing"


def test_dicom_elements_behind_the_pixels_are_no_headers() -> None:
    whole = dicom(GREY)
    rows = whole.index(b"\x28\x00\x10\x00US")
    moved = whole[:rows] + whole[rows + 10 :] + whole[rows : rows + 10]
    for read in (open_image, describe):
        with pytest.raises(DataError) as caught:
            read(moved)
        assert str(caught.value) == "the DICOM file holds no picture: it has no Rows"


@pytest.mark.parametrize("words", ["", "a\0b\n c\u202e", "x" * 900])
def test_the_words_of_a_decoder_are_brought_to_one_printable_line(words: str) -> None:
    with pytest.raises(DataError) as caught, decoding.as_data_error():
        raise AssertionError(words)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 250
    assert said.removeprefix("the image is damaged: ")


def test_dicom_elements_that_come_twice() -> None:
    whole = dicom(GREY)
    rows = whole.index(b"\x28\x00\x10\x00US")
    image, facts = open_image(twice := whole + whole[rows : rows + 8] + b"\2\0"), describe(twice)
    assert (image.width, image.height) == (facts.width, facts.height) == (18, 21)


def test_a_box_of_no_length_does_not_keep_pydicom_for_ever() -> None:
    picture = encoded(Image.fromarray(GREY), "JPEG2000")
    assert picture[16:20] == b"ftyp"
    frames = [picture[:12] + bytes(4) + picture[16:], picture[:12] + b"\0\0\0\x07" + picture[16:]]
    for frame in frames:
        said = reason(dicom(GREY, PixelData=encapsulate([frame]), syntax=uid.JPEG2000))
        assert said == "the image is damaged: a box of its JPEG 2000 picture has no length"
    assert open_image(dicom(GREY, PixelData=encapsulate([picture]), syntax=uid.JPEG2000)).size == (18, 21)


def test_a_jpeg_within_dicom_has_the_bounds_of_others() -> None:
    whole = encoded(Image.fromarray(GREY), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    frame = whole[:last] + whole[last:-2] * 70 + whole[-2:]
    said = reason(dicom(GREY, PixelData=encapsulate([frame]), syntax=uid.JPEGBaseline8Bit))
    assert said == "it goes over its picture more than 64 times; save the image anew"


def test_more_pixels_than_are_declared_are_no_other_picture() -> None:
    assert reason(dicom(GREY, Columns=3)) == "its pixels are 6×21×3, but it declares 21×3"


def test_what_a_file_says_of_its_colours_is_quoted_as_text() -> None:
    said = reason(dicom(GREY, PhotometricInterpretation="M\0\x1b[31m"))
    odd = "\N{REPLACEMENT CHARACTER}"
    assert said == f"its colours are stored as M{odd}{odd}[31m; save the image as grey or RGB"


# ------------------------------------------------------------- bounds

TOO_MANY = decoding.TOO_MANY
MANY = 60_000


@pytest.mark.parametrize(
    "data",
    [
        png(chunk(b"prVt") * MANY),
        png(chunk(b"tEXt", b"a\0b") * MANY),
        png()[:-12] + chunk(b"prVt") * MANY + chunk(b"IEND"),
        jpeg(segment(0xFE, b"") * MANY),
        jpeg(segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 300),
        b"P5" + b" " * MANY + b"1 1 255\n0",
    ],
    ids=["chunks", "texts", "behind", "segments", "exif", "space"],
)
def test_endless_metadata_are_not_read_to_the_end(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXEL_PIECES", MANY)
    assert reason(data) == TOO_MANY


def test_dicom_elements_without_end() -> None:
    whole = dicom(GREY)
    place = whole.index(b"\x28\x00\x02\x00US")
    assert (
        reason(whole[:place] + (struct.pack("<HH2sH", 0x11, 0x1000, b"LO", 2) + b"x ") * MANY + whole[place:])
        == TOO_MANY
    )


def test_a_long_dicom_element() -> None:
    data = dicom(GREY, syntax=uid.ImplicitVRLittleEndian, WindowCenter="1", WindowWidth="9")
    place = data.index(b"\x28\x00\x50\x10")
    long = struct.pack("<HHI", 0x28, 0x1050, 2 << 20) + b"1\\" * (1 << 20)
    assert (
        reason(data[:place] + long + data[place + 10 :])
        == "its element (0028,1050) has 2,097,152 bytes, more than 1,048,576"
    )


def test_a_webp_has_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pillow.MAX_PIXELS_OF, "WEBP", 377)
    data = encoded(Image.fromarray(GREY), "WEBP")
    for read in (open_image, describe):
        with pytest.raises(DataError) as caught:
            read(data)
        assert str(caught.value) == "18×21 pixels are more than the 377 that WEBP may have"


def test_a_jpeg_of_many_scans() -> None:
    whole = encoded(Image.fromarray(GREY), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    assert open_image(whole).size == (18, 21)
    assert reason(whole[:last] + whole[last:-2] * 70 + whole[-2:]) == (
        "it goes over its picture more than 64 times; save the image anew"
    )
    thumbnails = jpeg(*[segment(0xE1, whole)] * 9)  # a picture in the metadata is not gone over
    assert pillow._scans(thumbnails) == 1


@pytest.mark.parametrize("compression", [1, 8])
def test_a_tile_that_is_larger_than_any_picture(compression: int) -> None:
    tags = [(256, 4, 1, 18), (257, 4, 1, 21), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (277, 3, 1, 1)]
    data = tiff([*tags, (322, 4, 1, 65_536), (323, 4, 1, 65_536), (324, 4, 1, 8), (325, 4, 1, 99)], bytes(99))
    assert reason(data) == "its tiles of 65,536×65,536 pixels are too large; save the image anew"


@pytest.mark.parametrize("body", [b"7 " * (9 << 20), b"#\n" * 65 + b"7 " * 378])
def test_numbers_as_text(body: bytes) -> None:
    assert reason(b"P2 18 21 255\n" + body) == (
        "its numbers are text, which is read up to 16.0 MiB and 64 comments; save it as binary"
    )
    assert open_image(b"P2 18 21 255\n# one\n" + b"7 " * 378).getpixel((3, 3)) == 7


@given(largest=st.integers(1, 65_534).filter(lambda n: n != 255), colour=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_any_largest_number_is_read_as_pillow_reads_it(largest: int, colour: bool, seed: int) -> None:
    random, kind = np.random.default_rng(seed), ">u2" if largest > 255 else "u1"
    colour = colour and largest < 256  # of more bits Pillow has grey alone
    values = random.integers(0, largest, (4, 5, 3 if colour else 1), endpoint=True)
    data = b"%s 5 4 %d\n" % (b"P6" if colour else b"P5", largest) + values.astype(kind).tobytes()
    with Image.open(BytesIO(data)) as image:
        assert_array_equal(np.asarray(open_image(data)), np.asarray(pillow.eight_bits(image)))
    assert reason(data[:-1]) == "the image is damaged: image file is truncated"


def test_a_large_picture_is_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    clear = np.dstack([COLOUR, GREY])
    files = [
        encoded(Image.fromarray(clear), "PNG"),
        encoded(Image.fromarray(GREY).convert("P"), "PNG", transparency=40),
        encoded(Image.fromarray(DEEP), "PNG", transparency=int(DEEP[2, 2])),
        encoded(Image.fromarray(DEEP + 1), "TIFF"),
        encoded(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"),
        b"P5 18 21 4095\n" + DEEP.astype(">u2").tobytes(),
        dicom(DEEP, WindowCenter="9000", WindowWidth="30000", RescaleSlope="0.5", RescaleIntercept="7"),
        dicom(DEEP),
    ]
    whole = [
        (to_pixels(open_image(data), "colour", (21, 18)), to_pixels(open_image(data), "grey", (9, 9))) for data in files
    ]
    monkeypatch.setattr(levels, "AT_ONCE", 40)
    monkeypatch.setattr(images, "AT_ONCE", 40)
    for data, (colour, grey) in zip(files, whole, strict=True):
        assert_array_equal(to_pixels(open_image(data), "colour", (21, 18)), colour)
        assert_array_equal(to_pixels(open_image(data), "grey", (9, 9)), grey)


# ------------------------------------------------------------- DICOM's run lengths


@pytest.mark.parametrize("pixels", [GREY, DEEP, DEEP.astype(np.int16), COLOUR], ids=["8", "16", "signed", "colour"])
def test_run_lengths_are_read_as_pydicom_reads_them(pixels: np.ndarray) -> None:
    content = dataset(pixels)
    content.compress(uid.RLELossless)
    found = unpacked(content)
    assert_array_equal(found, pixel_array(content))
    assert found.dtype == pixels.dtype


def test_run_lengths_of_four_bytes() -> None:
    values = DEEP.astype(np.uint32) * 70_000
    planes = values.astype(">u4").view(np.uint8).reshape(-1, 4).T
    # Runs of 126 bytes as they are: each goes over the end of a row.
    segments = [
        b"".join(bytes([125]) + plane[at : at + 126].tobytes() for at in range(0, 378, 126)) for plane in planes
    ]
    starts = [64 + len(segments[0]) * number for number in range(4)]
    content = dataset(values)
    content.file_meta.TransferSyntaxUID = uid.RLELossless
    content.PixelData = encapsulate([struct.pack("<16I", 4, *starts, *[0] * 11) + b"".join(segments)])
    assert_array_equal(unpacked(content), values)


def test_run_lengths_of_a_small_file_do_not_fill_the_memory() -> None:
    bomb = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 400_000  # 51 MB
    content = dataset(GREY)
    content.file_meta.TransferSyntaxUID = uid.RLELossless
    content.PixelData = encapsulate([bomb])
    content["PixelData"].VR = "OB"
    data = written(content)
    tracemalloc.start()
    assert open_image(data).size == (18, 21)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (struct.pack("<16I", 2, 64, 70, *[0] * 13) + bytes(20), "its picture has 2 segments, but 1 samples of 1 bytes"),
        (struct.pack("<16I", 1, 9999, *[0] * 14) + bytes(20), "the image is damaged: "),
        (b"short", "the image is damaged: "),
    ],
)
def test_run_lengths_that_are_none(frame: bytes, words: str) -> None:
    content = dataset(GREY)
    content.file_meta.TransferSyntaxUID = uid.RLELossless
    content.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
    content["PixelData"].VR = "OB"
    assert reason(written(content)).startswith(words)


# ------------------------------------------------------------- what is no file


def test_devices_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", "/dev/zero"):
        with pytest.raises(OSError, match="it is no file but a device, a pipe or a socket"):
            content.read_file(path)
        with pytest.raises(DataError, match="it is no file but a device, a pipe or a socket"):
            Geometry(5, 5).pixels(path)
    with pytest.raises(IsADirectoryError):
        content.read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        content.read_file(tmp_path / "missing")
    with pytest.raises(OSError, match="no file can be called so: embedded null byte"):
        content.read_file(tmp_path / "a\0b")


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(bytes(3000))
    monkeypatch.setattr(content, "MAX_BYTES", 3000)
    assert content.read_file(tmp_path / "file") == bytes(3000)
    monkeypatch.setattr(content, "MAX_BYTES", 2999)
    with pytest.raises(OSError, match=r"it has 2\.9 KiB, more than 2\.9 KiB"):
        content.read_file(tmp_path / "file")


def test_a_pipe_in_a_folder_is_listed_as_unreadable(make_folder, tmp_path: Path) -> None:
    from convstage.data import open_source
    from convstage.data.dataset import read_images

    folder = make_folder(tmp_path / "data", {"a": 2, "b": 2})
    os.mkfifo(tmp_path / "pipe")
    (folder / "a/pipe.png").symlink_to(tmp_path / "pipe")
    images = read_images(open_source(folder)[1], Geometry(5, 5))
    assert images.unreadable == [("a/pipe.png", "it is no file but a device, a pipe or a socket")]

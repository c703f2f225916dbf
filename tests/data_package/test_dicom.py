"""DICOM: every step from stored values to 256 levels, and every file that is refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from convstage import DataError
from convstage.data import Geometry, decoding
from convstage.data.cache import decode
from convstage.data.formats import find_source
from convstage.data.images import describe, is_coloured, open_image
from support.dicoms import dataset, dicom, jpeg_dicom, table, written
from support.pictures import colours, encoded, gradient

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
#: Values 0..4,095, as most scanners store them.
DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def grey(data: bytes) -> np.ndarray:
    image = open_image(data)
    assert image.mode == "L"
    return np.asarray(image)


def reason(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        open_image(data)
    return str(caught.value)


# ------------------------------------------------------------- grey


def test_eight_bits_without_a_window_stay_as_they_are() -> None:
    assert_array_equal(grey(dicom(RAMP)), RAMP)
    assert_array_equal(grey(dicom(RAMP, RescaleSlope="2", RescaleIntercept="-100")), RAMP)
    assert not is_coloured(open_image(dicom(RAMP)))


def test_where_0_is_white_the_picture_is_inverted() -> None:
    assert_array_equal(grey(dicom(RAMP, PhotometricInterpretation="MONOCHROME1")), 255 - RAMP)
    window = {"WindowCenter": "128", "WindowWidth": "256"}
    assert_array_equal(grey(dicom(RAMP, PhotometricInterpretation="MONOCHROME1", **window)), 255 - RAMP)


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_declared_bits_are_the_range(bits: int) -> None:
    values = np.arange(0, 1 << bits, 7, dtype=np.uint16)[:, None]
    assert_array_equal(grey(dicom(values, BitsStored=bits)), values >> (bits - 8))
    dark = values // 16  # its own range would be another
    assert_array_equal(grey(dicom(dark, BitsStored=bits)), dark >> (bits - 8))


def test_16_bits_that_are_12_in_truth() -> None:
    assert_array_equal(grey(dicom(DEEP)), DEEP >> 4)
    assert_array_equal(grey(dicom(DEEP.astype(np.int16))), DEEP >> 4)
    assert_array_equal(grey(dicom(RAMP.astype(np.uint16) * 257)), RAMP)


def test_bits_above_those_stored_do_not_count() -> None:
    """Old files keep overlays there."""
    assert_array_equal(grey(dicom(DEEP | 0xA000, BitsStored=12)), DEEP >> 4)
    signed = (DEEP.astype(np.int16) - 2048) & 0x0FFF  # without the bits that carry the sign
    window = {"WindowCenter": "0", "WindowWidth": "4096"}
    found = grey(dicom(signed, BitsStored=12, **window))
    assert_array_equal(found, np.rint(DEEP / 4095 * 255))


def test_black_and_white() -> None:
    mask = np.eye(8, dtype=np.uint8)
    data = dicom(mask, BitsAllocated=1, BitsStored=1, PixelData=np.packbits(mask, bitorder="little").tobytes())
    assert_array_equal(grey(data), mask * 255)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (None, lambda x: (x - 599.5) / 799 + 0.5),
        ("LINEAR", lambda x: (x - 599.5) / 799 + 0.5),
        ("LINEAR_EXACT", lambda x: (x - 600) / 800 + 0.5),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 600.0) / 800))),
    ],
)
def test_every_window_function(function: str | None, expected) -> None:
    """The formulas of DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3."""
    data = dicom(DEEP, BitsStored=12, WindowCenter="600", WindowWidth="800", VOILUTFunction=function)
    levels = np.clip(expected(DEEP.astype(float)), 0, 1) * 255
    assert np.abs(grey(data) - levels).max() <= 0.5 + 1e-6
    assert (np.diff(grey(data).ravel().astype(int)) >= 0).all()


def test_the_window_is_of_rescaled_values() -> None:
    window = {"WindowCenter": "40", "WindowWidth": "400"}
    stored = DEEP.astype(np.int16)
    rescaled = dicom(stored, RescaleSlope="1", RescaleIntercept="-1024", **window)
    assert_array_equal(grey(rescaled), grey(dicom(stored - 1024, **window)))
    assert_array_equal(np.unique(grey(rescaled)), np.arange(256))


def test_a_negative_slope_inverts() -> None:
    turned = {"RescaleSlope": "-1", "RescaleIntercept": "255"}
    assert_array_equal(grey(dicom(RAMP, **turned)), 255 - RAMP)
    assert_array_equal(grey(dicom(RAMP, WindowCenter="128", WindowWidth="256", **turned)), 255 - RAMP)


def test_the_first_of_several_windows() -> None:
    several = dicom(DEEP, WindowCenter=["600", "50"], WindowWidth=["800", "2"])
    assert_array_equal(grey(several), grey(dicom(DEEP, WindowCenter="600", WindowWidth="800")))


def test_an_empty_window_is_none() -> None:
    assert_array_equal(grey(dicom(RAMP, WindowCenter="", WindowWidth="")), RAMP)


def test_ct_without_a_window_shows_its_whole_scale() -> None:
    hounsfield = DEEP.astype(np.int16) - 1024
    assert_array_equal(grey(dicom(hounsfield, Modality="CT")), np.rint(DEEP / 4095 * 255))
    assert_array_equal(
        grey(dicom(DEEP, Modality="CT", RescaleSlope="1", RescaleIntercept="-1024")),
        grey(dicom(hounsfield, Modality="CT")),
    )
    low = dicom(np.full((2, 2), -3000, np.int16), Modality="CT")
    assert grey(low).max() == 0


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (16, 65535)])
def test_a_table_in_place_of_a_window(bits: int, top: int) -> None:
    """Also one of more entries than numbers of its entries' bits can count."""
    entries = (np.linspace(0, 1, 4096) ** 2 * top).astype(np.uint16)
    found = grey(dicom(DEEP, **table("VOILUTSequence", 0, bits, entries)))
    assert_array_equal(found.ravel(), entries >> (bits - 8))


def test_a_table_starts_and_ends_somewhere() -> None:
    entries = np.array([10, 20, 30], np.uint16)
    found = grey(dicom(RAMP.astype(np.int16) - 128, **table("VOILUTSequence", -1, 8, entries))).ravel()
    assert_array_equal(found, [10] * 128 + [20] + [30] * 127)


def test_a_table_of_the_modality() -> None:
    entries = np.arange(256, dtype=np.uint16)[::-1] * 257
    lut = table("ModalityLUTSequence", 0, 16, entries)
    assert_array_equal(grey(dicom(RAMP, **lut)), 255 - RAMP)
    assert_array_equal(grey(dicom(RAMP, **lut, WindowCenter="32768", WindowWidth="65536")), 255 - RAMP)


# ------------------------------------------------------------- colour


def test_colour() -> None:
    image = open_image(dicom(colours()))
    assert image.mode == "RGB"
    assert_array_equal(np.asarray(image), colours())
    assert is_coloured(image)
    planes = np.moveaxis(colours(), 2, 0).tobytes()
    assert_array_equal(np.asarray(open_image(dicom(colours(), PlanarConfiguration=1, PixelData=planes))), colours())
    deep = colours().astype(np.uint16) * 257
    assert_array_equal(np.asarray(open_image(dicom(deep))), colours())


def test_brightness_and_colour_difference() -> None:
    stored = np.asarray(Image.fromarray(colours()).convert("YCbCr"))
    found = np.asarray(open_image(dicom(stored, PhotometricInterpretation="YBR_FULL"))).astype(int)
    assert np.abs(found - colours()).max() <= 3  # whole numbers, twice rounded


@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (16, 257)])
def test_a_palette(bits: int, factor: int) -> None:
    palette = np.random.default_rng(0).integers(0, 256, (3, 256))
    elements = {}
    for name, channel in zip(("Red", "Green", "Blue"), palette, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        content = channel.astype("<u2" if bits == 16 else np.uint8) * factor
        elements[f"{name}PaletteColorLookupTableData"] = content.tobytes()
    image = open_image(dicom(RAMP, PhotometricInterpretation="PALETTE COLOR", **elements))
    assert_array_equal(np.asarray(image), np.moveaxis(palette[:, RAMP], 0, 2))


# ------------------------------------------------------------- compression


def test_run_lengths() -> None:
    for pixels in (RAMP, DEEP, colours()):
        content = dataset(pixels)
        content.compress(uid.RLELossless)
        assert_array_equal(np.asarray(open_image(written(content))), np.asarray(open_image(dicom(pixels))))


def test_jpeg() -> None:
    assert np.abs(grey(jpeg_dicom(gradient())).astype(int) - gradient()).max() <= 4
    found = np.asarray(open_image(jpeg_dicom(colours()))).astype(int)
    assert np.abs(found - colours()).max() <= 6


def test_jpeg_2000() -> None:
    for pixels in (gradient(), DEEP):
        content = encoded(Image.fromarray(pixels), "JPEG2000", irreversible=False, no_jp2=True)
        data = dicom(pixels, syntax=uid.JPEG2000Lossless, PixelData=encapsulate([content]))
        assert_array_equal(grey(data), grey(dicom(pixels)))


@pytest.mark.parametrize(
    ("syntax", "bits", "named", "package"),
    [
        (uid.JPEGLSLossless, 8, "JPEG-LS Lossless Image Compression", "pylibjpeg pylibjpeg-libjpeg"),
        (uid.JPEGLosslessSV1, 8, "JPEG Lossless, Non-Hierarchical", "pylibjpeg pylibjpeg-libjpeg"),
        (uid.JPEGExtended12Bit, 12, "JPEG Extended (Process 2 and 4)", "pylibjpeg pylibjpeg-libjpeg"),
        (uid.HTJ2KLossless, 8, "High-Throughput JPEG 2000", "pylibjpeg pylibjpeg-openjpeg"),
    ],
)
def test_compression_that_nothing_installed_reads(syntax: uid.UID, bits: int, named: str, package: str) -> None:
    pixels = RAMP if bits == 8 else DEEP
    found = reason(dicom(pixels, syntax=syntax, BitsStored=bits, PixelData=encapsulate([bytes(100)])))
    assert found.startswith(f"it is compressed as {named}")
    assert found.endswith(f"; save it uncompressed, or install what reads it: pip install {package}")


def test_compression_that_is_never_read() -> None:
    assert reason(dicom(RAMP, syntax=uid.MPEG2MPML, PixelData=encapsulate([bytes(100)]))) == (
        "it is compressed as MPEG2 Main Profile / Main Level, which is not read; save it uncompressed"
    )


def test_a_file_that_is_deflated_is_refused_before_it_is_unpacked() -> None:
    content = dataset(np.zeros((1000, 1000), np.uint8), syntax=uid.DeflatedExplicitVRLittleEndian)
    for read in (open_image, describe):
        with pytest.raises(
            DataError, match="the whole DICOM file is deflated, which is not read; save it uncompressed"
        ):
            read(written(content))


# ------------------------------------------------------------- what is refused


def test_several_frames() -> None:
    data = dicom(RAMP, NumberOfFrames=3, PixelData=RAMP.tobytes() * 3)
    assert reason(data) == "the DICOM file holds 3 pictures (frames); save those that matter one by one"
    assert_array_equal(grey(dicom(RAMP, NumberOfFrames=1)), RAMP)


def test_a_file_without_a_picture() -> None:
    assert reason(dicom(RAMP, PixelData=None)).startswith("the DICOM file holds no picture, or none of whole numbers")
    assert reason(dicom(RAMP, Rows=None, PhotometricInterpretation=None)) == (
        "the DICOM file holds no picture: it has no Rows, PhotometricInterpretation"
    )


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reason(dicom(RAMP, Rows=60_000, Columns=60_000))
    assert found == "60,000×60,000 pixels are more than 52,000,000"
    monkeypatch.setattr(decoding, "MAX_PIXELS", 256)
    assert_array_equal(grey(dicom(RAMP)), RAMP)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 255)
    assert reason(dicom(RAMP)) == "16×16 pixels are more than 255"


def test_a_compressed_picture_of_another_size() -> None:
    data = jpeg_dicom(RAMP, np.zeros((50, 40), np.uint8))
    assert reason(data) == "the DICOM file declares 16×16 pixels, its picture 40×50"


def test_colour_of_another_kind() -> None:
    assert reason(dicom(colours(), PhotometricInterpretation="HSV")) == (
        "its colours are stored as HSV; save the image as grey or RGB"
    )


def test_values_without_a_black() -> None:
    below = RAMP.astype(np.int16) - 5
    assert (
        reason(dicom(below)) == "it has values below 0 and no window (WindowCenter, WindowWidth) to say what is black"
    )
    wide = RAMP.astype(np.uint32) + 70_000
    assert reason(dicom(wide)).startswith("values from 70,000 to 70,255 have no fixed black and white")


@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleSlope": "0", "RescaleIntercept": "0", "WindowCenter": "1", "WindowWidth": "2"},
        {"RescaleSlope": "1e308", "RescaleIntercept": "0", "WindowCenter": "1e300", "WindowWidth": "1e306"},
    ],
)
def test_a_window_that_makes_no_numbers(elements: dict[str, str]) -> None:
    found = reason(dicom(RAMP, **elements))
    assert found == "its rescaling or its window (WindowCenter, WindowWidth) makes no numbers of its values"


def test_a_window_of_no_width() -> None:
    assert reason(dicom(RAMP, WindowCenter="10", WindowWidth="0")).startswith("the image is damaged: The (0028,1051)")


def test_a_file_that_was_cut_off() -> None:
    data = dicom(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    for share in (0.1, 0.3, 0.6, 0.95):
        assert reason(data[: int(share * len(data))]).startswith(("the image is damaged: ", "the DICOM file holds no"))


def test_without_pydicom_the_message_says_what_to_install(convstage) -> None:
    program = (
        "import sys; sys.modules['pydicom'] = None\n"
        "from convstage.data.images import describe, open_image\n"
        "for read in (open_image, describe):\n"
        "    try: read(bytes(128) + b'DICM' + bytes(100))\n"
        "    except ValueError as error: print(error)\n"
    )
    ended = convstage.python(program)
    message = "it is a DICOM file, which pydicom reads, and that is not installed: pip install 'convstage[dicom]'\n"
    assert (ended.returncode, ended.stdout) == (0, message * 2), ended.stderr


def test_pydicom_is_imported_for_dicom_files_only(convstage) -> None:
    assert convstage.python("import sys, convstage.data; sys.exit('pydicom' in sys.modules)").returncode == 0


def test_a_folder_of_dicom_files_is_a_folder_of_images(tmp_path) -> None:
    for name, level in (("a", 50), ("b", 200)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.dcm").write_bytes(dicom(np.full((6, 5), level, np.uint8)))
        (tmp_path / name / "2").write_bytes(encoded(Image.new("L", (5, 6), level), "PNG"))
    decoded = decode(find_source(tmp_path), Geometry(6, 5))
    assert decoded.pixels[:, 0, 0, 0].tolist() == [50, 50, 200, 200]
    assert not decoded.unreadable

"""What every decoder must do: know its files, describe them, refuse bombs, and survive any damage."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid

from convstage import DataError
from convstage.data import decoding, pillow
from convstage.data import dicom as dicom_decoder
from convstage.data.images import DECODERS, describe, is_coloured, open_image, to_pixels
from support.dicoms import dataset, dicom, jpeg_dicom, table, written
from support.pictures import colours, encoded, gradient

DEEP = gradient().astype(np.uint16) * 257


def turned(kind: str, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(colours()), kind, exif=exif, **options)


def run_lengths() -> bytes:
    content = dataset(DEEP)
    content.compress(uid.RLELossless)
    return written(content)


def animation() -> bytes:
    frames = [Image.fromarray(gradient()), Image.fromarray(255 - gradient())]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


#: Files of 12 × 10 pixels, by their decoder and format: grey, colour, palettes, 16 bits, compressed or not.
VALID: dict[tuple[str, str], list[bytes]] = {
    ("pillow", "PNG"): [
        turned("PNG"),
        encoded(Image.fromarray(gradient()).convert("P"), "PNG", transparency=3),
        encoded(Image.fromarray(DEEP), "PNG", transparency=5),
    ],
    ("pillow", "JPEG"): [turned("JPEG"), encoded(Image.fromarray(colours()).convert("CMYK"), "JPEG", progressive=True)],
    ("pillow", "BMP"): [encoded(Image.fromarray(colours()), "BMP"), encoded(Image.fromarray(gradient()), "BMP")],
    ("pillow", "TIFF"): [
        turned("TIFF"),
        encoded(Image.fromarray(DEEP), "TIFF", compression="tiff_lzw"),
        encoded(Image.fromarray(colours()), "TIFF", compression="tiff_adobe_deflate"),
        encoded(Image.fromarray((gradient() / 255).astype(np.float32)), "TIFF"),
    ],
    ("pillow", "GIF"): [animation()],
    ("pillow", "WEBP"): [turned("WEBP", lossless=True), encoded(Image.fromarray(colours()), "WEBP")],
    ("pillow", "PPM"): [encoded(Image.fromarray(DEEP), "PPM"), encoded(Image.fromarray(colours()), "PPM")],
    ("dicom", "DICOM"): [
        dicom(gradient(), WindowCenter="100", WindowWidth="200", RescaleSlope="1", RescaleIntercept="-5"),
        dicom(colours()),
        run_lengths(),
        jpeg_dicom(gradient()),
        dicom(gradient(), **table("VOILUTSequence", 0, 10, np.arange(256, dtype=np.uint16) * 4)),
    ],
}
FILES = [pytest.param(*kind, data, id=f"{kind[1]}{i}") for kind, group in VALID.items() for i, data in enumerate(group)]


# ------------------------------------------------------------- the contract


def test_every_decoder_and_every_format_is_tried_here() -> None:
    assert {name for name, _ in VALID} == set(DECODERS)
    assert {kind for name, kind in VALID if name == "pillow"} == set(pillow.FORMATS_ALLOWED)
    assert all(name == entry.name for name, entry in DECODERS.items())


@pytest.mark.parametrize(("decoder", "kind", "data"), FILES)
def test_a_decoder_knows_its_files_describes_and_decodes_them(decoder: str, kind: str, data: bytes) -> None:
    assert next(name for name, entry in DECODERS.items() if entry.sniff(data)) == decoder
    facts = describe(data)
    assert (facts.format, facts.file_bytes) == (kind, len(data))
    assert {facts.width, facts.height} == {12, 10}
    assert (facts.quality is not None) == (kind == "JPEG")
    image = open_image(data)
    assert {image.width, image.height} == {12, 10}
    assert to_pixels(image, "colour", (6, 5)).shape == (6, 5, 3)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("kind", [OSError, ValueError, KeyError, RecursionError, MemoryError, RuntimeError])
def test_whatever_a_decoder_raises_becomes_ours(name: str, kind: type[Exception], monkeypatch) -> None:
    def fail(_data: bytes) -> None:
        raise kind

    failing = decoding.Decoder(name, DECODERS[name].sniff, fail, fail)
    monkeypatch.setitem(DECODERS, name, failing)
    data = next(group[0] for (decoder, _), group in VALID.items() if decoder == name)
    for read in (open_image, describe):
        with pytest.raises(DataError) as caught:
            read(data)
        assert str(caught.value) == f"the image is damaged: {kind.__name__}"


# ------------------------------------------------------------- what the headers say


@pytest.mark.parametrize(
    ("data", "mode", "bits"),
    [
        (encoded(Image.new("1", (4, 4)), "PNG"), "1", 1),
        (encoded(Image.fromarray(gradient()), "PNG"), "L", 8),
        (encoded(Image.fromarray(DEEP), "PNG"), "I;16", 16),
        (encoded(Image.fromarray(colours()), "JPEG"), "RGB", 8),
        (encoded(Image.fromarray(DEEP), "TIFF"), "I;16", 16),
        (encoded(Image.new("I", (4, 4)), "TIFF"), "I", 32),
        (encoded(Image.new("1", (4, 4)), "TIFF"), "1", 1),
        (encoded(Image.fromarray(DEEP), "PPM"), "I", 16),
        (encoded(Image.fromarray(gradient()), "BMP"), "L", 8),
        (dicom(DEEP, BitsStored=12), "MONOCHROME2", 12),
    ],
)
def test_mode_and_bits(data: bytes, mode: str, bits: int) -> None:
    assert (describe(data).mode, describe(data).bits) == (mode, bits)


def test_the_quality_of_a_jpeg_is_its_quantisation() -> None:
    found = [describe(encoded(Image.fromarray(colours()), "JPEG", quality=q)).quality for q in (100, 95, 75, 30)]
    assert found == sorted(found)
    assert found[0] == 1
    assert found[2] == pytest.approx(29, abs=0.5)
    smooth = encoded(Image.fromarray(gradient()), "JPEG", quality=75)
    assert describe(smooth).quality == found[2]  # whatever the picture


def test_headers_are_enough() -> None:
    for data in (encoded(Image.fromarray(colours(300, 300)), "PNG"), dicom(colours(300, 300))):
        assert describe(data[: len(data) // 2]).width == 300


@pytest.mark.parametrize("data", [b"", b"no image", bytes(200), bytes(128) + b"DICM"])
def test_what_cannot_be_described(data: bytes) -> None:
    with pytest.raises(DataError):
        describe(data)


# ------------------------------------------------------------- bombs


@pytest.fixture(scope="module")
def megabytes() -> bytes:
    """Return 60 MB of zeros, compressed."""
    return zlib.compress(bytes(60_000_000), 1)


@pytest.mark.parametrize(
    ("kind", "head"),
    [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"profile\0\0")],
)
def test_a_text_or_profile_that_unpacks_to_much_is_not_unpacked(kind: bytes, head: bytes, megabytes: bytes) -> None:
    data = encoded(Image.fromarray(gradient()), "PNG")
    content = kind + head + megabytes
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    data = data[:33] + chunk + data[33:]  # after the header
    tracemalloc.start()
    try:
        image = open_image(data)
    except DataError:
        pass
    else:
        assert image.size == (10, 12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000


@pytest.mark.parametrize(("decoder", "kind", "data"), FILES)
def test_the_size_is_checked_before_anything_is_decoded(decoder: str, kind: str, data: bytes, monkeypatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 119)
    monkeypatch.setattr(pillow, "finish", lambda image: pytest.fail("decoded"))
    monkeypatch.setattr(dicom_decoder, "pixel_array", lambda dataset: pytest.fail("decoded"))
    with pytest.raises(DataError) as caught:
        open_image(data)
    assert str(caught.value).endswith("pixels are more than 119")


# ------------------------------------------------------------- damage

ALL = [data for group in VALID.values() for data in group]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@given(
    data=st.sampled_from(ALL),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
    kept=st.one_of(st.just(1.0), st.floats(0, 1)),
    doubled=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_changed_file_is_decoded_or_refused(data: bytes, edits: list, kept: float, doubled: bool) -> None:
    changed = bytearray(data)
    for place, value in edits:
        changed[int(place * len(changed))] = value
    changed = changed[: int(kept * len(changed))] * (1 + doubled)
    try:
        describe(bytes(changed))
    except DataError as error:
        assert str(error)
    try:
        image = open_image(bytes(changed))
        pixels = [to_pixels(image, channels, (6, 5)) for channels in ("colour", "grey")]
        assert is_coloured(image) in (True, False)
    except DataError as error:
        assert str(error)
    else:
        assert [part.shape for part in pixels] == [(6, 5, 3), (6, 5, 1)]

"""Valid image files of every kind that is read, small, for `mutations` to spoil.

The allow list is the program's own: a format that is added to it is covered without a word here.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from convstage.data.pillow import FORMATS_ALLOWED

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from support.dicoms import dataset, dicom, jpeg_dicom, table, written
from support.pictures import colours, encoded, gradient

HEIGHT, WIDTH = 21, 18
#: What DICOM files are called here, beside Pillow's names.
DICOM = "DICOM"
#: Compressions of TIFF for black and white alone.
BILEVEL = ("tiff_ccitt", "group3", "group4")
EXIF_ORIENTATION, TURNED = 0x0112, 6

GREY, COLOUR = gradient(HEIGHT, WIDTH), colours(HEIGHT, WIDTH)
DEEP = GREY.astype(np.uint16) * 257


def _modes() -> list[Image.Image]:
    """Return a picture in every mode that a file may have."""
    grey, colour = Image.fromarray(GREY), Image.fromarray(COLOUR)
    simple = [grey.convert(mode) for mode in ("1", "L", "LA", "P", "I", "F")]
    coloured = [colour.convert(mode) for mode in ("RGB", "RGBA", "CMYK", "YCbCr", "LAB", "P")]
    return [*simple, *coloured, Image.fromarray(DEEP), Image.fromarray((GREY / 255).astype(np.float32))]


def _metadata() -> dict[str, Any]:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURNED
    exif[0x010E] = "a description"
    return {"exif": exif, "icc_profile": bytes(range(200)), "comment": b"a comment", "dpi": (72, 72)}


def _written(image: Image.Image, kind: str, **options: Any) -> bytes | None:
    """Return an image as a file, None where the format does not have its mode or an option."""
    try:
        return encoded(image, kind, **options)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _options(kind: str) -> list[dict[str, Any]]:
    """Return the ways of a format to store a picture, beside the plain one."""
    frames = [Image.fromarray(255 - COLOUR), Image.fromarray(COLOUR[::-1].copy())]
    animated = {"save_all": True, "append_images": frames, "duration": 50}
    return {
        "PNG": [{"bits": 4}, {"transparency": 3}, animated, {"compress_level": 0}],
        "JPEG": [{"progressive": True, "quality": 50}, {"subsampling": 2, "restart_marker_rows": 1}, {"quality": 100}],
        "TIFF": [
            *({"compression": name} for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg")),
            *({"compression": name} for name in BILEVEL),
            {"big_tiff": True},
            {"tiffinfo": {278: 4}, "compression": "tiff_lzw"},
            animated,
        ],
        "GIF": [{"interlace": 0}, {"transparency": 5}, animated],
        "WEBP": [{"lossless": True}, {"quality": 30}, animated],
    }.get(kind, [])


def _fits(image: Image.Image, options: dict[str, Any]) -> bool:
    """Return whether a TIFF may be compressed so; libtiff prints when it may not."""
    compression = options.get("compression")
    if compression in BILEVEL:
        return image.mode == "1"
    return compression != "jpeg" or image.mode in ("L", "RGB", "CMYK", "YCbCr")


def _pillow(kind: str) -> list[bytes]:
    made = [_written(image, kind) for image in _modes()]
    made += [_written(image, kind, **_metadata()) for image in _modes()]
    made += [
        _written(image, kind, **options) for options in _options(kind) for image in _modes() if _fits(image, options)
    ]
    more = {"PNG": _interlaced, "TIFF": _tiled, "PPM": _plain, "BMP": _run_lengths, "JPEG": _several}
    return list(dict.fromkeys([data for data in made if data] + more.get(kind, list)()))


def _interlaced() -> list[bytes]:
    """Return a PNG file with Adam7's passes, which Pillow reads and does not write."""
    rows = b""
    for top, left, down, right in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
                                   (1, 0, 2, 1)):  # fmt: skip
        rows += b"".join(b"\0" + row.tobytes() for row in GREY[top::down, left::right] if row.size)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"tEXt", b"Comment\0words"), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return [b"\x89PNG\r\n\x1a\n" + b"".join(parts)]


def _tiled() -> list[bytes]:
    """Return a TIFF file in tiles of 16 × 16, deflated or not, which Pillow reads and does not write."""
    made = []
    padded = np.zeros((32, 32), np.uint8)
    padded[:HEIGHT, :WIDTH] = GREY
    tiles = [padded[y : y + 16, x : x + 16].tobytes() for y in (0, 16) for x in (0, 16)]
    for compression, contents in ((1, tiles), (8, [zlib.compress(tile) for tile in tiles])):
        body, starts = b"", []
        for content in contents:
            starts.append(8 + len(body))
            body += content + bytes(len(content) % 2)
        tables = struct.pack("<4I", *starts) + struct.pack("<4I", *map(len, contents))
        at = 8 + len(body)
        tags = [(256, 1, WIDTH), (257, 1, HEIGHT), (258, 1, 8), (259, 1, compression), (262, 1, 1), (277, 1, 1),
                (322, 1, 16), (323, 1, 16), (324, 4, at), (325, 4, at + 16)]  # fmt: skip
        entries = b"".join(struct.pack("<HHII", tag, 4, count, value) for tag, count, value in tags)
        made.append(
            b"II*\0" + struct.pack("<I", at + 32) + body + tables + struct.pack("<H", len(tags)) + entries + bytes(4)
        )
    return made


def _plain() -> list[bytes]:
    size = b"%d %d\n" % (WIDTH, HEIGHT)
    grey, colour = (" ".join(map(str, values.ravel().tolist())).encode() for values in (GREY, COLOUR))
    bits = b"".join(b"10"[value % 2 : value % 2 + 1] for value in GREY.ravel().tolist())
    return [
        b"P1\n# words\n" + size + bits,
        b"P2\n" + size + b"255\n" + grey,
        b"P3\n" + size + b"255\n" + colour,
        b"P5\n" + size + b"200\n" + GREY.tobytes(),
        b"P5\n" + size + b"4095\n" + DEEP.astype(">u2").tobytes(),
        b"P6\n" + size + b"100\n" + COLOUR.tobytes(),
    ]


def _run_lengths() -> list[bytes]:
    """Return a BMP file with runs of equal pixels."""
    runs = b"".join(b"".join(bytes([1, int(value)]) for value in row) + b"\0\0" for row in GREY[::-1]) + b"\0\1"
    start = 14 + 40 + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return [head + info + b"".join(bytes([n, n, n, 0]) for n in range(256)) + runs]


def _several() -> list[bytes]:
    """Return a JPEG file with another picture behind, as cameras make them."""
    first, second = Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)
    return [encoded(first, "MPO", save_all=True, append_images=[second])]


def _dicoms() -> list[bytes]:
    runs = dataset(DEEP)
    runs.compress(uid.RLELossless)
    coloured_runs = dataset(COLOUR)
    coloured_runs.compress(uid.RLELossless)
    twice = np.concatenate([GREY, GREY])
    made = [
        dicom(GREY),
        dicom(GREY, PhotometricInterpretation="MONOCHROME1"),
        dicom(COLOUR),
        dicom(DEEP, BitsStored=12, WindowCenter="100", WindowWidth="200"),
        dicom(GREY.astype(np.int16) - 90, WindowCenter="0", WindowWidth="99", RescaleSlope="2", RescaleIntercept="-9"),
        dicom(DEEP, syntax=uid.ImplicitVRLittleEndian),
        dicom(twice, Rows=HEIGHT, NumberOfFrames="2"),
        dicom(GREY, **table("VOILUTSequence", 0, 10, np.arange(256, dtype=np.uint16) * 4)),
        dicom(GREY, **table("ModalityLUTSequence", 0, 8, np.arange(256, dtype=np.uint16))),
        dicom(GREY, PixelData=encapsulate([encoded(Image.fromarray(GREY), "JPEG2000")]), syntax=uid.JPEG2000),
        written(runs),
        written(coloured_runs),
        jpeg_dicom(GREY),
        jpeg_dicom(COLOUR),
    ]
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    entries = {f"{name}PaletteColorLookupTableData": (np.arange(256, dtype=np.uint16) * 257).tobytes()
               for name in ("Red", "Green", "Blue")}  # fmt: skip
    made.append(dicom(GREY, PhotometricInterpretation="PALETTE COLOR", **palette, **entries))
    return made


def seeds() -> dict[str, list[bytes]]:
    """Return valid files by format: all of Pillow's that are allowed, and DICOM."""
    return {kind: _pillow(kind) for kind in FORMATS_ALLOWED} | {DICOM: _dicoms()}

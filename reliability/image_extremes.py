"""Files that are as costly as files can be: bombs, endless metadata, and the largest pictures of every kind.

Each is a function without arguments that returns the content of a file; `EXTREMES` has them by name.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from convstage.data import decoding
from convstage.data.pillow import FORMATS_ALLOWED, MAX_PIXELS_OF, MAX_SCANS
from image_seeds import GREY, dataset, dicom, encoded, written

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Bytes of endless metadata: less than the largest file that is read.
ENDLESS = 48 * 2**20
#: The longest side that every format has.
LONGEST_SIDE = 16_383

Make = Callable[[], bytes]


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*before: bytes, width: int = 18, height: int = 21, bits: int = 8, colour: int = 0) -> bytes:
    """Return a black PNG file with other chunks before its pixels."""
    row = b"\0" + bytes((width * bits * {0: 1, 2: 3, 3: 1, 6: 4}[colour] + 7) // 8)
    pack = zlib.compressobj(1)
    content = b"".join([*(pack.compress(row) for _ in range(height)), pack.flush()])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"".join([PNG_SIGNATURE, header, *before, chunk(b"IDAT", content), chunk(b"IEND")])


def _repeated(part: bytes) -> bytes:
    return part * (ENDLESS // len(part))


def empty_pixel_chunks() -> bytes:
    whole = png()
    place = whole.index(b"IDAT") - 4
    return whole[:place] + _repeated(chunk(b"IDAT")) + whole[place:]


def chunks_behind() -> bytes:
    return png()[:-12] + _repeated(chunk(b"prVt")) + chunk(b"IEND")


def unpacked_text(kind: bytes, head: bytes) -> bytes:
    return png(chunk(kind, head + zlib.compress(bytes(200 * 2**20), 9)))


def jpeg(*segments: bytes) -> bytes:
    """Return a JPEG file with other segments before its own."""
    whole = encoded(Image.fromarray(GREY), "JPEG")
    return whole[:2] + b"".join(segments) + whole[2:]


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def scans(count: int) -> bytes:
    """Return a progressive JPEG whose many short scans each go over all of the largest picture."""
    side = _side(decoding.MAX_PIXELS)
    buffer = BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "JPEG", progressive=True)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * count + whole[-2:]


def tiff(tags: list[tuple[int, int, int, int]], body: bytes = b"") -> bytes:
    """Return a TIFF file of `body` (which begins at 8) and one directory of (tag, type, count, value)."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + bytes(4)


def _plain_tags(width: int, height: int) -> list[tuple[int, int, int, int]]:
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]


def overlapping_tags() -> bytes:
    body = bytes(18 * 21) + bytes(ENDLESS // 4)
    more = [(30_000 + n, 1, len(body) - 8, 8) for n in range(30_000)]
    return tiff([*_plain_tags(18, 21), (273, 4, 1, 8), (278, 4, 1, 21), (279, 4, 1, 18 * 21), *more], body)


def large_tiles(compression: int) -> bytes:
    """Return a tiny picture in one tile of 65,536 × 65,536."""
    content = zlib.compress(bytes(1 << 20), 9)
    tags = [tag for tag in _plain_tags(18, 21) if tag[0] != 259] + [(259, 3, 1, compression)]
    return tiff([*tags, (322, 4, 1, 65_536), (323, 4, 1, 65_536), (324, 4, 1, 8), (325, 4, 1, len(content))], content)


def many_strips() -> bytes:
    """Return a picture of one column, a strip for each of its rows, all of them the same byte."""
    rows = 8_000_000
    body = struct.pack("<I", 8) * rows
    return tiff([*_plain_tags(1, rows), (273, 4, rows, 8), (278, 4, 1, 1), (279, 4, 1, 1)], body)


def many_samples() -> bytes:
    tags = [tag for tag in _plain_tags(2000, 2000) if tag[0] not in (258, 277)]
    body = struct.pack("<H", 8) * 65_535
    more = [(258, 3, 65_535, 8), (277, 3, 1, 65_535), (273, 4, 1, 8), (278, 4, 1, 2000), (279, 4, 1, len(body))]
    return tiff([*tags, *more], body)


def overlapping_exif() -> bytes:
    entries = b"".join(struct.pack("<HHII", 1000 + n, 1, 60_000, 8) for n in range(4000))
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 4000) + entries + bytes(4)
    return jpeg(segment(0xE1, block), *[segment(0xE1, b"Exif\0\0" + bytes(65_000))] * 200)


def exif_in_many_segments() -> bytes:
    return jpeg(*[segment(0xE1, b"Exif\0\0" + bytes(65_000))] * (ENDLESS // 65_000))


def gif_comments() -> bytes:
    whole = encoded(Image.fromarray(GREY), "GIF")
    place = whole.index(b"\x2c", 13 + 3 * (2 << (whole[10] & 7)))
    return whole[:place] + b"!\xfe" + _repeated(b"\xff" + b"x" * 255) + b"\0" + whole[place:]


def gif_extensions() -> bytes:
    whole = encoded(Image.fromarray(GREY), "GIF")
    place = whole.index(b"\x2c", 13 + 3 * (2 << (whole[10] & 7)))
    return whole[:place] + _repeated(b"!\x01\0") + whole[place:]


def many_frames() -> bytes:
    frames = [Image.fromarray(GREY + number % 3) for number in range(3000)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def dicom_elements() -> bytes:
    whole = dicom(GREY)
    place = whole.index(b"\x28\x00\x02\x00US")  # before SamplesPerPixel
    element = struct.pack("<HH2sH", 0x0011, 0x1000, b"LO", 2) + b"x "
    return whole[:place] + _repeated(element) + whole[place:]


def dicom_sequence(name: str) -> bytes:
    """Return a table of levels with as many elements as fit in."""
    group, element = {"VOILUTSequence": (0x28, 0x3010), "ModalityLUTSequence": (0x28, 0x3000)}[name]
    whole = dicom(GREY)
    place = whole.index(b"\xe0\x7f\x10\x00")
    items = _repeated(struct.pack("<HHI", 0xFFFE, 0xE000, 10) + struct.pack("<HH2sH", 0x28, 0x3003, b"LO", 2) + b"x ")
    return whole[:place] + struct.pack("<HH2sHI", group, element, b"SQ", 0, len(items)) + items + whole[place:]


def dicom_depth() -> bytes:
    whole = dicom(GREY)
    place = whole.index(b"\x28\x00\x02\x00US")
    sequence = struct.pack("<HH2sHI", 0x11, 0x1010, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return whole[:place] + (sequence + item) * 100_000 + whole[place:]


def _side(pixels: int) -> int:
    return min(LONGEST_SIDE, int(pixels**0.5))


#: Every mode, with how a file of it is saved fast.
MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB")
FAST: dict[str, list[dict[str, Any]]] = {
    "PNG": [{"compress_level": 1}],
    "JPEG": [{}, {"progressive": True, "subsampling": 0}],
    "TIFF": [{"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}],
    "WEBP": [{"method": 0, "quality": 1}, {"lossless": True, "method": 0, "quality": 0}],
}


def _largest() -> Iterator[tuple[str, Make]]:
    for kind in FORMATS_ALLOWED:
        for number, options in enumerate(FAST.get(kind, [{}])):
            seen = set()
            for mode in MODES:
                try:
                    small = encoded(Image.new(mode, (8, 8)), kind, **options)
                except (OSError, ValueError, KeyError):
                    continue
                if small in seen:  # the format has converted it
                    continue
                seen.add(small)
                yield f"largest {kind} {mode} {number}", partial(_large, kind, mode, options)


def _large(kind: str, mode: str, options: dict[str, Any]) -> bytes:
    side = _side(MAX_PIXELS_OF.get(kind, decoding.MAX_PIXELS))
    image = Image.new(mode, (side, side))
    if mode in ("L", "RGB"):  # something that is not the same everywhere
        image.paste(Image.radial_gradient("L").resize((side // 2, side // 2)), (side // 4, side // 4))
    return encoded(image, kind, **options)


def _dicom(kind: str) -> bytes:
    side = _side(decoding.MAX_PIXELS) // 2 * 2
    grey = np.zeros((side, side), np.uint16)
    if kind == "window":
        return dicom(grey, WindowCenter="100", WindowWidth="300", RescaleSlope="1.5", RescaleIntercept="-3")
    if kind == "white":
        return dicom(grey, PhotometricInterpretation="MONOCHROME1")
    if kind == "colour":
        return dicom(np.zeros((side, side, 3), np.uint8))
    content = dataset(grey[:8, :8], Rows=side, Columns=side, WindowCenter="100", WindowWidth="300")
    content.file_meta.TransferSyntaxUID = uid.RLELossless
    # Runs of 128 zeros; each row begins a new one.
    row = b"\x81\0" * (side // 128) + (bytes([257 - side % 128, 0]) if side % 128 > 1 else b"\0\0" * (side % 128))
    half = row * side
    frame = struct.pack("<16I", 2, 64, 64 + len(half), *[0] * 13) + half * 2
    content.PixelData = encapsulate([frame + bytes(len(frame) % 2)])
    content["PixelData"].VR = "OB"
    return written(content)


def _numbers(magic: bytes, largest: int, share: float = 1.0) -> bytes:
    """Return a PNM file whose numbers are text, or whose largest is none of 255 and 65,535."""
    side = _side(int(decoding.MAX_PIXELS * share))
    head = b"%s %d %d %d\n" % (magic, side, side, largest)
    values = side * side * (3 if magic in (b"P3", b"P6") else 1)
    if magic == b"P1":
        return b"P1 %d %d\n" % (side, side) + b"1" * values
    if magic in (b"P2", b"P3"):
        return head + b"7 " * values
    return head + bytes(values * (2 if largest > 255 else 1))


EXTREMES: dict[str, Make] = {
    "PNG empty chunks": lambda: png(_repeated(chunk(b"prVt"))),
    "PNG texts": lambda: png(_repeated(chunk(b"tEXt", b"a\0b"))),
    "PNG empty pixel chunks": empty_pixel_chunks,
    "PNG chunks behind": chunks_behind,
    "PNG zTXt": partial(unpacked_text, b"zTXt", b"Comment\0\0"),
    "PNG iTXt": partial(unpacked_text, b"iTXt", b"Comment\0\1\0\0\0"),
    "PNG iCCP": partial(unpacked_text, b"iCCP", b"profile\0\0"),
    "PNG large palette": lambda: png(chunk(b"PLTE", bytes(ENDLESS)), colour=3),
    "PNG exif": lambda: png(chunk(b"eXIf", overlapping_tags())),
    "PNG raw profile": lambda: png(
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n5\n" + b"ab" * 400_000))
    ),
    "PNG 60,000 × 60,000": lambda: png(width=60_000, height=60_000, bits=1),
    "JPEG scans": partial(scans, MAX_SCANS - 10),
    "JPEG endless scans": partial(scans, 3000),
    "JPEG empty segments": lambda: jpeg(_repeated(segment(0xFE, b""))),
    "JPEG comments": lambda: jpeg(_repeated(segment(0xFE, bytes(65_000)))),
    "JPEG tables": lambda: jpeg(_repeated(segment(0xDB, bytes(65)))),
    "JPEG exif in many segments": exif_in_many_segments,
    "JPEG overlapping exif": overlapping_exif,
    "JPEG profiles": lambda: jpeg(_repeated(segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000)))),
    "JPEG fill bytes": lambda: jpeg(b"\xff" * ENDLESS),
    "TIFF overlapping tags": overlapping_tags,
    "TIFF large tile": partial(large_tiles, 1),
    "TIFF large packed tile": partial(large_tiles, 8),
    "TIFF strips": many_strips,
    "TIFF samples": many_samples,
    "GIF comments": gif_comments,
    "GIF extensions": gif_extensions,
    "GIF frames": many_frames,
    "PPM white space": lambda: b"P5" + b" " * ENDLESS + b"1 1 255\n0",
    "PPM comments": lambda: b"P5" + b"\n#x" * (ENDLESS // 3) + b"\n1 1 255\n0",
    "PPM text bits": partial(_numbers, b"P1", 1),
    "PPM text grey": partial(_numbers, b"P2", 255),
    "PPM text colour": partial(_numbers, b"P3", 255),
    "PPM text comments": lambda: b"P2 18 21 255\n" + b"#\n" * (ENDLESS // 2) + b"1 " * 400,
    "PPM 12 bits": partial(_numbers, b"P5", 4095),
    "PPM other colour": partial(_numbers, b"P6", 100),
    "DICOM elements": dicom_elements,
    "DICOM table of levels": partial(dicom_sequence, "VOILUTSequence"),
    "DICOM table of the modality": partial(dicom_sequence, "ModalityLUTSequence"),
    "DICOM depth": dicom_depth,
    **{f"largest DICOM {kind}": partial(_dicom, kind) for kind in ("window", "white", "colour", "runs")},
    **dict(_largest()),
}  # fmt: skip

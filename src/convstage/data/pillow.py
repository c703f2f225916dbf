"""Everything that Pillow decodes, from an allow list: the decoder of all image files but DICOM."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from contextlib import suppress
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError, _imaging

from ..errors import DataError
from ..text import memory
from . import decoding
from .decoding import ImageFacts, Metered, check_size
from .levels import from_fractions, from_integers, parts

#: What is decoded; Pillow knows many more formats, and more than one of them was an attack's way in.
FORMATS_ALLOWED = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
#: EXIF orientation -> what turns the picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Bits of one value, by mode; all other modes have 8.
BITS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16B": 16, "I;16L": 16, "I;16N": 16}
#: Where a PNG file says how many bits a value has.
PNG_DEPTH = 24
#: A JPEG may go over its picture so often; encoders make about ten such scans. Each takes time, however short it is.
MAX_SCANS = 64
#: What begins a part of a JPEG: all markers but those within the pixels, and those without a length.
JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
START_OF_SCAN, END_OF_IMAGE = b"\xda", b"\xd9"
#: Fewer pixels than of others: libwebp keeps five copies of a picture while it decodes.
MAX_PIXELS_OF = {"WEBP": 32_000_000}
#: A PPM file whose numbers are text may be so long: Pillow reads them in Python, one by one.
MAX_TEXT = 16 * 2**20
#: Where a TIFF has the height and the width of its tiles.
TILE_SIDES = (322, 323)

# What Pillow and libtiff find odd about a file is nothing to a user who trains on ten thousand of them; errors are
# ours to tell.
warnings.filterwarnings("ignore", module=r"PIL\b")
logging.getLogger("PIL").addHandler(logging.NullHandler())
# libtiff prints what Pillow then raises, unless it is told not to; where it is not a library of its own, it prints.
with suppress(AttributeError, OSError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def describe(data: bytes) -> ImageFacts:
    """Return what the headers say; see `ImageFacts`."""
    image = _open(data)
    kind = "JPEG" if image.format == "MPO" else str(image.format)  # which is a JPEG with more pictures behind
    tables = getattr(image, "quantization", None)
    return ImageFacts(
        format=kind,
        mode=image.mode,
        width=image.width,
        height=image.height,
        bits=data[PNG_DEPTH] if kind == "PNG" else _bits(image),
        quality=float(np.mean(tables[min(tables)])) if tables else None,
        file_bytes=len(data),
    )


def decode(data: bytes) -> Image.Image:
    """Decode an image file completely; see `finish`."""
    image = _open(data)
    levels = _other_levels(image, data)
    return finish(image) if levels is None else levels


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the headers, and refuse what is too large, or takes too long, by what they declare."""
    file = Metered(data)
    try:
        image = Image.open(file, formats=FORMATS_ALLOWED)
    except UnidentifiedImageError:
        # Pillow tries one format after the other, and passes over what they raise.
        if file.is_exhausted:
            raise DataError(decoding.TOO_MANY) from None
        raise DataError(f"no image, or none of {', '.join(FORMATS_ALLOWED)} and DICOM") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"it has more than {decoding.MAX_PIXELS:,} pixels") from None
    check_size(*image.size)
    check_cost(image, data)
    file.pixels_follow()
    return image


def check_cost(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse what takes far more time or memory than a picture of its size."""
    pixels, most = image.width * image.height, MAX_PIXELS_OF.get(str(image.format), decoding.MAX_PIXELS)
    if pixels > most:
        raise DataError(
            f"{image.width:,}×{image.height:,} pixels are more than the {most:,} that {image.format} may have"
        )
    if image.format in ("JPEG", "MPO") and _scans(data) > MAX_SCANS:
        raise DataError(f"it goes over its picture more than {MAX_SCANS} times; save the image anew")
    tile = [_tag(image, side) for side in TILE_SIDES]
    if all(isinstance(side, int) for side in tile) and tile[0] * tile[1] > decoding.MAX_PIXELS:  # type: ignore[operator]
        raise DataError(f"its tiles of {tile[0]:,}×{tile[1]:,} pixels are too large; save the image anew")
    if image.format == "PPM" and data[1:2] in b"123" and (len(data) > MAX_TEXT or data.count(b"#") > MAX_SCANS):
        raise DataError(
            f"its numbers are text, which is read up to {memory(MAX_TEXT)} and {MAX_SCANS} comments; save it as binary"
        )


def _scans(data: bytes) -> int:
    """Return how often a JPEG goes over its picture, counted up to one more than it may (ITU-T T.81, B.1.1)."""
    place, scans = 2, 0
    while scans <= MAX_SCANS and (marker := JPEG_MARKER.search(data, place)) and marker[1] != END_OF_IMAGE:
        scans += marker[1] == START_OF_SCAN
        place = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans


def _other_levels(image: ImageFile.ImageFile, data: bytes) -> Image.Image | None:
    """Return a binary PPM file whose largest number is none of 255 and 65,535; None for everything else.

    Pillow reads those in Python, a microsecond for each number. The levels are Pillow's.
    """
    if image.format != "PPM" or image.tile[0].codec_name != "ppm":
        return None
    _, largest = cast(tuple[str, int], image.tile[0].args)
    shape = (image.height, image.width, len(image.getbands()))
    top, stored = (255, np.dtype(np.uint8)) if largest < 256 else (65_535, np.dtype(">u2"))
    count, start = int(np.prod(shape)), image.tile[0].offset
    if len(data) - start < count * stored.itemsize:
        raise DataError("the image is damaged: image file is truncated")
    values = np.frombuffer(data, stored, count, start).reshape(shape)
    table = np.minimum(np.rint(np.arange(top + 1) / largest * top), top).astype(np.uint16)
    table = (table if top == 255 else table >> 8).astype(np.uint8)
    levels = np.empty(shape, np.uint8)
    for part, made in zip(parts(values), parts(levels), strict=True):
        made[...] = table[part]
    return Image.fromarray(levels[:, :, 0] if shape[2] == 1 else levels)


def finish(image: Image.Image) -> Image.Image:
    """Decode an image completely, bring it to 8 bits per channel, and turn it as its EXIF data say.

    Damaged EXIF data turn nothing. Once more changes nothing.
    """
    image.load()  # which turns a TIFF by itself
    if image.mode in ("P", "PA") and image.palette is None:
        raise DataError("the image is damaged: its palette is missing")
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's reader of EXIF data raises as many kinds as its decoders; the picture itself is fine
        turn = None
    image = eight_bits(image)
    if turn is None:
        return image
    turned = image.transpose(turn)
    # All else in there may say once more that it is to be turned.
    turned.info = {key: value for key, value in image.info.items() if key == "transparency"}
    return turned


def eight_bits(image: Image.Image) -> Image.Image:
    """Return grey of more than 8 bits in 8, which Pillow's own conversion clips to white; all else as it is."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = _values(image)
    levels = from_fractions(values) if image.mode == "F" else from_integers(values, _declared_bits(image))
    grey = Image.fromarray(levels)
    if _tag(image, ExifTags.Base.PhotometricInterpretation) == 0:  # 0 is white: Pillow minds that up to 8 bits only
        grey = ImageOps.invert(grey)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, np.uint8(0), np.uint8(255))))
    return grey


def _values(image: Image.Image) -> npt.NDArray[Any]:
    """Return the values of a grey image, shape (height, width); some rows at a time, as Pillow copies them twice."""
    values = np.empty((image.height, image.width), np.asarray(image.crop((0, 0, 1, 1))).dtype)
    top = 0
    for part in parts(values):
        part[...] = np.asarray(image.crop((0, top, image.width, top + len(part))))
        top += len(part)
    return values


def _declared_bits(image: Image.Image) -> int | None:
    """Return how many bits the values fill, where the file can be believed: 16 are often 8 or 12 in truth."""
    bits = _bits(image)
    return bits if 8 < bits < 16 or image.format == "PPM" else None


def _bits(image: Image.Image) -> int:
    """Return how many bits a value has in the file."""
    if image.format == "PPM" and image.mode == "I":
        return 16  # it names its largest value, to which Pillow has scaled
    samples = _tag(image, ExifTags.Base.BitsPerSample)
    return max(samples) if isinstance(samples, tuple) else BITS.get(image.mode, 8)


def _tag(image: Image.Image, tag: int) -> object:
    """Return a tag of a TIFF, or None."""
    return getattr(image, "tag_v2", {}).get(tag)

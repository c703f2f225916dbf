"""Everything that Pillow decodes, from an allow list: the decoder of all image files but DICOM."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import DataError
from . import decoding
from .decoding import ImageFacts, check_size
from .levels import from_fractions, from_integers

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
    return finish(_open(data))


def _open(data: bytes) -> Image.Image:
    """Read the headers, and refuse what is too large by what they declare."""
    try:
        image = Image.open(BytesIO(data), formats=FORMATS_ALLOWED)
    except UnidentifiedImageError:
        raise DataError(f"no image, or none of {', '.join(FORMATS_ALLOWED)} and DICOM") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"it has more than {decoding.MAX_PIXELS:,} pixels") from None
    check_size(*image.size)
    return image


def finish(image: Image.Image) -> Image.Image:
    """Decode an image completely, bring it to 8 bits per channel, and turn it as its EXIF data say.

    Damaged EXIF data turn nothing. Once more changes nothing.
    """
    try:
        image.load()  # which turns a TIFF by itself
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error, and more
        raise DataError(f"the image is damaged: {error}") from None
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's reader of EXIF data raises as many kinds; the picture itself is fine
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
    values = np.asarray(image)
    levels = from_fractions(values) if image.mode == "F" else from_integers(values, _declared_bits(image))
    grey = Image.fromarray(levels)
    if _tag(image, ExifTags.Base.PhotometricInterpretation) == 0:  # 0 is white: Pillow minds that up to 8 bits only
        grey = ImageOps.invert(grey)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, np.uint8(0), np.uint8(255))))
    return grey


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

"""Image files -> upright pixels. The one place that decodes, and that turns any decoder's error into ours."""

from __future__ import annotations

from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import DataError

#: What is decoded; Pillow knows many more formats, and more than one of them was an attack's way in.
FORMATS_ALLOWED = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
#: A larger picture is taken for a decompression bomb; a little above, Pillow warns on its own.
MAX_PIXELS = 89_000_000
#: Grey value from which a pixel of a binary image is 1.
BINARY_THRESHOLD = 128
#: The channels of a grey picture that was saved as a colour JPEG differ by this much at most.
GREY_TOLERANCE = 8
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

Channels = Literal["binary", "grey", "colour"]
Resize = Literal["stretch", "crop", "pad"]
Pixels = npt.NDArray[np.uint8]


def open_image(data: bytes) -> Image.Image:
    """Decode an image file completely and turn it upright as its EXIF data says.

    Raises
    ------
    DataError
        With the reason, in words: empty, no image, truncated, too large, damaged.
    """
    if not data:
        raise DataError("the file is empty")
    try:
        image = Image.open(BytesIO(data), formats=FORMATS_ALLOWED)
        if image.width * image.height > MAX_PIXELS:
            raise DataError(f"{image.width:,}×{image.height:,} pixels are more than {MAX_PIXELS:,}")
        return upright(image)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"no image, or none of {', '.join(FORMATS_ALLOWED)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"it has more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # as in `upright`
        raise DataError(f"the image is damaged: {error}") from None


def upright(image: Image.Image) -> Image.Image:
    """Decode an image completely and turn it as its EXIF data says; damaged EXIF data turn nothing."""
    try:
        image.load()  # which turns a TIFF by itself
    except Exception as error:  # decoders raise OSError, ValueError, SyntaxError, struct.error, and more
        raise DataError(f"the image is damaged: {error}") from None
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow's reader of EXIF data raises as many kinds; the picture itself is fine
        return image
    if turn is None:
        return image
    turned = image.transpose(turn)
    # All else in there may say once more that it is to be turned.
    turned.info = {key: value for key, value in image.info.items() if key == "transparency"}
    return turned


def to_pixels(image: Image.Image, channels: Channels, size: tuple[int, int], resize: Resize = "stretch") -> Pixels:
    """Return an image as a matrix of pixels.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode; transparent parts become white.
    channels : {"binary", "grey", "colour"}
        Black and white (0 or 255), 256 levels of grey, or red, green and blue.
    size : (int, int)
        Height and width.
    resize : {"stretch", "crop", "pad"}
        Fill the whole size, or keep the proportions: cut off what stands out, or add black.

    Returns
    -------
    ndarray of uint8, shape (height, width, 1 or 3)
    """
    image = _eight_bit(image, "RGB" if channels == "colour" else "L")
    target = (size[1], size[0])
    if image.size != target:
        method = Image.Resampling.BILINEAR
        if resize == "crop":
            image = ImageOps.fit(image, target, method)
        elif resize == "pad":
            share = min(target[0] / image.width, target[1] / image.height)
            inner = image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))), method)
            image = Image.new(image.mode, target)
            image.paste(inner, ((target[0] - inner.width) // 2, (target[1] - inner.height) // 2))
        else:
            image = image.resize(target, method)
    pixels = np.asarray(image, dtype=np.uint8)
    if channels == "binary":
        pixels = np.where(pixels >= BINARY_THRESHOLD, np.uint8(255), np.uint8(0))
    return pixels.reshape(*size, -1)


def is_coloured(image: Image.Image) -> bool:
    """Return whether an image has colour; a grey picture in a colour file has none."""
    if image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16"):
        return False
    small = _eight_bit(image, "RGB") if image.mode == "PA" else image.copy()  # an average of palette indices is none
    small.thumbnail((128, 128))
    rgb = np.asarray(_eight_bit(small, "RGB"), dtype=np.int16)
    return bool((np.ptp(rgb, axis=2) > GREY_TOLERANCE).mean() > 0.01)


def from_array(array: npt.NDArray[Any]) -> Image.Image:
    """Return an array as an image: (H, W), (H, W, 1) or (H, W, 3); uint8, uint16, bool, or float in 0..1.

    Raises
    ------
    DataError
        Another shape or type, or floats outside 0..1.
    """
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise DataError(f"an image must be (height, width), with 1 or 3 channels behind; got shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        if not (array.min() >= 0 and array.max() <= 1):
            raise DataError("an image of floats must lie in 0..1, without NaN")
        array = np.rint(array * 255)
    elif array.dtype == np.bool_:
        array = array * np.uint8(255)
    elif np.issubdtype(array.dtype, np.uint16):
        array = array >> 8
    elif not np.issubdtype(array.dtype, np.integer) or not (array.min() >= 0 and array.max() <= 255):
        raise DataError(f"an image must be uint8, uint16, bool or float in 0..1; got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array, dtype=np.uint8))


def _eight_bit(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Return the image in 8 bits per channel; Pillow's own conversion clips 16-bit grey to white."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        levels = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert(mode)
    if image.mode == "F":
        raise DataError("floating-point pixels have no fixed range; save the image as 8 or 16 bits")
    try:
        if image.mode == "LAB":  # which Pillow converts to RGB only
            image = image.convert("RGB")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image if image.mode == mode else image.convert(mode)
    except ValueError:
        raise DataError(f"pixels of mode {image.mode} cannot be read; save the image as grey or RGB") from None

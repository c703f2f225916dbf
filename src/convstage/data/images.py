"""Image files -> upright pixels: the one way in, whichever decoder a file needs.

To read another kind of file, put a `Decoder` into `DECODERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ..errors import DataError
from . import pillow
from .decoding import Decoder, ImageFacts, as_data_error
from .levels import AT_ONCE, from_fractions, from_integers

#: Grey value from which a pixel of a binary image is 1.
BINARY_THRESHOLD = 128
#: The channels of a grey picture that was saved as a colour JPEG differ by this much at most.
GREY_TOLERANCE = 8

Channels = Literal["binary", "grey", "colour"]
Resize = Literal["stretch", "crop", "pad"]
Pixels = npt.NDArray[np.uint8]
T = TypeVar("T")


def _dicom() -> ModuleType:
    """Return the decoder of DICOM files, which needs a library of its own, only when there is one to read."""
    try:
        from . import dicom
    except ModuleNotFoundError:
        raise DataError(
            "it is a DICOM file, which pydicom reads, and that is not installed: pip install 'convstage[dicom]'"
        ) from None
    return dicom


#: Every decoder, by name; the first that knows a file by its content reads it.
DECODERS: dict[str, Decoder] = {
    entry.name: entry
    for entry in (
        Decoder(
            "dicom",
            sniff=lambda data: data[128:132] == b"DICM",
            describe=lambda data: _dicom().describe(data),
            decode=lambda data: _dicom().decode(data),
        ),
        Decoder("pillow", sniff=lambda data: True, describe=pillow.describe, decode=pillow.decode),  # noqa: ARG005
    )
}


def open_image(data: bytes) -> Image.Image:
    """Decode an image file completely: 8 bits per channel, upright as its EXIF data say.

    Raises
    ------
    DataError
        With the reason, in words: empty, no image, truncated, too large, damaged.
    """
    return _with_decoder(data, lambda decoder: decoder.decode(data))


def describe(data: bytes) -> ImageFacts:
    """Return what the headers of an image file say; no pixel is decoded.

    Raises
    ------
    DataError
        As `open_image`, as far as the headers show it.
    """
    return _with_decoder(data, lambda decoder: decoder.describe(data))


def _with_decoder(data: bytes, task: Callable[[Decoder], T]) -> T:
    if not data:
        raise DataError("the file is empty")
    with as_data_error():
        return task(next(decoder for decoder in DECODERS.values() if decoder.sniff(data)))


def upright(image: Image.Image) -> Image.Image:
    """Return an image that somebody opened with Pillow as `open_image` would: complete, 8 bits, upright."""
    with as_data_error():
        return pillow.finish(image)


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
    image = _flat(image, "RGB" if channels == "colour" else "L")
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
    with as_data_error():
        small = _flat(image, "RGB") if image.mode == "PA" else image.copy()  # an average of palette indices is none
        small.thumbnail((128, 128))
        rgb = np.asarray(_flat(small, "RGB"), dtype=np.int16)
    return bool((np.ptp(rgb, axis=2) > GREY_TOLERANCE).mean() > 0.01)


def from_array(array: npt.NDArray[Any]) -> Image.Image:
    """Return an array as an image: (H, W), (H, W, 1) or (H, W, 3); whole numbers, bool, or floats in 0..1.

    Of whole numbers above 255, up to 65,535, `from_integers` makes 8 bits, as it does of files.

    Raises
    ------
    DataError
        Another shape or type, or values that lie outside.
    """
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise DataError(f"an image must be (height, width), with 1 or 3 channels behind; got shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating):
        array = from_fractions(array)
    elif array.dtype == np.bool_:
        array = array * np.uint8(255)
    elif np.issubdtype(array.dtype, np.integer):
        array = from_integers(array)
    else:
        raise DataError(f"an image must be whole numbers, bool, or floats in 0..1; got {array.dtype}")
    return Image.fromarray(np.ascontiguousarray(array))


def _flat(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    """Return the image as grey or as colour, transparent parts white."""
    with as_data_error():
        image = pillow.eight_bits(image)
        try:
            if image.mode == "LAB":  # which Pillow converts to RGB only
                image = image.convert("RGB")
            if image.has_transparency_data:
                return _on_white(image, mode)
            return image if image.mode == mode else image.convert(mode)
        except ValueError:
            raise DataError(f"pixels of mode {image.mode} cannot be read; save the image as grey or RGB") from None


def _on_white(image: Image.Image, mode: str) -> Image.Image:
    """Return an image laid on white; some rows at a time, since all of it would be in memory four times."""
    flat = Image.new(mode, image.size)
    rows = max(1, AT_ONCE // image.width)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height))).convert("RGBA")
        flat.paste(Image.alpha_composite(Image.new("RGBA", part.size, "white"), part).convert(mode), (0, top))
    return flat

"""What the decoders share: what they say of a file, what they are asked for, and the largest picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from ..errors import DataError

#: A larger picture is taken for a decompression bomb; a little above, Pillow warns on its own.
MAX_PIXELS = 89_000_000


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the headers of an image file say; no pixel is decoded for it.

    Attributes
    ----------
    format : str
        ``PNG``, ``JPEG``, …, or ``DICOM``.
    mode : str
        How colour is stored: Pillow's name of the mode, or DICOM's photometric interpretation.
    width, height : int
        As stored: an EXIF orientation has not turned them.
    bits : int
        Bits of one value, as the file declares them.
    quality : float or None
        Of a JPEG, the mean of its luminance quantisation table: 1 is the finest, quality 75 is
        about 29, and files from one encoder at one setting agree. None for everything else.
    file_bytes : int
        Length of the file.
    """

    format: str
    mode: str
    width: int
    height: int
    bits: int
    quality: float | None
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Decoder:
    """A reader of image files: what it is called, how it knows its files, what it does with them.

    `describe` and `decode` take the content of a whole file. They may raise anything: `images`
    makes a `DataError` of it. `decode` returns 8 bits per channel, upright.
    """

    name: str
    sniff: Callable[[bytes], bool]
    describe: Callable[[bytes], ImageFacts]
    decode: Callable[[bytes], Image.Image]


def check_size(width: int, height: int) -> None:
    """Refuse a picture of more than `MAX_PIXELS`, by what its header declares."""
    if width * height > MAX_PIXELS:
        raise DataError(f"{width:,}×{height:,} pixels are more than {MAX_PIXELS:,}")

"""What the decoders share: what they say of a file, what they are asked for, and the largest picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from ..errors import DataError
from ..text import cut

#: A larger picture is taken for a decompression bomb. Of this size, which cameras of 50 megapixels stay below, one of
#: any kind is decoded within 1 GiB, all of the program included.
MAX_PIXELS = 52_000_000
#: Headers and metadata are read in at most so many pieces, and have at most so many bytes: what has more is made to
#: take time, since decoders handle each piece in Python.
MAX_PIECES, MAX_METADATA = 50_000, 16 * 2**20
#: So many pieces more may be read for the pixels.
MAX_PIXEL_PIECES = 500_000
TOO_MANY = "it has far more metadata, or parts, than a picture needs; save the image anew"
#: Characters of a decoder's own words that are passed on.
LONGEST_REASON = 200


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

    `describe` and `decode` take the content of a whole file. They may raise anything: `as_data_error`
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


@contextmanager
def as_data_error() -> Iterator[None]:
    """Turn whatever a decoder raises into a `DataError`: the one place that does.

    Decoders raise OSError, ValueError, SyntaxError, AssertionError, struct.error, MemoryError, and more.
    """
    try:
        yield
    except Exception as error:
        # Both may quote the file.
        words = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(str(error).split()))
        words = cut(words, LONGEST_REASON) or type(error).__name__
        raise DataError(words if isinstance(error, DataError) else f"the image is damaged: {words}") from None


class Metered(BytesIO):
    """The content of a file, of which a decoder may read so much and no more.

    Parameters
    ----------
    content : bytes
        Of the whole file.
    whole : bool
        Whether the pixels are read with the metadata, in no more pieces.

    Reading more than `MAX_PIECES` or `MAX_METADATA` is a `DataError`, until `pixels_follow` is called.
    """

    def __init__(self, content: bytes, *, whole: bool = False) -> None:
        super().__init__(content)
        self._pieces, self._bytes = MAX_PIECES, MAX_METADATA + (2 * len(content) if whole else 0)

    @property
    def is_exhausted(self) -> bool:
        """Whether more was read than may be."""
        return self._pieces < 0 or self._bytes < 0

    def pixels_follow(self) -> None:
        """Allow to read the whole file, once or twice, in `MAX_PIXEL_PIECES`."""
        self._pieces, self._bytes = MAX_PIXEL_PIECES, MAX_METADATA + 2 * len(self.getbuffer())

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self._pieces -= 1
        # Decoders in C ask for all at once, and take what they need.
        if size is not None and size >= 0:
            self._bytes -= len(piece)
        if self.is_exhausted:
            raise DataError(TOO_MANY)
        return piece

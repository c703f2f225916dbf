"""What a client sends as an image -> pixels, under the same allow list as training."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..data import Geometry
from ..data.images import describe, open_image
from ..errors import DataError
from ..subject import Subject
from ..text import shown, size
from .limits import Limits

#: What an image without a name is called.
UNNAMED = "image"
#: Characters of a file name that are kept.
LONGEST_NAME = 200


class Uploads:
    """The images of one request, which together may have so many pixels and no more.

    Parameters
    ----------
    geometry : Geometry
        How the network wants its images.
    limits : Limits
    """

    def __init__(self, geometry: Geometry, limits: Limits) -> None:
        self.geometry = geometry
        self.limits = limits
        self.left = limits.request_pixels

    def read(self, content: bytes, name: str | None) -> Subject:
        """Return an uploaded file as an image.

        Parameters
        ----------
        content : bytes
            Of the file. What it is shows in it; its name says nothing.
        name : str or None
            What the client calls it. It is text for people; no file is called so.

        Raises
        ------
        DataError
            It cannot be read, or has more pixels than are taken, by what its headers declare.
        """
        called = shown(name or UNNAMED)[:LONGEST_NAME]
        try:
            facts = describe(content)
            pixels, most = facts.width * facts.height, min(self.limits.image_pixels, self.left)
            if pixels > most:
                left = "" if most == self.limits.image_pixels else " after those before it"
                raise DataError(
                    f"{size((facts.height, facts.width))} pixels are more than the {most:,} that are taken{left}"
                )
            self.left -= pixels
            pixels_hwc = self.geometry.pixels(open_image(content))
        except DataError as error:
            reason = str(error).rstrip(".")
            raise DataError(f"{called}: {reason}.\nSend it smaller, or saved as PNG or JPEG.") from None
        return Subject(called, pixels_hwc)


def drawn(rows: list[Any], geometry: Geometry, limits: Limits) -> Subject:
    """Return a drawing as an image.

    Parameters
    ----------
    rows : list
        Height × width, or height × width × channels, of 0..255.
    geometry, limits
        As in `Uploads`.

    Raises
    ------
    DataError
        Rows of different lengths, too many of them, or other channels than 1 or 3.
    """
    shape = _shape(rows)
    if shape is None or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise DataError("a drawing must be rows of equal length, of numbers 0..255 or of 1 or 3 of them.")
    if max(shape[:2]) > limits.drawn_side:
        raise DataError(f"a drawing may have a side of {limits.drawn_side}; this one has {size(shape[:2])}.")
    return Subject("drawing", geometry.pixels(np.array(rows, np.uint8)))


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content, by which the run knows its images."""
    return hashlib.sha256(content).hexdigest()


def _shape(rows: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists, None when they are ragged or empty."""
    if not isinstance(rows, list):
        return ()
    inner = {_shape(row) for row in rows}
    if len(inner) != 1 or None in inner:
        return None
    (only,) = inner
    return (len(rows), *(only or ()))

"""Maps, filters and vectors as PNG files of one byte per cell: small, and quick to write by the thousand."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..pictures import NO_VALUE, Scale

Indices = npt.NDArray[np.uint8]

#: A scale's colours have the numbers below; then what is not there, and what has no value.
COLOURS = 254
CLEAR, NONE = 254, 255
#: zlib's effort: more takes longer and saves hardly anything on maps.
EFFORT = 3
#: Vectors up to this length are one row.
ONE_ROW = 64


def indices(scale: Scale, values: npt.NDArray[Any], first: int = 0, count: int = COLOURS) -> Indices:
    """Return the colours of values by their numbers, `first` and those after it, same shape."""
    share = scale.share(values)
    finite = np.isfinite(values)
    clean = finite.all()
    numbers = np.rint((share if clean else np.nan_to_num(share)) * np.float32(count - 1))
    painted = numbers.astype(np.uint8) + np.uint8(first)
    if not clean:
        painted[~finite] = NONE
    return np.asarray(painted)


def colours_of(scale: Scale, count: int = COLOURS) -> bytes:
    """Return red, green and blue of so many colours of a scale, lowest value first."""
    return scale.colours(np.linspace(scale.low, scale.high, count)).tobytes()


def palette(colours: bytes) -> bytes:
    """Return the colours of all numbers: those given, white for what is not there, and that of no value."""
    return colours.ljust(3 * CLEAR, b"\0") + bytes((255, 255, 255)) + bytes(NO_VALUE)


def indexed_png(painted_hw: Indices, colours: bytes) -> bytes:
    """Return numbers of colours as the content of a PNG file; `CLEAR` is transparent."""
    image = Image.frombytes("P", painted_hw.shape[::-1], np.ascontiguousarray(painted_hw).tobytes())
    image.putpalette(colours)
    buffer = io.BytesIO()
    clear = {"transparency": CLEAR} if (painted_hw == CLEAR).any() else {}
    image.save(buffer, "PNG", compress_level=EFFORT, **clear)
    return buffer.getvalue()


def filter_indices(scale: Scale, filter_fgc: npt.NDArray[np.float32], first: int = 0, count: int = COLOURS) -> Indices:
    """Return a filter's channels side by side, in rows as many as columns, a line between them."""
    height, width, channels = filter_fgc.shape
    columns = channels if channels <= 4 else math.ceil(math.sqrt(channels))
    rows = -(-channels // columns)
    painted = indices(scale, filter_fgc, first, count)
    sheet = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), CLEAR, np.uint8)
    for channel in range(channels):
        top, left = channel // columns * (height + 1), channel % columns * (width + 1)
        sheet[top : top + height, left : left + width] = painted[:, :, channel]
    return sheet


def vector_columns(length: int) -> int:
    """Return how many values of a vector stand in a row: all, or a power of two that makes it a wide strip.

    Examples
    --------
    >>> [vector_columns(length) for length in (10, 128, 3136, 25088)]
    [10, 32, 128, 512]
    """
    return length if length <= ONE_ROW else 1 << math.ceil(math.log2(math.sqrt(4 * length)))


def vector_indices(scale: Scale, values: npt.NDArray[Any], first: int = 0, count: int = COLOURS) -> Indices:
    """Return a vector in rows of `vector_columns`."""
    columns = vector_columns(len(values))
    strip = np.full(-(-len(values) // columns) * columns, CLEAR, np.uint8)
    strip[: len(values)] = indices(scale, values, first, count)
    return strip.reshape(-1, columns)


def reduced(maps_hwc: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Return maps of which every nth row and column is left, so that neither side is longer than `side`."""
    step = -(-max(maps_hwc.shape[:2]) // side)
    return maps_hwc[::step, ::step]

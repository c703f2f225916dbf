"""An image as the numbers that a filter meets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..data import Geometry
from ..data.content import read_file
from ..data.images import open_image, upright
from ..errors import ConfigError, DataError
from ..text import size

Array = npt.NDArray[np.float64]
Levels = Literal["plain", "signed"]

#: The lecture's digit, 7×5 pixels of -1 and 1, and the same digit one column further left.
NINE = (
    (-1, 1, 1, 1, -1),
    (-1, 1, -1, 1, -1),
    (-1, 1, 1, 1, -1),
    (-1, -1, -1, 1, -1),
    (-1, -1, -1, 1, -1),
    (-1, -1, 1, -1, -1),
    (-1, 1, -1, -1, -1),
)
WORDS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "nine": NINE,
    "nine-shifted": tuple((*row[1:], -1) for row in NINE),
}
#: What black and white are, by the name of the levels.
LEVELS: Mapping[Levels, tuple[int, int]] = {"plain": (0, 1), "signed": (-1, 1)}
#: A larger picture would need gigabytes, and nobody would see what a 3×3 filter does to it. Of several filters on
#: one picture all maps together have no more.
MAX_PIXELS = 25_000_000
#: The levels of a picture's grey.
WHITE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """An image as numbers.

    Attributes
    ----------
    name : str
        What people call it.
    values_hw : ndarray, shape (height, width)
        Its numbers.
    denominator : int or None
        They are whole numbers over it: 1 for the lecture's nine, 255 for a picture. None for numbers of any kind.
    black, white : float
        The numbers that are shown black and white.
    """

    name: str
    values_hw: Array
    denominator: int | None
    black: float
    white: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.values_hw.shape[0], self.values_hw.shape[1]

    @property
    def words(self) -> str:
        """What the image is, in a line: ``7×5, -1 to 1``."""
        return f"{size(self.shape)}, {self.black:g} to {self.white:g}"


def read_values(
    image: str | Path | Image.Image | npt.ArrayLike,
    *,
    levels: Levels | None = None,
    resize: tuple[int, int] | None = None,
    most: int = MAX_PIXELS,
) -> Values:
    """Return an image as the numbers that a filter meets.

    Parameters
    ----------
    image : path, PIL image or array_like
        A file or a picture becomes grey, colours by their brightness (ITU-R 601: 0.299 red, 0.587 green,
        0.114 blue). The words ``nine`` and ``nine-shifted`` are the lecture's digit. A matrix, shape
        (height, width), is taken as the numbers that it is.
    levels : {"plain", "signed"}, optional
        Black to white is 0 to 1, or -1 to 1 as in the lecture. Plain for a picture, signed for the lecture's
        digit, when not given; not for a matrix.
    resize : (int, int), optional
        Bring a picture to this height and width first; not for a matrix.
    most : int
        More pixels are refused; not of a matrix.

    Raises
    ------
    DataError
        The picture cannot be read.
    ConfigError
        Another shape, numbers that are not finite, or a picture that is too large.

    Examples
    --------
    >>> read_values("nine").values_hw[0]
    array([-1.,  1.,  1.,  1., -1.])
    >>> read_values("nine", levels="plain").values_hw[0]
    array([0., 1., 1., 1., 0.])
    """
    if isinstance(image, str) and image in WORDS:
        digit = Image.fromarray(np.where(np.array(WORDS[image]) > 0, WHITE, 0).astype(np.uint8))
        return _scaled(image, _pixels(digit, image, resize, most), levels or "signed")
    if isinstance(image, str | Path | Image.Image):
        name = "image" if isinstance(image, Image.Image) else str(image)
        return _scaled(name, _pixels(image, name, resize, most), levels or "plain")
    if levels is not None or resize is not None:
        raise ConfigError("levels and a size are for pictures; a matrix is taken as the numbers that it is.")
    values_hw = np.asarray(image, np.float64)
    if values_hw.ndim != 2 or not values_hw.size or not np.isfinite(values_hw).all():
        raise ConfigError(f"an image must be a matrix (height, width) of finite numbers; got shape {values_hw.shape}.")
    whole = 1 if (values_hw == np.round(values_hw)).all() else None
    low, high = float(values_hw.min()), float(values_hw.max())
    return Values("image", values_hw, whole, low, high)


def _pixels(
    image: str | Path | Image.Image, name: str, resize: tuple[int, int] | None, most: int
) -> npt.NDArray[np.int64]:
    """Return a picture's grey, 0 to 255, shape (height, width)."""
    try:
        picture = upright(image) if isinstance(image, Image.Image) else open_image(read_file(image))
    except OSError as error:
        raise DataError(
            f"{name}: {error.strerror or error}.\nGive an image file, or one of {', '.join(WORDS)}."
        ) from None
    except DataError as error:
        raise DataError(f"{name}: {error}.") from None
    height, width = resize or (picture.height, picture.width)
    if height * width > most:
        share = math.sqrt(most / (height * width))
        raise ConfigError(
            f"{name} has {size((height, width))} pixels, more than the {most:,} that are worked on at once.\n"
            f"Bring it to a smaller size: --size {max(1, int(height * share))}x{max(1, int(width * share))}."
        )
    return Geometry(height, width).pixels(picture)[:, :, 0].astype(np.int64)


def _scaled(name: str, pixels_hw: npt.NDArray[np.int64], levels: Levels) -> Values:
    if levels not in LEVELS:
        raise ConfigError(f"levels must be one of {', '.join(LEVELS)}; got {levels!r}.")
    black, white = LEVELS[levels]
    whole = black * WHITE + (white - black) * pixels_hw
    # A picture of black and white alone is whole numbers, as the lecture's are.
    over = 1 if not (whole % WHITE).any() else WHITE
    return Values(name, whole / WHITE, over, black, white)

"""What scikit-learn's `X` may be: images as arrays, as rows of features, or as files."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..data import Geometry, choose_geometry
from ..data.content import read_file
from ..data.images import Channels, Resize, open_image
from ..data.source import Item
from ..errors import ConfigError, DataError
from ..text import cut, size

Array = npt.NDArray[Any]
#: Height, width and channels.
ImageShape = tuple[int, int, int]
#: With more features than this, a row of a square number of them is taken for a square image.
FEW_FEATURES = 4


def as_files(X: Any) -> list[Path] | None:  # noqa: N803
    """Return the paths in a list, 1-D array or column of them; None where there are no paths.

    Raises
    ------
    DataError
        One path instead of a list of them, or something else among them.
    """
    if isinstance(X, str | os.PathLike):
        raise DataError(f"X is one path, {cut(os.fspath(X))!r}.\nGive a list of paths, also of a single one.")
    if not (isinstance(X, list | tuple) or getattr(X, "ndim", 0) == 1):
        return None
    listed: list[Any] = list(X[:1]) if isinstance(X, list | tuple) else list(X)
    if not listed or not isinstance(listed[0], str | os.PathLike):
        return None
    for place, path in enumerate(X):
        if not isinstance(path, str | os.PathLike):
            raise DataError(f"X[{place}] is {cut(repr(path))}, and X[0] a path.\nGive paths alone, or numbers alone.")
    return [Path(path) for path in X]


@dataclass(frozen=True)
class _Files:
    """Files as `choose_geometry` looks at them, a `convstage.data.formats.Source`."""

    paths: Sequence[Path]
    root: Path = field(default_factory=Path)
    classes: tuple[str, ...] = ()

    @property
    def items(self) -> list[Item]:
        return [Item(str(path), 0) for path in self.paths]

    def read(self, index: int) -> bytes:
        return read_file(self.paths[index])

    def open(self, data: bytes) -> Image.Image:
        return open_image(data)


def geometry_of(
    paths: Sequence[Path], wanted: tuple[int, ...] | None, channels: Channels | None, resize: Resize
) -> Geometry:
    """Return how files become pixels: as is wanted; what is left open follows from the images.

    Parameters
    ----------
    paths : sequence of Path
    wanted : tuple of int, optional
        (height, width), or with channels behind, 1 or 3.
    channels : {"binary", "grey", "colour"}, optional
        How pixels are read.
    resize : {"stretch", "crop", "pad"}
        What happens to other proportions.
    """
    if wanted is not None and len(wanted) == 3:
        if wanted[2] not in (1, 3):
            raise ConfigError(f"image_shape = {wanted}: files are read with 1 channel (grey, binary) or 3 (colour).")
        if channels is not None and (channels == "colour") != (wanted[2] == 3):
            raise ConfigError(f"image_shape = {wanted} and channels = {channels!r} do not agree.\nLeave one out.")
        channels = channels or ("colour" if wanted[2] == 3 else "grey")
    pair = None if wanted is None else (wanted[0], wanted[1])
    return choose_geometry(_Files(paths), size=pair, channels=channels, resize=resize)


def read(paths: Sequence[Path], geometry: Geometry) -> Array:
    """Return the images of files, uint8 of shape (n, height, width, channels)."""
    pixels = np.empty((len(paths), *geometry.shape), np.uint8)
    for place, path in enumerate(paths):
        pixels[place] = geometry.pixels(path)
    return pixels


def wanted_shape(value: Any) -> tuple[int, ...] | None:
    """Return the parameter `image_shape`, checked.

    Raises
    ------
    ConfigError
        It is no (height, width) or (height, width, channels).
    """
    if value is None:
        return None
    try:
        sides = tuple(int(side) for side in value)
        good = len(sides) in (2, 3) and sides == tuple(value) and min(sides) > 0
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ConfigError(
            f"image_shape = {cut(repr(value))}: expected (height, width) or (height, width, channels), whole numbers "
            "from 1 on.\nLeave it out where X has the shape of images."
        )
    return sides


def shape_of(X: Array, wanted: tuple[int, ...] | None) -> ImageShape:  # noqa: N803
    """Return height, width and channels of the images in an array.

    Parameters
    ----------
    X : ndarray, shape (n, features), (n, height, width) or (n, height, width, channels)
    wanted : tuple of int, optional
        (height, width) or (height, width, channels). Without it, a square number of features,
        9 or more, is a square image, and any other number an image of one row.

    Raises
    ------
    DataError
        `X` has another shape.
    """
    if X.ndim == 2:
        features = X.shape[1]
        if wanted is None:
            side = math.isqrt(features)
            return (side, side, 1) if side * side == features > FEW_FEATURES else (1, features, 1)
        channels = wanted[2] if len(wanted) == 3 else max(1, features // math.prod(wanted))
        shape = (wanted[0], wanted[1], channels)
        if math.prod(shape) != features:
            raise DataError(
                f"X has {features} features, and an image of {size(wanted)} has {math.prod(wanted)} values.\n"
                "Set image_shape, or INPUT(…) of the pattern, to the height, width and channels of the images in X."
            )
        return shape
    if X.ndim not in (3, 4):
        raise DataError(
            f"X has shape {X.shape}; expected images, (n, height, width) or (n, height, width, channels), rows of "
            "features, (n, height*width*channels), or a list of files."
        )
    shape = (X.shape[1], X.shape[2], X.shape[3] if X.ndim == 4 else 1)
    if wanted is not None and wanted != shape[: len(wanted)]:
        raise DataError(
            f"X has images of {size(shape)}, and image_shape, or the pattern's INPUT, says {size(wanted)}.\n"
            "Leave it out where X has the shape of images; arrays are not resized."
        )
    return shape

"""Which size and channels images are read with: as asked for, or as the images suggest."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from ..errors import DataError
from .images import Channels, Resize, is_coloured
from .preprocess import Geometry
from .source import Source

#: So many images are looked at to find out their size and whether they have colour.
LOOKED_AT = 64
#: Images of one size up to this side keep it; others are brought to `USUAL_SIDE`, or less if they are smaller.
SMALL_SIDE, USUAL_SIDE = 64, 224


def choose_geometry(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    channels: Channels | None = None,
    resize: Resize = "stretch",
) -> Geometry:
    """Return the geometry that was asked for; what was left open follows from the images.

    Colour is kept when any of the images looked at has some. Images that are small and
    of one size keep it; others become square, `USUAL_SIDE` or as large as half of them
    are, whichever is less.
    """
    if size is None or channels is None:
        sizes, coloured = _look(source)
        if size is None:
            common = Counter(sizes)
            if len(common) == 1 and max(sizes[0]) <= SMALL_SIDE:
                size = sizes[0]
            else:
                side = min(USUAL_SIDE, int(np.median([min(pair) for pair in sizes])))
                size = (side, side)
        channels = channels or ("colour" if coloured else "grey")
    return Geometry(*size, channels, resize)


def parse_size(text: str | int) -> tuple[int, int]:
    """Read an image size: ``160`` (square) or ``120x160`` (height × width)."""
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", str(text).strip())
    if not match or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise DataError(f"the size must be a side such as 160, or height x width such as 120x160; got {text!r}.")
    return int(match[1]), int(match[2] or match[1])


def _look(source: Source) -> tuple[list[tuple[int, int]], bool]:
    """Return the sizes of some images, evenly spread over the data set, and whether one has colour."""
    chosen = np.unique(np.linspace(0, len(source.items) - 1, LOOKED_AT).astype(int))
    sizes, coloured, reason = [], False, ""
    for index in chosen:
        try:
            image = source.open(source.read(int(index)))
            coloured = coloured or is_coloured(image)
        except (DataError, OSError) as error:
            reason = reason or f"{source.items[index].name}: {error}"
            continue
        sizes.append((image.height, image.width))
    if not sizes:
        raise DataError(f"none of the images looked at in {source.root} can be read.\n  {reason}")
    return sizes, coloured

"""How much one list of images may hold: more would fill the memory before the first image is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from ..errors import DataError
from .decoding import check_size

T = TypeVar("T")

#: Images of one table, array or folder; each takes about 300 bytes beside its pixels.
MAX_IMAGES = 1_500_000
#: More classes are taken for a column of other things.
MAX_CLASSES = 50_000


def check_images(path: Path, count: int) -> None:
    """Refuse more images than `MAX_IMAGES`."""
    if count > MAX_IMAGES:
        raise DataError(f"{path} lists {count:,} images; at most {MAX_IMAGES:,} are read.\nSplit it into several.")


def check_side(path: Path, height: int, width: int) -> None:
    """Refuse images of more pixels than a file may have."""
    try:
        check_size(width, height)
    except DataError as error:
        raise DataError(f"{path}: its images of {error}.\nMake them smaller.") from None


def distinct(path: Path, labels: Iterable[T]) -> set[T]:
    """Return the different labels; refuse more than `MAX_CLASSES`."""
    found = set(labels)
    if len(found) > MAX_CLASSES:
        raise DataError(
            f"{path} has {len(found):,} classes; at most {MAX_CLASSES:,} are read.\nAre its labels the labels?"
        )
    return found

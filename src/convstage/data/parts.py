"""Which images of a source take part, and in which part each is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .duplicates import copies_across, note_on_classes, note_on_copies, note_on_copies_across, united
from .formats import Source
from .readable import Images
from .selection import Selection
from .split import split
from .split_file import note_on_unnamed, read_split_file


def check_classes(name: str, source: Source) -> None:
    """Refuse data of one class."""
    if len(source.classes) < 2:
        raise DataError(
            f"{name} has one class only, {source.classes[0]!r}.\nA classifier needs two or more to tell apart."
        )


def named_parts(source: Source, split_file: str | Path | None) -> dict[str, str] | None:
    """Return the part of every image that a split file names; None when there is no file."""
    return None if split_file is None else read_split_file(split_file, [item.name for item in source.items])


def divide(
    source: Source,
    images: Images,
    named: dict[str, str] | None,
    *,
    val: float,
    test: float,
    seed: int,
    split_file: str | Path | None = None,
) -> tuple[Images, npt.NDArray[np.str_], list[str]]:
    """Divide images into parts; see `convstage.data.load_dataset` for the rules.

    Returns
    -------
    images : Images
        Those that take part.
    parts : ndarray of str, shape (n,)
    notes : list of str
        What was done.
    """
    notes = source.notes() if isinstance(source, Selection) else []
    if named is not None:
        notes += note_on_unnamed(images.names, named, str(split_file))
        images = replace(images, parts=[named.get(name) for name in images.names])
        images = images.chosen([row for row, part in enumerate(images.parts) if part])
    notes += note_on_classes(images.names, images.labels, images.sha256, source.classes)
    goes = copies_across(images.parts, images.sha256)
    notes += note_on_copies_across(images.names, goes)
    images = images.chosen([row for row in range(len(images.names)) if row not in goes])
    notes += note_on_copies(images.names, images.sha256)
    units = united(images.groups, images.sha256)
    parts = split(images.labels, images.parts, source.classes, val=val, test=test, seed=seed, groups=units)
    return images, parts, notes

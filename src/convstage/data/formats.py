"""FORMATS: every way in for labelled images, one entry each.

A format recognises its data by the path, and lists it as a `Source`: the classes, the
items, and how to read and open one of them. Nothing is decoded here. To add a format,
write a `Source` in a file of its own and put it in `FORMATS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from .arrays import read_arrays
from .folders import read_folders
from .idx import has_idx, read_idx
from .shards.places import is_pattern, is_shards
from .shards.source import read_shards
from .source import PARTS, Item, Source
from .table import read_table


@dataclass(frozen=True)
class Format:
    """A way in: what it is called, how it is recognised, how it is listed."""

    name: str
    meaning: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Source]


def _suffix(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


#: In the order in which they are tried: a folder of IDX files, or of shards, is no folder of classes.
FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("idx", "MNIST's IDX files", has_idx, read_idx),
        Format("shards", "shards such as data/{000..999}.tar", is_shards, read_shards),
        Format("folders", "one folder for each class", Path.is_dir, read_folders),
        Format("csv", "a .csv file of paths and labels", _suffix(".csv", ".tsv"), read_table),
        Format("npz", "a .npz file of images and labels", _suffix(".npz"), read_arrays),
    )
}


def find_source(path: Path) -> Source:
    """Return the labelled images at `path`, in whichever of `FORMATS` they are.

    Raises
    ------
    DataError
        Nothing there, no format that fits, no images, a class without any, or two of one name.
    """
    if not is_pattern(str(path)) and not path.exists():
        raise DataError(f"{path} does not exist.\nExpected {_expected()}.")
    try:
        for entry in FORMATS.values():
            if entry.matches(path):
                return _check(entry.read(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    raise DataError(f"{path} is none of the formats that are read.\nExpected {_expected()}.")


def _expected() -> str:
    return ", or ".join(entry.meaning for entry in FORMATS.values())


def _check(source: Source) -> Source:
    named = Counter(source.classes)
    counts = np.bincount([item.label for item in source.items], minlength=len(source.classes))
    if not len(source.items):
        raise DataError(f"{source.root} has no images.\nExpected {_expected()}.")
    for name, count in zip(source.classes, counts, strict=True):
        if not count:
            raise DataError(f"class {name!r} of {source.root} has no images.\nAdd some, or remove the class.")
        if named[name] > 1:
            raise DataError(f"{source.root} has more than one class of the name {name!r}.")
    return source


__all__ = ["FORMATS", "PARTS", "Format", "Item", "Source", "find_source"]

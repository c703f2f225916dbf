"""The pixel cache: every image decoded once, into one memory-mapped array.

The cache is keyed by content (the SHA-256 of every file) and by how the pixels were
made. A changed, added or removed file gives another key; the same data under another
path gives the same one. It can be deleted at any time, and what was used longest ago is
when there is too much of it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import DataError, RunError
from ..files import atomic_path, read_json, write_json
from .cache_folder import cache_folder, make_room, mark_used
from .formats import Source
from .images import to_pixels
from .preprocess import Geometry
from .reading import digests, each

#: Part of every key: raise it when decoding changes.
VERSION = 2


@dataclass(frozen=True)
class Decoded:
    """The readable images of a source.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (n, height, width, channels)
        Memory-mapped.
    rows : ndarray of int, shape (n,)
        Which item of the source each row is.
    sha256 : list of str
        Digest of every item of the source, readable or not.
    unreadable : list of (int, str)
        The other items, each with the reason.
    """

    pixels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    sha256: list[str]
    unreadable: list[tuple[int, str]]


def decode(source: Source, geometry: Geometry) -> Decoded:
    """Return all images of a source as pixels, from the cache when they are there.

    Unreadable files stop nothing: they are listed with the reason. A damaged cache is made anew.

    Raises
    ------
    DataError
        There is no place for the cache, or a file changed meanwhile.
    """
    folder = cache_folder()
    count = len(source.items)
    sha256 = digests(source)
    recipe = [VERSION, geometry.to_dict(), [[item.name, sha] for item, sha in zip(source.items, sha256, strict=True)]]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
    pixels_path, list_path = folder / f"{key}.pixels", folder / f"{key}.json"
    try:
        unreadable = _listed(list_path, pixels_path, count, geometry)
        if unreadable is None:
            folder.mkdir(parents=True, exist_ok=True)
            make_room(count * math.prod(geometry.shape))
            unreadable = _fill(source, geometry, sha256, pixels_path)
            write_json(list_path, {"data": str(source.root), "unreadable": unreadable})
        mark_used(list_path)
        rows = np.setdiff1d(np.arange(count), [index for index, _ in unreadable])
        shape = (len(rows), *geometry.shape)
        pixels = np.memmap(pixels_path, np.uint8, "r", shape=shape) if len(rows) else np.empty(shape, np.uint8)
    except OSError as error:
        raise DataError(
            f"the pixel cache cannot be written: {error}.\nSet CONVSTAGE_CACHE to a folder with space for it."
        ) from None
    return Decoded(pixels, rows, sha256, unreadable)


def _listed(list_path: Path, pixels_path: Path, count: int, geometry: Geometry) -> list[tuple[int, str]] | None:
    """Return which items the cache lists as unreadable; None when it is not there, or damaged."""
    try:
        unreadable = [(int(index), str(reason)) for index, reason in read_json(list_path)["unreadable"]]
        size = pixels_path.stat().st_size
    except (RunError, OSError, ValueError, TypeError, KeyError):
        return None
    rows = set(range(count)) - {index for index, _ in unreadable}
    return unreadable if size == len(rows) * math.prod(geometry.shape) else None


def _fill(source: Source, geometry: Geometry, sha256: Sequence[str], path: Path) -> list[tuple[int, str]]:
    """Decode all items into a file, one after another; return those that are unreadable."""

    def pixels(content: bytes) -> npt.NDArray[np.uint8]:
        return to_pixels(source.open(content), geometry.channels, geometry.size, geometry.resize)

    unreadable: list[tuple[int, str]] = []
    # Written, not mapped: when the disk is full, writing raises an error, where a map ends the process.
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        for index, result in enumerate(each(source, sha256, pixels, "Decoding images")):
            if isinstance(result, str):
                unreadable.append((index, result))
            else:
                file.write(result.tobytes())
    return unreadable


__all__ = ["Decoded", "cache_folder", "decode"]

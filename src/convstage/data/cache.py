"""The pixel cache: every image decoded once, into one memory-mapped array.

The cache is keyed by content (the SHA-256 of every file) and by how the pixels were
made. A changed, added or removed file gives another key; the same data under another
path gives the same one. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..files import atomic_path, read_json, write_json
from ..progress import track
from .formats import Source
from .images import to_pixels
from .preprocess import Geometry

#: Part of every key: raise it when decoding changes.
VERSION = 1

T = TypeVar("T")


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


def cache_folder() -> Path:
    """Return where decoded pixels are kept: ``CONVSTAGE_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("CONVSTAGE_CACHE") or user_cache_path("convstage", appauthor=False))


def decode(source: Source, geometry: Geometry) -> Decoded:
    """Return all images of a source as pixels, from the cache when they are there.

    Unreadable files stop nothing: they are listed with the reason.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the pixel cache cannot be made: {error}.\nSet CONVSTAGE_CACHE to a folder that can."
        ) from None
    count = len(source.items)
    sha256 = list(track(_parallel(lambda i: _sha256(source, i), count), "Reading files", count))
    recipe = [VERSION, geometry.to_dict(), [[item.name, sha] for item, sha in zip(source.items, sha256, strict=True)]]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
    array_path, list_path = folder / f"{key}.npy", folder / f"{key}.json"
    if not (array_path.is_file() and list_path.is_file()):
        _fill(source, geometry, array_path, list_path)
    listed: dict[str, Any] = read_json(list_path)
    unreadable = [(int(index), str(reason)) for index, reason in listed["unreadable"]]
    rows = np.setdiff1d(np.arange(count), [index for index, _ in unreadable])
    pixels = np.load(array_path, mmap_mode="r")[: len(rows)]
    return Decoded(pixels, rows, sha256, unreadable)


def _fill(source: Source, geometry: Geometry, array_path: Path, list_path: Path) -> None:
    def pixels(index: int) -> npt.NDArray[np.uint8] | str:
        try:
            image = source.open(source.read(index))
            return to_pixels(image, geometry.channels, geometry.size, geometry.resize)
        except (DataError, OSError) as error:
            return str(error)

    count = len(source.items)
    unreadable: list[tuple[int, str]] = []
    with atomic_path(array_path) as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, *geometry.shape))
        row = 0
        for index, result in enumerate(track(_parallel(pixels, count), "Decoding images", count)):
            if isinstance(result, str):
                unreadable.append((index, result))
            else:
                array[row] = result
                row += 1
        array.flush()
        del array
    write_json(list_path, {"data": str(source.root), "unreadable": unreadable})


def _sha256(source: Source, index: int) -> str:
    try:
        return hashlib.sha256(source.read(index)).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _parallel(work: Callable[[int], T], count: int) -> Iterator[T]:
    """Yield ``work(0), work(1), …`` in order, computed by threads that stay a little ahead."""
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        indices = iter(range(count))
        ahead = [pool.submit(work, index) for index in islice(indices, 8 * threads)]
        while ahead:
            done = ahead.pop(0)
            ahead += [pool.submit(work, index) for index in islice(indices, 1)]
            yield done.result()

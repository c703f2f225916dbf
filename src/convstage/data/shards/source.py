"""Shards as a source of labelled images: listed by their indexes, read image by image."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter, OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import DataError
from ...terminal import track
from ...text import examples
from .. import images
from ..parallel import in_parallel
from ..selection import Selection
from ..source import Item, Source, in_order
from .index import Entry, Index, find_index
from .look import MOST_IMAGE
from .places import find_shards
from .scan import scan
from .tars import BLOCK, fits

#: Shards that are kept open.
MOST_OPEN = 64


@dataclass(frozen=True, eq=False)
class Shards:
    """Images in tar shards.

    Attributes
    ----------
    root : Path
        A shard, a folder of them, or a pattern.
    classes : tuple of str
    items : tuple of Item, length n
    paths : tuple of Path
        The shards.
    members : list of str, length n
        What each image is called in its shard.
    sha256, reasons : list of str, length n
        Digest of its content; why it cannot be read, ``""`` when it can.
    shard, offset, length : ndarray of int, shape (n,)
        Which shard it is in, where its content begins there, and how long it is, in bytes.
    """

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    paths: tuple[Path, ...]
    members: list[str]
    sha256: list[str]
    reasons: list[str]
    shard: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    _files: OpenFiles = field(default_factory=lambda: OpenFiles(MOST_OPEN), repr=False)

    def read(self, index: int) -> bytes:
        """Return an image's file, as it was put into the shard.

        Raises
        ------
        DataError
            The shard is not the one that the index is of, or is damaged here.
        """
        path, offset, length = self.paths[self.shard[index]], int(self.offset[index]), int(self.length[index])
        if self.reasons[index] and length > MOST_IMAGE:
            raise OSError(self.reasons[index])
        try:
            block = self._files.read(path, offset - BLOCK, BLOCK + length)
        except OSError as error:
            raise DataError(f"{self.words(index)} cannot be read: {error.strerror or error}.") from None
        header, content = block[:BLOCK], block[BLOCK:]
        if not fits(header, self.members[index], length) or hashlib.sha256(content).hexdigest() != self.sha256[index]:
            raise DataError(
                f"{self.words(index)} is not what the index says: the shard is damaged, or was changed.\n"
                "Put it back from a copy, or make the shards anew."
            )
        return content

    def open(self, data: bytes) -> Image.Image:
        return images.open_image(data)

    def words(self, index: int) -> str:
        """Return which image it is and where it lies, for messages."""
        return f"{self.items[index].name} ({self.members[index]} of {self.paths[self.shard[index]]})"


class OpenFiles:
    """Files that are read in many places, by many threads, some kept open; the one used longest ago is closed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: OrderedDict[Path, _File] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """Return part of a file; raises OSError when it ends before."""
        with self._lock:
            file = self._open.get(path) or self._open.setdefault(path, _File(path))
            self._open.move_to_end(path)
            old = self._open.popitem(last=False)[1] if len(self._open) > self.most else None
        if old is not None:
            old.close()
        return file.read(offset, length)


class _File:
    """An open file, opened when it is read first; one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def read(self, offset: int, length: int) -> bytes:
        with self._lock:
            if self._descriptor is None:
                self._descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            pieces, left = [], length
            while left:
                piece = os.read(self._descriptor, left)
                if not piece:
                    raise OSError(f"it ends {left:,} bytes too early")
                pieces.append(piece)
                left -= len(piece)
            return b"".join(pieces)

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def __del__(self) -> None:
        with suppress(OSError):
            self.close()


def read_shards(path: Path) -> Source:
    """List shards by their indexes; of those that have none, one is made.

    Images are in the order of their keys, so that shards give a training the same images in
    the same order as the data that they were made from.

    Raises
    ------
    DataError
        A shard that is missing, damaged or hostile; an image that is there twice.
    """
    paths = find_shards(path)
    indexes = list(
        track(
            in_parallel(lambda number: find_index(paths[number], scan), len(paths)),
            "Reading shards",
            len(paths),
            "shards",
        )
    )
    classes = _classes(indexes)
    rows = sorted(
        ((number, entry) for number, index in enumerate(indexes) for entry in index.entries),
        key=lambda row: (row[1].key, row[0], row[1].offset),
    )
    entries = [entry for _, entry in rows]
    _check_names(path, entries)
    labels = [{label: classes.index(name) for label, name in enumerate(index.classes)} for index in indexes]
    return Shards(
        path,
        classes,
        tuple(
            Item(entry.name, labels[number][entry.label], entry.part or None, entry.group or None)
            for number, entry in rows
        ),
        tuple(paths),
        [f"{entry.key}.{entry.extension}" for entry in entries],
        [entry.sha256 for entry in entries],
        [entry.reason for entry in entries],
        np.array([number for number, _ in rows], np.int64),
        np.array([entry.offset for entry in entries], np.int64),
        np.array([entry.length for entry in entries], np.int64),
    )


def _classes(indexes: list[Index]) -> tuple[str, ...]:
    """Return the classes in the order that all shards agree on, or else naturally."""
    lists = {index.classes for index in indexes if index.entries}
    if len(lists) == 1:
        return lists.pop()
    return tuple(in_order({name for classes in lists for name in classes}))


def _check_names(path: Path, entries: list[Entry]) -> None:
    counts = Counter(entry.name for entry in entries)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice):,} images of {path} are there more than once: {examples(twice)}.\n"
            "Name every shard once; shards of one name in two folders need other names."
        )


def shards_in(source: Source) -> tuple[Shards, npt.NDArray[np.int64]] | None:
    """Return the shards that a source reads from, and which of their images its items are; None for other data."""
    if isinstance(source, Shards):
        return source, np.arange(len(source.items))
    if isinstance(source, Selection) and (inner := shards_in(source.source)) is not None:
        return inner[0], inner[1][np.array(source.indices, np.int64)]
    return None


__all__ = ["Shards", "read_shards", "shards_in"]

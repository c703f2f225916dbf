"""The readable images of a source, as pixels that are decoded already or will be when they are asked for."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError, DataError
from .cache import decode
from .cache_folder import cache_folder, cache_limit
from .formats import Source
from .pixel_rows import PixelRows
from .preprocess import Geometry
from .shards.source import shards_in
from .shards.stream import Streamed

#: So many unreadable files are named in a message.
SHOWN = 5


@dataclass(frozen=True)
class Images:
    """The readable images of a source; the fields are those of `Dataset`, parts as far as given."""

    pixels: PixelRows
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    groups: list[str]
    parts: list[str | None]
    unreadable: list[tuple[str, str]]

    def chosen(self, rows: Sequence[int]) -> Images:
        """Return some of the images."""
        numbers = np.array(rows, np.int64)
        lists = {name: [getattr(self, name)[row] for row in rows] for name in ("names", "sha256", "groups", "parts")}
        return replace(self, pixels=self.pixels.take(numbers), labels=self.labels[numbers], **lists)


class Read(NamedTuple):
    """What reading a source has found: see `Images`; the lists count the items of the source."""

    pixels: PixelRows
    rows: npt.NDArray[np.int64]
    sha256: Sequence[str]
    unreadable: Sequence[tuple[int, str]]


def read_images(source: Source, geometry: Geometry, max_unreadable: float = 1.0, stream: bool | None = None) -> Images:
    """Decode a source; or, of shards, list what will be decoded when it is asked for.

    Parameters
    ----------
    source, geometry
        What is read, and how it becomes pixels.
    max_unreadable : float
        Share of the files that may be unreadable.
    stream : bool, optional
        Whether shards are read as they are needed, instead of decoded into the cache first;
        when not given, if their pixels do not fit into it.

    Raises
    ------
    DataError
        A larger share than `max_unreadable` cannot be read, or a class has no image that can.
    ConfigError
        What is to be streamed are no shards.
    """
    if streams(source, geometry, stream):
        found = _listed(source, geometry)
    else:
        decoded = decode(source, geometry)
        pixels = PixelRows(decoded.pixels, np.arange(len(decoded.rows)))
        found = Read(pixels, decoded.rows, decoded.sha256, decoded.unreadable)
    return usable(source, found, max_unreadable)


def streams(source: Source, geometry: Geometry, stream: bool | None) -> bool:
    """Return whether a source is streamed: as asked for, or if it is shards whose pixels do not fit into the cache."""
    if shards_in(source) is None:
        if stream:
            raise ConfigError(
                f"stream = True: {source.root} is no shards, and nothing else is read as it is needed.\n"
                f"Make some: convstage shard {source.root} -o OUT"
            )
        return False
    return stream if stream is not None else not _fits(len(source.items) * math.prod(geometry.shape))


def _fits(size: int) -> bool:
    """Return whether so many bytes may be put into the cache, and the disk has them."""
    folder = cache_folder()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return size <= min(cache_limit(), shutil.disk_usage(there).free)


def _listed(source: Source, geometry: Geometry) -> Read:
    """Return the images of shards, as their indexes list them."""
    inside = shards_in(source)
    assert inside is not None
    shards, items = inside
    unreadable = [(row, shards.reasons[item]) for row, item in enumerate(items.tolist()) if shards.reasons[item]]
    rows = np.setdiff1d(np.arange(len(items)), [row for row, _ in unreadable])
    pixels = PixelRows(Streamed(shards, items[rows], geometry), np.arange(len(rows)))
    return Read(pixels, rows, [shards.sha256[item] for item in items.tolist()], unreadable)


def usable(source: Source, found: Read, max_unreadable: float) -> Images:
    """Return what of a source can be used.

    Raises
    ------
    DataError
        As `read_images`.
    """
    items = [source.items[row] for row in found.rows]
    labels = np.array([item.label for item in items], np.int64)
    unreadable = [(source.items[index].name, reason) for index, reason in found.unreadable]
    listed = "\n".join(f"  {file}: {reason}" for file, reason in unreadable[:SHOWN])
    counts = np.bincount(labels, minlength=len(source.classes))
    for name, count in zip(source.classes, counts, strict=True):
        if not count:
            raise DataError(f"class {name!r} has no image that can be read.\n{listed}")
    share = len(unreadable) / len(source.items)
    if share > max_unreadable:
        more = "" if len(unreadable) <= SHOWN else f"\n  and {len(unreadable) - SHOWN:,} more"
        raise DataError(
            f"{len(unreadable):,} of {len(source.items):,} files ({share:.1%}) cannot be read; "
            f"at most {max_unreadable:.1%} may be.\n{listed}{more}\n"
            f"Mend them or move them away; or accept it with --max-unreadable {math.ceil(share * 100) / 100:g}."
        )
    return Images(
        pixels=found.pixels,
        labels=labels,
        names=[item.name for item in items],
        sha256=[found.sha256[row] for row in found.rows],
        groups=[item.group or item.name for item in items],
        parts=[item.part for item in items],
        unreadable=unreadable,
    )


__all__ = ["Images", "Read", "read_images", "streams", "usable"]

"""Images -> a tar shard and its index, the same bytes whenever they are made from the same images."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...files import atomic_path
from .index import Entry, Index, index_path
from .tars import BLOCK

#: What an archive is rounded up to, behind two blocks of zeros (POSIX.1-1988).
RECORD = 20 * BLOCK


def archive_bytes(images: int) -> int:
    """Return the length of an archive whose images take so many bytes."""
    whole = images + 2 * BLOCK
    return whole + -whole % RECORD


@dataclass(frozen=True, slots=True)
class Packed:
    """An image to be put into a shard: its row in the data, its class by name, its entry as far as it is known."""

    row: int
    class_name: str
    entry: Entry

    @property
    def description(self) -> bytes:
        """What the archive says of the image, in a file beside it."""
        entry = self.entry
        said = {
            "class": self.class_name,
            "label": entry.label,
            "name": entry.name,
            "sha256": entry.sha256,
            "part": entry.part,
            **({"group": entry.group} if entry.group else {}),
            "height": entry.height,
            "width": entry.width,
        }
        return json.dumps(said).encode()

    @property
    def bytes(self) -> int:
        """What it takes in the archive: two headers and two files, rounded up to blocks."""
        return sum(BLOCK + length + -length % BLOCK for length in (self.entry.length, len(self.description)))


def write_shard(path: Path, images: Iterable[tuple[Packed, bytes]], classes: tuple[str, ...]) -> Index:
    """Write a shard and its index, each whole or not at all.

    The layout is webdataset's: ``<key>.<extension>`` and ``<key>.json``. Times and owners are 0.

    Parameters
    ----------
    path : Path
        Of the shard; the index is written beside it.
    images : iterable of (Packed, bytes)
        With their files, in the order in which they are written.
    classes : tuple of str
        All classes of the data, in their order.
    """
    entries = []
    with atomic_path(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for packed, file in images:
                entry = packed.entry
                # Nobody asks the archive where a member begins while it is written: behind its own header.
                entries.append(replace(entry, offset=archive.offset + BLOCK))
                _add(archive, f"{entry.key}.{entry.extension}", file)
                _add(archive, f"{entry.key}.json", packed.description)
        size = temporary.stat().st_size
    index = Index(size, classes, entries)
    index.write(index_path(path))
    return index


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    archive.addfile(info, io.BytesIO(content))


__all__ = ["RECORD", "Packed", "archive_bytes", "write_shard"]

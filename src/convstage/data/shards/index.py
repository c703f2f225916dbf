"""The index of a shard: what each of its images is and where it lies, so that no archive is read through for it.

Beside ``000.tar`` lies ``000.index.json``. Of shards that came without one, it is made on
first use, by one pass over the archive, and kept in the cache folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import DataError, RunError
from ...files import read_json, write_text
from ..cache_folder import cache_folder, mark_used
from ..source import PARTS
from .tars import BLOCK

#: What the file says that it is, and its layout.
WHAT, FORMAT = "convstage shard index", 1
#: Part of the key of an index in the cache: raise it when archives are read differently.
VERSION = 1

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An image of a shard.

    Attributes
    ----------
    key, extension : str
        Its name in the archive is ``<key>.<extension>``.
    offset, length : int
        Where its content begins, in bytes, and how long it is.
    label : int
        Its class by number.
    sha256 : str
        Of its content.
    name : str
        What it is called in the data set.
    part, group : str
        ``""`` where none is given.
    height, width : int
        Of the upright picture; 0 where it cannot be read.
    mode : str
        How colour is stored.
    reason : str
        Why it cannot be read; ``""`` when it can.
    """

    key: str
    extension: str
    offset: int
    length: int
    label: int
    sha256: str
    name: str
    part: str = ""
    group: str = ""
    height: int = 0
    width: int = 0
    mode: str = ""
    reason: str = ""


_KINDS = {field.name: int if field.type == "int" else str for field in fields(Entry)}


@dataclass(frozen=True)
class Index:
    """The images of a shard, in the order in which they lie.

    Attributes
    ----------
    size : int
        Bytes of the shard.
    classes : tuple of str
    entries : sequence of Entry
    """

    size: int
    classes: tuple[str, ...]
    entries: Sequence[Entry]

    def write(self, path: Path) -> None:
        """Write it as JSON, a list for each column, atomically."""
        rows = [asdict(entry) for entry in self.entries]
        columns = {name: [row[name] for row in rows] for name in _KINDS}
        head = {"what": WHAT, "format": FORMAT, "bytes": self.size, "classes": self.classes}
        # Names that are no UTF-8 come back as they were: every odd byte is written as an escape.
        write_text(path, json.dumps(head | {"images": columns}, separators=(",", ":")) + "\n")


def index_path(shard: Path) -> Path:
    """Return where the index of a shard lies that `convstage shard` made."""
    return shard.with_name(f"{shard.stem}.index.json")


def find_index(shard: Path, make: Callable[[Path], Index]) -> Index:
    """Return the index of a shard: the one beside it, the one in the cache, or a new one that `make` makes.

    Raises
    ------
    DataError
        The index beside it is damaged or of another shard; what `make` raises.
    """
    facts = shard.stat()
    beside = index_path(shard)
    if beside.is_file():
        try:
            return read_index(beside, facts.st_size)
        except DataError as error:
            raise DataError(f"{error}\nMake the shards anew; or remove it, and one is made on first use.") from None
    key = [VERSION, str(shard.resolve()), facts.st_size, facts.st_mtime_ns]
    kept = cache_folder() / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.index"
    try:
        if kept.is_file():
            found = read_index(kept, facts.st_size)
            mark_used(kept)
            return found
    except DataError:
        pass  # the cache is made anew, whatever became of it
    made = make(shard)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.write(kept)
    except OSError as error:
        raise DataError(
            f"the index of {shard} cannot be kept: {error}.\nSet CONVSTAGE_CACHE to a folder with space for it."
        ) from None
    return made


def read_index(path: Path, size: int) -> Index:
    """Read the index of a shard of `size` bytes; nothing that it says is believed that cannot be.

    Raises
    ------
    DataError
        It is damaged, or of another shard.
    """
    try:
        content = read_json(path)
        if content["what"] != WHAT or content["format"] != FORMAT:
            raise DataError(f"{path} is no index of this version.")
        columns, classes = content["images"], content["classes"]
        if content["bytes"] != size:
            raise DataError(f"{path} is of a shard of {int(content['bytes']):,} bytes; this one has {size:,}.")
        if not _are(classes, str) or any(not _are(columns[name], kind) for name, kind in _KINDS.items()):
            raise DataError(f"{path} is damaged: a column holds something else than it should.")
        entries = [Entry(*row) for row in zip(*(columns[name] for name in _KINDS), strict=True)]
    except (RunError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is damaged.") from None
    for entry in entries:
        if problem := _problem(entry, size, len(classes)):
            raise DataError(f"{path} is damaged: {entry.key!r} has {problem}.")
    overlap = next((b.key for a, b in pairwise(entries) if a.offset + a.length > b.offset - BLOCK), None)
    if overlap is not None:
        raise DataError(f"{path} is damaged: {overlap!r} lies where another image does.")
    return Index(size, tuple(classes), entries)


def _are(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _problem(entry: Entry, size: int, classes: int) -> str | None:
    """Return what of an entry cannot be."""
    if entry.offset < BLOCK or entry.length < 0 or entry.offset + entry.length > size:
        return f"{entry.length:,} bytes from byte {entry.offset:,} on, of {size:,}"
    if not 0 <= entry.label < classes:
        return f"class number {entry.label}, of {classes} classes"
    if not _SHA256.fullmatch(entry.sha256):
        return "no SHA-256"
    if entry.part and entry.part not in PARTS:
        return f"part {entry.part!r}"
    return None


__all__ = ["Entry", "Index", "find_index", "index_path", "read_index"]

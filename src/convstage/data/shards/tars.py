"""Tar archives that nobody vouches for: their members are listed, and nothing is ever unpacked to the disk.

Python's `tarfile` reads the headers. What a header says is not believed: a reader of our own
under it bounds what headers may take, and every member must be an ordinary file that lies
within the archive.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ...errors import DataError

#: Bytes of a header, and what everything in an archive is rounded up to (POSIX.1-1988, ustar).
BLOCK = 512
#: Bytes that one member's headers may take: names and attributes, never content.
MOST_HEADER = 1024**2
#: Members of one archive.
MOST_MEMBERS = 10_000_000

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name, and where its content lies."""

    name: str
    offset: int
    length: int


class _Headers:
    """A file as `tarfile` may read it: forwards, and in pieces that headers can have."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MOST_HEADER

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.left:
            raise tarfile.ReadError(f"a header of more than {MOST_HEADER:,} bytes")
        self.left -= size
        return self.file.read(size)

    def seek(self, offset: int) -> int:
        return self.file.seek(offset)

    def tell(self) -> int:
        return self.file.tell()


def members(path: Path) -> Iterator[Member]:
    """Yield the files of a tar archive, as they lie in it.

    Raises
    ------
    DataError
        By name: a link, a device, a sparse file, a name that leads out of the archive, an
        archive that is cut off, damaged, packed, or none.
    """
    try:
        with open(path, "rb") as file:
            yield from _members(path, file)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _members(path: Path, file: BinaryIO) -> Iterator[Member]:
    size = os.fstat(file.fileno()).st_size
    reader = _Headers(file)
    end, count = 0, 0
    try:
        archive = tarfile.open(fileobj=reader, mode="r:", errors="surrogateescape")  # type: ignore[call-overload]  # noqa: SIM115
        while (info := archive.next()) is not None:
            reader.left = MOST_HEADER
            count += 1
            # It keeps all members, and steps back when a length is negative (CVE-2025-8194).
            archive.members.clear()
            if info.offset < end or info.size < 0 or count > MOST_MEMBERS:
                raise tarfile.ReadError("a header that points backwards")
            member = _checked(path, info, size)
            end = archive.offset
            if member is not None:
                yield member
    except DataError:
        raise
    except Exception as error:  # it raises ReadError, ValueError, RecursionError, and more
        raise DataError(
            f"{path} is no tar archive that can be read: {str(error) or type(error).__name__}, at byte {end:,}.\n"
            "Expected an archive that is not packed; make it anew."
        ) from None
    # At a header that it cannot read tarfile ends without a word; an archive ends with blocks of zeros.
    file.seek(end)
    closing = file.read(2 * BLOCK)
    if len(closing) < BLOCK or any(closing):
        raise DataError(f"{path} is cut off or damaged at byte {end:,} of {size:,}.\nCopy it again, or make it anew.")


def _checked(path: Path, info: tarfile.TarInfo, size: int) -> Member | None:
    """Return an ordinary file as a member, None for a folder; refuse all else."""
    name = info.name
    if kind := _KINDS.get(info.type):
        raise _refused(path, name, kind)
    if info.issparse() or any(header.startswith("GNU.sparse") for header in info.pax_headers):
        raise _refused(path, name, "a sparse file")
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or any(ord(letter) < 32 for letter in name):
        raise _refused(path, name, "a name that leads out of the archive, or cannot be one")
    if info.isdir():
        return None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise _refused(path, name, f"of type {info.type!r}")
    if info.offset_data + info.size > size:
        raise DataError(
            f"{path}: {name!r} says that it has {info.size:,} bytes from byte {info.offset_data:,} on; "
            f"the archive ends at {size:,}.\nIt is cut off or damaged: copy it again, or make it anew."
        )
    return Member(name, info.offset_data, info.size)


def _refused(path: Path, name: str, kind: str) -> DataError:
    return DataError(
        f"{path}: {name!r} is {kind}.\nExpected ordinary files, with relative names; nothing was unpacked."
    )


def fits(header: bytes, name: str, length: int) -> bool:
    """Return whether a header is that of a file of this name and length; a long name is cut off in it."""
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    short = info.name == name or len(name.encode("utf-8", "surrogateescape")) > 100
    return info.isreg() and info.size == length and short


__all__ = ["BLOCK", "Member", "fits", "members"]

"""Reading every item of a source, by threads that stay a little ahead of whoever takes the results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ..errors import DataError
from ..terminal import track
from .formats import Source
from .parallel import in_parallel

#: In place of the digest of a file that cannot be read, before the reason.
UNREADABLE = "unreadable: "

T = TypeVar("T")


def digests(source: Source) -> list[str]:
    """Return the SHA-256 of every item's content; of one that cannot be read the reason, behind `UNREADABLE`."""
    count = len(source.items)
    return list(track(in_parallel(lambda index: _read(source, index)[1], count), "Reading files", count))


def each(source: Source, sha256: Sequence[str], use: Callable[[bytes], T], title: str) -> Iterator[T | str]:
    """Yield in order what `use` makes of every item's content, or the reason why it is no use.

    Parameters
    ----------
    source : Source
    sha256 : sequence of str
        As `digests` returned them.
    use : callable
        Called in threads; may raise `DataError`.
    title : str
        What the progress bar says.

    Raises
    ------
    DataError
        A file has changed since.
    """

    def work(index: int) -> T | str:
        content, sha = _read(source, index)
        if sha != sha256[index]:
            raise DataError(f"{source.items[index].name} changed while the images were being read.\nStart again.")
        if sha.startswith(UNREADABLE):
            return sha.removeprefix(UNREADABLE)
        try:
            return use(content)
        except DataError as error:
            return str(error)

    count = len(source.items)
    yield from track(in_parallel(work, count), title, count)


def _read(source: Source, index: int) -> tuple[bytes, str]:
    try:
        content = source.read(index)
    except OSError as error:
        return b"", f"{UNREADABLE}{error.strerror or error}"
    return content, hashlib.sha256(content).hexdigest()

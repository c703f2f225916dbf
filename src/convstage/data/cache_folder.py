"""The folder of the caches: where it is, how large it may become, and how it is kept so."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from ..files import TEMPORARY

#: What all caches may take together, when `CONVSTAGE_CACHE_LIMIT` says nothing else.
DEFAULT_LIMIT = "20 GB"
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
#: Seconds after which a file that is still being written is taken for litter.
LITTER_AGE = 24 * 3600
#: Files of ours; the folder may be one that holds others.
OURS = re.compile(r"[0-9a-f]{32}\.(pixels|json|facts|index)")


def cache_folder() -> Path:
    """Return where decoded pixels are kept: ``CONVSTAGE_CACHE``, or the user's cache folder."""
    from platformdirs import user_cache_path

    return Path(os.environ.get("CONVSTAGE_CACHE") or user_cache_path("convstage", appauthor=False))


def cache_limit() -> int:
    """Return how many bytes the caches may take: ``CONVSTAGE_CACHE_LIMIT``, such as ``500 MB``, or 20 GB.

    Raises
    ------
    ConfigError
        It is no size.
    """
    text = os.environ.get("CONVSTAGE_CACHE_LIMIT") or DEFAULT_LIMIT
    return parse_bytes(text, "CONVSTAGE_CACHE_LIMIT")


def parse_bytes(text: str, name: str) -> int:
    """Read a number of bytes, such as ``20 GB``, ``500MB`` or ``1000``.

    Parameters
    ----------
    text : str
    name : str
        What is set to it, for the message.

    Raises
    ------
    ConfigError
        It is no size.

    Examples
    --------
    >>> parse_bytes("1.5 kB", "size"), parse_bytes("256MB", "size")
    (1500, 256000000)
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kMGT]?)B?", text.strip())
    if not match:
        raise ConfigError(f"{name} = {text!r} is no size.\nExpected one such as 20 GB or 500 MB.")
    return int(float(match[1]) * UNITS[match[2]])


def make_room(size: int) -> None:
    """Remove what was used longest ago, until `size` more bytes stay within the limit, and what was left half-written.

    A file that another process has mapped stays readable there (POSIX), or cannot be
    removed (Windows).
    """
    folder = cache_folder()
    for litter in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            if time.time() - litter.stat().st_mtime > LITTER_AGE:
                litter.unlink()
    entries: dict[str, list[Path]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    used: dict[str, float] = defaultdict(float)
    for path in folder.iterdir():
        with suppress(OSError):  # another process removes files, too
            if OURS.fullmatch(path.name):
                facts = path.stat()
                entries[path.stem].append(path)
                sizes[path.stem] += facts.st_size
                used[path.stem] = max(used[path.stem], facts.st_mtime)
    excess = sum(sizes.values()) + size - cache_limit()
    for stem in sorted(entries, key=used.__getitem__):
        if excess <= 0:
            return
        # The list first: pixels without it are not believed.
        for path in sorted(entries[stem]):
            with suppress(OSError):
                path.unlink()
        excess -= sizes[stem]


def mark_used(path: Path) -> None:
    """Note that a file was used just now."""
    with suppress(OSError):
        os.utime(path)

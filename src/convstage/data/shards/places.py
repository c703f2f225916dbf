"""Where shards lie: a tar file, a folder of them, a pattern with braces, or several of these."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

from ...errors import DataError
from ...text import examples
from ..source import in_order

#: Between several places.
BETWEEN = "::"
#: What the name of a shard ends with.
SUFFIX = ".tar"
#: No pattern stands for more shards.
MOST_SHARDS = 1_000_000

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,12})\.\.(\d{1,12})")
#: What begins a URL or a command; one letter alone is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_pattern(text: str) -> bool:
    """Return whether a text stands for shards without being the path of anything.

    Examples
    --------
    >>> is_pattern("data/{000..999}.tar"), is_pattern("a.tar::b.tar"), is_pattern("data/xrays")
    (True, True, False)
    """
    braces = "{" in text and text.endswith(SUFFIX)
    return (BETWEEN in text or braces) and not os.path.exists(text)  # noqa: PTH110  # a name may be too long for Path


def absolute(text: str) -> str:
    """Return a pattern that stands for the same shards wherever it is read.

    Raises
    ------
    DataError
        A URL or a command: only files are read.
    """
    places = []
    for place in text.split(BETWEEN):
        if _SCHEME.match(place):
            raise DataError(
                f"{place!r} is no path: shards are read from files, never from an address or a command.\n"
                "Mount the storage as a folder, or copy the shards; write ./ before a name with a colon."
            )
        if not place:
            raise DataError(f"{text!r} has an empty place.\nExpected shards between two {BETWEEN}.")
        places.append(str(Path(place).expanduser().resolve()))
    return BETWEEN.join(places)


def expand(text: str) -> list[str]:
    """Return the names that a pattern stands for, in order.

    ``{000..999}`` are numbers, with as many digits as they are written with; ``{a,b}`` is one
    or the other.

    Raises
    ------
    DataError
        Braces that cannot be read, or more than `MOST_SHARDS` names.

    Examples
    --------
    >>> expand("x/{08..10}.tar")
    ['x/08.tar', 'x/09.tar', 'x/10.tar']
    >>> expand("{a,b}/{0..1}.tar")
    ['a/0.tar', 'a/1.tar', 'b/0.tar', 'b/1.tar']
    """
    pieces = _BRACES.split(text)
    if any(brace in piece for piece in pieces[::2] for brace in "{}"):
        raise DataError(f"{text!r}: a brace is left open.\nExpected a pattern such as data/{{000..999}}.tar.")
    total = 1
    choices: list[list[str] | range] = []
    widths = []
    for number, piece in enumerate(pieces):
        numbers = _RANGE.fullmatch(piece) if number % 2 else None
        width = 0
        if number % 2 == 0:
            choices.append([piece])
        elif numbers:
            first, last = int(numbers[1]), int(numbers[2])
            if last < first:
                raise DataError(f"{text!r}: {{{piece}}} counts down.\nExpected the smaller number first.")
            choices.append(range(first, last + 1))
            width = len(numbers[1])
        elif "," in piece:
            choices.append(piece.split(","))
        else:
            raise DataError(
                f"{text!r}: {{{piece}}} is neither numbers nor a choice.\nExpected {{000..999}}, or {{a,b}}."
            )
        widths.append(width)
        total *= len(choices[-1])
        if total > MOST_SHARDS:
            raise DataError(f"{text!r} stands for more than {MOST_SHARDS:,} shards.")
    return [
        "".join(
            value if isinstance(value, str) else f"{value:0{width}d}" for value, width in zip(row, widths, strict=True)
        )
        for row in product(*choices)
    ]


def is_shards(path: Path) -> bool:
    """Return whether a path, or a pattern, is of shards: a folder of them has no folders."""
    if is_pattern(str(path)):
        return True
    if path.is_file():
        return path.suffix.lower() == SUFFIX
    return (
        path.is_dir()
        and bool(_in_folder(path))
        and not any(entry.is_dir() and not entry.name.startswith(".") for entry in path.iterdir())
    )


def find_shards(path: Path) -> list[Path]:
    """Return the shards that a path or a pattern stands for, in order.

    Raises
    ------
    DataError
        None there, one that is missing, or one that is named twice.
    """
    shards: list[Path] = []
    for place in str(path).split(BETWEEN) if is_pattern(str(path)) else [str(path)]:
        for name in expand(place) if is_pattern(place) else [place]:
            shards += _in_folder(Path(name)) if Path(name).is_dir() else [Path(name)]
    missing = [str(shard) for shard in shards if not shard.is_file()]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(shards):,} shards of {path} are not there: {examples(missing)}.\n"
            "Put them back, or name those that are there."
        )
    if not shards:
        raise DataError(f"{path} has no shards.\nExpected files that end with {SUFFIX}.")
    twice = {shard for shard in shards if shards.count(shard) > 1} if len(set(shards)) < len(shards) else set()
    if twice:
        raise DataError(f"{path} names shards twice: {examples(sorted(map(str, twice)))}.")
    return shards


def _in_folder(folder: Path) -> list[Path]:
    return in_order(
        entry for entry in folder.glob("*.[tT][aA][rR]") if entry.is_file() and not entry.name.startswith(".")
    )


def stem(text: str) -> str:
    """Return what data is called for short: the name of a file or folder; of a pattern, that of its first folder.

    Examples
    --------
    >>> stem("/data/xrays/{000..999}.tar"), stem("/data/lungs.csv"), stem("digits")
    ('xrays', 'lungs', 'digits')
    """
    if not is_pattern(text):
        return Path(text).stem
    first = Path(text.split(BETWEEN)[0])
    return (first.parent.name if "{" in first.name else first.stem) or "shards"

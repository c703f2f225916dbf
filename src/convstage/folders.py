"""New folders: their names, their numbers, and where none can be made."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import count
from pathlib import Path

from .errors import ConfigError, RunError

#: Longest name, in bytes; common file systems take 255, and a number may follow.
LONGEST = 200


def new_folder(out: str | Path, name: str | None, stem: str) -> Path:
    """Make a folder in `out`: `name`, or `stem` with the next free number.

    Raises
    ------
    RunError, ConfigError
        It exists already, the name is none, or there is no place for it.
    """
    check_new(out, name)
    # Of a long name in many bytes, as much as leaves room for the number.
    stem = (
        re.sub(r"[^\w.-]+", "-", stem).encode("utf-8", "ignore")[:LONGEST].decode("utf-8", "ignore").strip("-.")
        or "run"
    )
    names = [name] if name is not None else (f"{stem}-{number}" for number in count(1))
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
        for candidate in names:
            with suppress(FileExistsError):
                (Path(out) / candidate).mkdir()
                return Path(out) / candidate
    except OSError as error:
        raise _unwritable(out, error.strerror) from None
    raise _exists(Path(out) / str(name))


def check_new(out: str | Path, name: str | None) -> None:
    """Refuse a run folder that could not be made, before any work is done for it; makes nothing.

    Raises
    ------
    RunError, ConfigError
        It exists already, the name is none, or there is no place for it.
    """
    if name is not None and (
        not re.fullmatch(r"[^/\\\0]+", name) or name in (".", "..") or not 0 < _bytes(name) <= LONGEST
    ):
        raise ConfigError(f"name = {name!r}: a run's name must be a folder's name, without slashes.")
    out = Path(out)
    if "\0" in str(out) or not _bytes(str(out)):
        raise ConfigError(f"out = {str(out)!r}: that cannot be the name of a folder.")
    try:
        if name is not None and (out / name).exists():
            raise _exists(out / name)
        parent = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    except OSError as error:
        raise _unwritable(out, error.strerror) from None
    if not parent.is_dir():
        raise _unwritable(out, f"{parent} is not a folder")
    if not os.access(parent, os.W_OK):
        raise _unwritable(out, f"{parent} cannot be written to")


def _bytes(name: str) -> int:
    """Return how long a name is on the disk; 0 where it has characters that no file name has."""
    try:
        return len(os.fsencode(name))
    except UnicodeEncodeError:
        return 0


def _exists(path: Path) -> RunError:
    return RunError(f"{path} exists already.\nChoose another --name, or go on with it: convstage train --resume {path}")


def _unwritable(out: str | Path, reason: str | None) -> RunError:
    return RunError(f"no run folder can be made in {out}: {reason}.\nChoose another place with --out.")

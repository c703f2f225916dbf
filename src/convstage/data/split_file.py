"""Parts that a file names: a table of images and parts, or the `split.json` of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DataError
from ..text import cut, examples
from .source import part_named
from .table import part_in, read_columns

#: What the columns may be called.
COLUMNS = {"path": ("name", "path", "image", "file", "filename"), "split": ("split", "part")}


def read_split_file(path: str | Path, names: Sequence[str]) -> dict[str, str]:
    """Return the part of every image that a split file names.

    Parameters
    ----------
    path : path
        A CSV file with a column ``name`` (or ``path``, ``image``) and a column ``split``
        (or ``part``), or a run's ``split.json``.
    names : sequence of str
        What the images of the data are called.

    Raises
    ------
    DataError
        It cannot be read, says something other than parts, or names images that the data
        does not have.
    """
    path = Path(path).expanduser()
    try:
        parts = _from_json(path) if path.suffix.lower() == ".json" else _from_table(path)
    except OSError as error:
        raise DataError(f"the split file {path} cannot be read: {error.strerror or error}.") from None
    missing = sorted(set(parts) - set(names))
    if missing:
        raise DataError(
            f"{path} names {len(missing):,} of {len(parts):,} images that the data does not have: "
            f"{examples(map(cut, missing))}.\n"
            f"Images are called as in the run folder's split.json, here for instance {names[0]}."
        )
    return parts


def note_on_unnamed(names: Sequence[str], named: Mapping[str, str], file: str) -> list[str]:
    """Say which images the split file does not name, and that they are left out."""
    unnamed = [name for name in names if name not in named]
    if not unnamed:
        return []
    return [f"{len(unnamed):,} left out, since {file} does not name them: {examples(unnamed)}"]


def _from_table(path: Path) -> dict[str, str]:
    rows = read_columns(path, COLUMNS, needed=("path", "split"))
    return {row["path"]: str(part_in(path, line, row["split"])) for line, row in rows}


def _from_json(path: Path) -> dict[str, str]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["images"]
        parts = {str(row["name"]): part_named(str(row["part"])) for row in rows}
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(
            f"{path} is no split file.\nExpected a run's split.json, or a CSV file of name and split."
        ) from None
    wrong = [name for name, part in parts.items() if part is None]
    if wrong:
        raise DataError(f"{path} names no part of {cut(wrong[0])}.\nExpected train, val or test.")
    return {name: str(part) for name, part in parts.items()}

"""Tables of images: a CSV file of paths and labels, and of whatever else a line says of an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import DataError
from . import images
from .source import Item, Source, in_order, part_named

#: What the columns may be called, in upper or lower case; the first name wins over the others.
COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "split": ("split", "part"),
    "group": ("group", "patient", "patient_id"),
}
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """A CSV file of paths, relative to its own folder or absolute."""

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]

    def read(self, index: int) -> bytes:
        name = self.items[index].name
        try:
            return (self.root.parent / name).read_bytes()
        except FileNotFoundError:
            # Tables that were written on Windows name files so, and are read elsewhere.
            if "\\" not in name:
                raise
            return (self.root.parent / name.replace("\\", "/")).read_bytes()

    def open(self, data: bytes) -> Image.Image:
        return images.open_image(data)


def read_table(path: Path) -> Source:
    """List a CSV file with the columns path and label, and perhaps split and group; others are ignored.

    Raises
    ------
    DataError
        With line and column: a label that is missing, a split that is none, an image that is listed twice.
    """
    rows = read_columns(path, COLUMNS, needed=("path", "label"))
    classes = tuple(in_order({row["label"] for _, row in rows}))
    numbers = {name: number for number, name in enumerate(classes)}
    items = [
        Item(row["path"], numbers[row["label"]], part_in(path, line, row["split"]), row["group"] or None)
        for line, row in rows
    ]
    return Table(path, classes, tuple(items))


def part_in(path: Path, line: int, word: str) -> str | None:
    """Return the part that a line names, None when it names none; refuse what is no part."""
    part = part_named(word) if word else None
    if word and part is None:
        raise DataError(f"{path}, line {line}, column split: {word!r} is no part.\nExpected train, val or test.")
    return part


def read_columns(
    path: Path, columns: Mapping[str, Sequence[str]], needed: Sequence[str]
) -> list[tuple[int, dict[str, str]]]:
    """Read some columns of a CSV file, in UTF-8, with a header, separated by ``,``, ``;`` or tabulators.

    Parameters
    ----------
    path : Path
    columns : mapping of str to sequence of str
        What a column may be called.
    needed : sequence of str
        Columns that must be there, and hold something in every line. The first of them
        names the image, and each image once.

    Returns
    -------
    list of (int, dict)
        Of every line that is not empty its number and its values, without spaces around
        them; ``""`` for columns that are not there.

    Raises
    ------
    DataError
        With the line, and the column where there is one.
    """
    text = _text(path)
    # A header that has what is needed decides on the delimiter: values may hold any of them.
    for delimiter in DELIMITERS:
        records = _records(path, text, delimiter)
        try:
            header = [name.strip().lower() for name in next(records, (1, []))[1]]
        except DataError:
            continue
        places = {column: _place(path, header, names) for column, names in columns.items()}
        if all(places[column] is not None for column in needed):
            return _values(path, records, header, places, needed)
    first = text.splitlines()[0].strip() if text else ""
    raise DataError(
        f"{path} has no columns {' and '.join(needed)}: its first line is {first[:80]!r}.\n"
        f"Expected a header such as {','.join(needed)} above the images, separated by commas, semicolons or tabulators."
    )


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every record with the number of the line that it begins in."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: {error}.\nQuotation marks must be closed, and doubled within.") from None


def _values(
    path: Path,
    records: Iterable[tuple[int, list[str]]],
    header: Sequence[str],
    places: Mapping[str, int | None],
    needed: Sequence[str],
) -> list[tuple[int, dict[str, str]]]:
    rows: list[tuple[int, dict[str, str]]] = []
    seen: dict[str, int] = {}
    for line, fields in records:
        if not any(field.strip() for field in fields):
            continue
        if any(fields[len(header) :]):
            raise DataError(
                f"{path}, line {line}: {len(fields)} values, but {len(header)} columns.\n"
                "Put values that hold the separator into quotation marks."
            )
        fields += [""] * (len(header) - len(fields))
        row = {column: "" if place is None else fields[place].strip() for column, place in places.items()}
        for column in needed:
            if not row[column]:
                name = header[places[column] or 0]
                raise DataError(f"{path}, line {line}, column {name}: empty.\nFill it in, or remove the line.")
        image = row[needed[0]]
        if image in seen:
            raise DataError(f"{path}, line {line}: {image} is in line {seen[image]} already.\nRemove one of the two.")
        seen[image] = line
        rows.append((line, row))
    return rows


def _place(path: Path, header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return which column goes by one of the names."""
    found = [name for name in names if name in header]
    if not found:
        return None
    if header.count(found[0]) > 1:
        raise DataError(f"{path} has more than one column {found[0]}.\nRename those that are not meant.")
    if len(found) > 1 and found[0] != names[0]:
        raise DataError(
            f"{path} has the columns {' and '.join(found)}; which one is meant?\nCall the right one {names[0]}."
        )
    return header.index(found[0])


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is UTF-16.\nSave it as CSV in UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not UTF-8.\nSave it as CSV in UTF-8.") from None

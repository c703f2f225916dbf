"""Tables of images: a CSV file of paths and labels, and of whatever else a line says of an image."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from PIL import Image

from ..errors import DataError
from ..text import cut, memory
from . import images
from .bounds import check_images, distinct
from .content import read_file
from .source import Item, Source, in_order, part_named

#: What the columns may be called, in upper or lower case; the first name wins over the others.
COLUMNS = {
    "path": ("path", "image", "file", "filename"),
    "label": ("label", "class"),
    "split": ("split", "part"),
    "group": ("group", "patient", "patient_id"),
}
DELIMITERS = (",", ";", "\t")
#: Bytes of a table, and characters of one of its lines.
MAX_BYTES, MAX_LINE = 256 * 2**20, 1 << 20


@dataclass(frozen=True)
class Table:
    """A CSV file of paths, relative to its own folder or absolute."""

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]

    def read(self, index: int) -> bytes:
        name = self.items[index].name
        try:
            return read_file(self.root.parent / name)
        except FileNotFoundError:
            # Tables that were written on Windows name files so, and are read elsewhere.
            if "\\" not in name:
                raise
            return read_file(self.root.parent / name.replace("\\", "/"))

    def open(self, data: bytes) -> Image.Image:
        return images.open_image(data)


def read_table(path: Path) -> Source:
    """List a CSV file with the columns path and label, and perhaps split and group; others are ignored.

    Raises
    ------
    DataError
        With line and column: a label that is missing, a split that is none, an image that is listed twice.
    """
    found = [
        # Words that return line by line are kept once.
        (row["path"], intern(row["label"]), part_in(path, line, row["split"]), intern(row["group"]) or None)
        for line, row in read_columns(path, COLUMNS, needed=("path", "label"))
    ]
    classes = tuple(in_order(distinct(path, (label for _, label, _, _ in found))))
    numbers = {name: number for number, name in enumerate(classes)}
    items = tuple(Item(image, numbers[label], part, group) for image, label, part, group in found)
    return Table(path, classes, items)


def part_in(path: Path, line: int, word: str) -> str | None:
    """Return the part that a line names, None when it names none; refuse what is no part."""
    part = part_named(word) if word else None
    if word and part is None:
        raise DataError(f"{path}, line {line}, column split: {cut(word)!r} is no part.\nExpected train, val or test.")
    return part


def read_columns(
    path: Path, columns: Mapping[str, Sequence[str]], needed: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read some columns of a CSV file, in UTF-8, with a header, separated by ``,``, ``;`` or tabulators.

    Parameters
    ----------
    path : Path
    columns : mapping of str to sequence of str
        What a column may be called.
    needed : sequence of str
        Columns that must be there, and hold something in every line. The first of them
        names the image, and each image once.

    Yields
    ------
    (int, dict)
        Of every line that is not empty its number and its values, without spaces around
        them; ``""`` for columns that are not there.

    Raises
    ------
    DataError
        With the line, and the column where there is one.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} has {memory(size)}; at most {memory(MAX_BYTES)} are read.\nSplit it into several.")
    with open(path, "rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise DataError(f"{path} is UTF-16.\nSave it as CSV in UTF-8.")
    # A header that has what is needed decides on the delimiter: values may hold any of them.
    for delimiter in DELIMITERS:
        records = _records(path, delimiter)
        try:
            header = [name.strip().lower() for name in next(records, (1, []))[1]]
        except csv.Error:
            continue
        places = {column: _place(path, header, names) for column, names in columns.items()}
        if all(places[column] is not None for column in needed):
            yield from _values(path, records, header, places, needed)
            return
    first = next(_lines(path), "").strip()
    raise DataError(
        f"{path} has no columns {' and '.join(needed)}: its first line is {first[:80]!r}.\n"
        f"Expected a header such as {','.join(needed)} above the images, separated by commas, semicolons or tabulators."
    )


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield every record with the number of the line that it begins in."""
    reader = csv.reader(_lines(path), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        # The header of another delimiter is none of this one, and may be wrong in its eyes.
        if line == 1:
            raise
        raise DataError(f"{path}, line {line}: {error}.\nQuotation marks must be closed, and doubled within.") from None


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, with their ends; csv joins those that quotation marks hold together."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), ""), 1):
                if len(line) > MAX_LINE:
                    raise DataError(f"{path}, line {number}: more than {MAX_LINE:,} characters.\nIs it a table?")
                yield line
        except UnicodeDecodeError:
            raise DataError(f"{path}, line {_undecodable(path)}: not UTF-8.\nSave it as CSV in UTF-8.") from None


def _undecodable(path: Path) -> int:
    """Return the number of the first line that is not UTF-8; the text was read in blocks, which do not tell."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def _values(
    path: Path,
    records: Iterable[tuple[int, list[str]]],
    header: Sequence[str],
    places: Mapping[str, int | None],
    needed: Sequence[str],
) -> Iterator[tuple[int, dict[str, str]]]:
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
            again = f"{cut(image)} is in line {seen[image]} already"
            raise DataError(f"{path}, line {line}: {again}.\nRemove one of the two.")
        seen[image] = line
        check_images(path, len(seen))
        yield line, row


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

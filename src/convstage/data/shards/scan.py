"""A shard that came without an index -> its index, by one pass over the archive.

The layout is webdataset's: files that follow one another and share a key are a sample,
``<key>.jpg`` with ``<key>.cls``, ``<key>.json`` or ``<key>.txt`` beside it. The key is the
name up to the first dot of its last part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import DataError
from ...text import examples
from ..source import in_order, part_named
from .index import Entry, Index
from .look import MOST_IMAGE, look
from .tars import Member, members

#: Endings of images, in lower case, behind the last dot.
IMAGES = frozenset(
    ("jpg", "jpeg", "png", "bmp", "tif", "tiff", "gif", "webp", "ppm", "pgm", "pbm", "pnm", "dcm", "dicom")
)
#: Where a label is looked for, in this order, and the fields of a ``.json`` that may hold one, and more.
LABELS = ("cls", "json", "txt")
FIELDS = {
    "label": ("class", "label", "cls", "target"),
    "part": ("part", "split"),
    "group": ("group", "patient", "patient_id"),
}
#: A label, with all that stands beside it, has no more bytes.
MOST_LABEL = 1024**2


@dataclass(frozen=True, slots=True)
class Sample:
    """What an archive says of an image."""

    label: str
    entry: Entry


def scan(path: Path) -> Index:
    """Read a shard through, and return what is in it; every image is decoded once.

    Raises
    ------
    DataError
        By name: a sample without a label, or with two images; a label that cannot be read;
        whatever `members` refuses.
    """
    with open(path, "rb") as file:
        samples = [_sample(path, file, key, files) for key, files in _samples(path)]
    keys = [sample.entry.key for sample in samples]
    if len(set(keys)) < len(keys):
        again = examples(sorted({key for key in keys if keys.count(key) > 1}))
        raise DataError(f"{path} has samples of one key apart: {again}.\nExpected the files of a sample together.")
    classes = tuple(in_order({sample.label for sample in samples}))
    numbers = {name: number for number, name in enumerate(classes)}
    entries = [replace(sample.entry, label=numbers[sample.label]) for sample in samples]
    return Index(path.stat().st_size, classes, entries)


def _samples(path: Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """Yield every key, with its files by their extension."""
    for key, group in groupby(members(path), lambda member: _split(member.name)[0]):
        files: dict[str, Member] = {}
        for member in group:
            extension = _split(member.name)[1]
            if extension in files:
                raise DataError(f"{path}: {member.name!r} is there twice.\nExpected names that are there once.")
            files[extension] = member
        if not key.rpartition("/")[2]:
            continue  # a hidden file, such as systems leave behind
        yield key, files


def _split(name: str) -> tuple[str, str]:
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, extension = file.partition(".")
    return f"{folder}{slash}{stem}", extension


def _sample(path: Path, file: BinaryIO, key: str, files: dict[str, Member]) -> Sample:
    images = [extension for extension in files if extension.rpartition(".")[2].lower() in IMAGES]
    if len(images) != 1:
        found = examples([f"{key}.{extension}" for extension in (images or files)], 5)
        raise DataError(f"{path}: sample {key!r} has {len(images)} images: {found}.\nExpected one.")
    said = _said(path, file, files)
    member = files[images[0]]
    entry = look(_content(file, member)) if member.length <= MOST_IMAGE else _too_long(file, member)
    entry = replace(entry, key=key, extension=images[0], offset=member.offset, length=member.length)
    name = f"{path.stem}/{key}.{images[0]}"
    if said.get("sha256") is not None and isinstance(said.get("name"), str):  # made by `convstage shard`
        name = said["name"]
        if said["sha256"] != entry.sha256:
            raise DataError(f"{path}: {key}.{images[0]} is damaged: its SHA-256 is not the one of {key}.json.")
    label, part, group = (_field(said, kind) for kind in ("label", "part", "group"))
    if not label:
        raise DataError(
            f"{path}: sample {key!r} has no label.\n"
            f"Expected {key}.cls or {key}.txt with it, or {key}.json with a field {' or '.join(FIELDS['label'])}."
        )
    if part and part_named(part) is None:
        raise DataError(f"{path}: {key}.json: {part!r} is no part.\nExpected train, val or test.")
    return Sample(label, replace(entry, name=name, part=(part and part_named(part)) or "", group=group))


def _said(path: Path, file: BinaryIO, files: dict[str, Member]) -> dict[str, Any]:
    """Return what the files beside an image say of it; a label that two of them have is the first one's."""
    said: dict[str, Any] = {}
    for extension in LABELS:
        member = files.get(extension)
        if member is None or (extension == "txt" and _field(said, "label")):
            continue
        if member.length > MOST_LABEL:
            raise DataError(f"{path}: {member.name!r} has {member.length:,} bytes; a label has {MOST_LABEL:,} at most.")
        try:
            text = _content(file, member).decode("utf-8-sig").strip()
            told = json.loads(text) if extension == "json" else {"class": text}
        except (ValueError, RecursionError):
            kind = "no JSON" if extension == "json" else "no text in UTF-8"
            raise DataError(f"{path}: {member.name!r} is {kind}.\nExpected what the image shows.") from None
        if isinstance(told, str | int):
            told = {"class": told}
        if isinstance(told, dict):
            said = told | said
    return said


def _field(said: dict[str, Any], kind: str) -> str:
    """Return a field by one of its names as text: ``""`` where there is none that is text or a whole number."""
    values = (said[name] for name in FIELDS[kind] if name in said)
    return next((str(value).strip() for value in values if isinstance(value, str | int)), "")


def _content(file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    return file.read(member.length)


def _too_long(file: BinaryIO, member: Member) -> Entry:
    """Return an entry for a file that is no image, without reading it into memory."""
    file.seek(member.offset)
    sha, left = hashlib.sha256(), member.length
    while left:
        piece = file.read(min(left, 1024**2))
        sha.update(piece)
        left -= len(piece)
    return Entry("", "", 0, 0, 0, sha.hexdigest(), "", reason=f"{member.length:,} bytes are more than {MOST_IMAGE:,}")


__all__ = ["scan"]

"""Labelled images -> shards, which hold them in random order, each part in shards of its own."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ConfigError, DataError
from ...files import TEMPORARY, csv_text, read_json, write_json, write_text
from ...terminal import bar, track
from ...text import examples
from ..cache_folder import parse_bytes
from ..dataset import open_source
from ..images import describe
from ..parallel import in_parallel
from ..parts import check_classes, divide, named_parts
from ..pixel_rows import PixelRows
from ..readable import Images, Read, usable
from ..source import PARTS, Source
from .index import Entry
from .look import MOST_IMAGE, look
from .pack import RECORD, Packed, archive_bytes, write_shard

#: Names the settings that shards were made with; written last, so that what lacks it is unfinished.
SUMMARY = "shards.json"
FORMAT = 1
UNREADABLE = "unreadable.csv"
#: Bytes of a shard when nothing else is asked for.
DEFAULT_SIZE = "256MB"
#: Digits of a key, and of a shard's number, at least.
KEY_DIGITS, SHARD_DIGITS = 8, 3


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes
    ----------
    path : Path
        The folder.
    shards, images, bytes : int
    parts : dict of str to int
        Images of each part.
    unreadable : list of (str, str)
        Files that are left out, each with the reason.
    notes : list of str
        What a reader should know of the data.
    """

    path: Path
    shards: int
    images: int
    bytes: int
    parts: dict[str, int]
    unreadable: list[tuple[str, str]]
    notes: list[str]


def make_shards(
    data: str | Path,
    out: str | Path,
    *,
    size: str = DEFAULT_SIZE,
    images: int | None = None,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    classes: Sequence[str] | None = None,
    group_regex: str | None = None,
    split_file: str | Path | None = None,
    max_unreadable: float = 0.05,
) -> Made:
    """Put labelled images into tar shards, from which trainings read them.

    The same data and settings give the same bytes. Files are put in as they are; rows of
    arrays become PNG files. Images are divided into parts here, by the rules of
    `convstage.train`, and shuffled within their part, and every shard holds images of one part.

    Parameters
    ----------
    data : path or str
        Images in any of the formats that are read.
    out : path
        A folder that is new, empty, or holds what an earlier attempt left unfinished.
    size : str
        Bytes of a shard at most, such as ``256MB``; an image that is larger has one for itself.
    images : int, optional
        Images of a shard, instead.
    val, test, seed, classes, group_regex, split_file, max_unreadable
        As in `convstage.train`.

    Returns
    -------
    Made

    Raises
    ------
    DataError, ConfigError
        Before anything is written, as a training would; `out` holds something else; the disk is full.
    """
    most = parse_bytes(size, "size")
    if images is None and most < RECORD:
        raise ConfigError(f"size = {size!r}: a shard takes {RECORD:,} bytes at least.\nUsual are 100MB to 1GB.")
    if images is not None and images < 1:
        raise ConfigError(f"images = {images}: a shard holds 1 image at least.")
    check_out(Path(out))
    name, source = open_source(data, classes=classes, group_regex=group_regex)
    check_classes(name, source)
    named = named_parts(source, split_file)
    count = len(source.items)
    seen = list(track(in_parallel(partial(_look, source), count), "Reading images", count))
    whole = usable(source, _read(seen), max_unreadable)
    taken, parts, notes = divide(source, whole, named, val=val, test=test, seed=seed, split_file=split_file)

    packed = _packed(source, seen, taken, parts)
    shards = list(_cut(_shuffled(packed, seed), most if images is None else None, images))
    counts = {part: int((parts == part).sum()) for part in PARTS}
    # The source's own path is not in it: the same images elsewhere give the same bytes.
    summary = {
        "format": FORMAT,
        "classes": source.classes,
        "images": len(packed),
        "shards": len(shards),
        "parts": counts,
        "notes": notes,
        "settings": {
            "val": val,
            "test": test,
            "seed": seed,
            "images_per_shard": images,
            "bytes_per_shard": most if images is None else None,
        },
    }
    try:
        _begin(Path(out), summary)
        written = _write(Path(out), source, shards)
        if taken.unreadable:
            write_text(Path(out) / UNREADABLE, csv_text(("file", "reason"), taken.unreadable))
        write_json(Path(out) / SUMMARY, summary | {"bytes": written, "finished": True})
    except OSError as error:
        raise DataError(
            f"the shards cannot be written to {out}: {error.strerror or error}.\n"
            "Make room and begin again, or choose another folder with -o."
        ) from None
    return Made(Path(out), len(shards), len(packed), written, counts, taken.unreadable, notes)


def check_out(out: Path) -> None:
    """Refuse a folder that holds anything but what an unfinished attempt left there.

    Raises
    ------
    DataError
        It does, or is no folder.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise DataError(f"{out} is no folder.\nChoose another with -o.")
    begun = (out / SUMMARY).exists()
    if begun and read_json(out / SUMMARY).get("finished"):
        raise DataError(f"{out} holds shards already.\nChoose another folder with -o, or remove this one.")
    others = sorted(path.name for path in out.iterdir() if not (begun and _ours(path.name)) and not _litter(path.name))
    if others:
        raise DataError(f"{out} is not empty: it holds {examples(others)}.\nChoose a new folder with -o.")


def _ours(name: str) -> bool:
    stem = name.removesuffix(".tar").removesuffix(".index.json")
    return name in (UNREADABLE, SUMMARY) or (stem != name and stem.isascii() and stem.isdigit())


def _litter(name: str) -> bool:
    return name.startswith(TEMPORARY)


def _begin(out: Path, summary: dict[str, Any]) -> None:
    """Make the folder, or empty it of what an unfinished attempt left; say that this one is not finished."""
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        if path.name != SUMMARY:  # which says that the rest is ours
            path.unlink()
    write_json(out / SUMMARY, summary | {"finished": False})


def _look(source: Source, row: int) -> Entry:
    """Decode an image once; return what its file will be like in a shard."""
    try:
        return look(_file(source, row))
    except (OSError, DataError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Entry("", "", 0, 0, 0, hashlib.sha256(b"").hexdigest(), "", reason=reason)


def _file(source: Source, row: int) -> bytes:
    """Return an item as a file of an image: as it is, or as PNG when it is a row of an array."""
    content = source.read(row)
    if len(content) > MOST_IMAGE:
        raise DataError(f"{len(content):,} bytes are more than {MOST_IMAGE:,}")
    try:
        describe(content)
    except DataError:
        buffer = io.BytesIO()
        source.open(content).save(buffer, "PNG")  # raises the reason when it is a file that cannot be read
        return buffer.getvalue()
    return content


def _read(seen: Sequence[Entry]) -> Read:
    """Return what was seen as the listing of a source, without any pixels: none are needed to divide the images."""
    rows = np.flatnonzero([not entry.reason for entry in seen])
    nothing = np.broadcast_to(np.uint8(0), (len(rows), 1, 1, 1))
    unreadable = [(row, entry.reason) for row, entry in enumerate(seen) if entry.reason]
    return Read(PixelRows(nothing, np.arange(len(rows))), rows, [entry.sha256 for entry in seen], unreadable)


def _packed(source: Source, seen: Sequence[Entry], taken: Images, parts: npt.NDArray[np.str_]) -> list[Packed]:
    """Return the images that take part, each with its class, part and group, and a key that tells its place."""
    row_of = {item.name: row for row, item in enumerate(source.items)}
    digits = max(KEY_DIGITS, len(str(len(seen))))
    packed = []
    for place, name in enumerate(taken.names):
        row, label = row_of[name], int(taken.labels[place])
        entry = replace(
            seen[row],
            key=f"{row:0{digits}d}",
            label=label,
            name=name,
            part=str(parts[place]),
            group=source.items[row].group or "",
        )
        packed.append(Packed(row, source.classes[label], entry))
    return packed


def _shuffled(packed: Sequence[Packed], seed: int) -> list[list[Packed]]:
    """Return the images of each part, shuffled."""
    parts = [[image for image in packed if image.entry.part == part] for part in PARTS]
    return [
        [images[place] for place in np.random.default_rng((seed, number)).permutation(len(images))]
        for number, images in enumerate(parts)
    ]


def _cut(parts: Sequence[Sequence[Packed]], most: int | None, images: int | None) -> Iterator[list[Packed]]:
    """Yield what each shard holds: images of one part, up to a number of bytes or of images."""
    for part in parts:
        shard: list[Packed] = []
        used = 0
        for image in part:
            full = len(shard) == images or (most is not None and archive_bytes(used + image.bytes) > most)
            if shard and full:
                yield shard
                shard, used = [], 0
            shard.append(image)
            used += image.bytes
        if shard:
            yield shard


def _write(out: Path, source: Source, shards: Sequence[Sequence[Packed]]) -> int:
    """Write all shards; return how many bytes they are."""
    digits = max(SHARD_DIGITS, len(str(len(shards) - 1)))
    total = 0
    with bar("images") as progress:
        task = progress.add_task("Writing shards", total=sum(map(len, shards)), note="")
        for number, shard in enumerate(shards):
            files = in_parallel(partial(_again, source, shard), len(shard))
            index = write_shard(out / f"{number:0{digits}d}.tar", zip(shard, files, strict=True), tuple(source.classes))
            total += index.size
            progress.update(task, advance=len(shard), note=f"shard {number + 1} of {len(shards)}")
    return total


def _again(source: Source, shard: Sequence[Packed], place: int) -> bytes:
    """Return an image's file, if it is still what it was."""
    image = shard[place]
    file = _file(source, image.row)
    if hashlib.sha256(file).hexdigest() != image.entry.sha256:
        raise DataError(f"{image.entry.name} changed while the images were being read.\nStart again.")
    return file


__all__ = ["DEFAULT_SIZE", "Made", "make_shards"]

"""A folder of images -> everything that training needs: pixels, labels, parts, preprocessing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..text import examples
from .cache import decode
from .duplicates import copies_across, note_on_classes, note_on_copies, note_on_copies_across, united
from .formats import Source, find_source
from .pixel_rows import PixelRows
from .preprocess import Geometry, Standardisation, measure
from .samples import SAMPLES
from .selection import Selection, choose_classes, group_by_name
from .split import TRAIN, split
from .split_file import note_on_unnamed, read_split_file

#: So many unreadable files are named in a message.
SHOWN = 5


@dataclass(frozen=True)
class Dataset:
    """Labelled images, decoded and split.

    Attributes
    ----------
    source : str
        Where they came from: a path or the name of an embedded sample.
    classes : tuple of str
        Names of the classes; labels count them from 0.
    pixels : PixelRows, shape (n, height, width, channels)
        Of a memory-mapped array of uint8; indexed as one is.
    labels : ndarray of int, shape (n,)
    names, sha256 : list of str, length n
        What each image is called in the data set, and the digest of its content.
    groups : list of str, length n
        What each image shares with those that are not independent of it, such as the
        patient; its own name where it has no group.
    parts : ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.
    unreadable : list of (str, str)
        Files that are no use, each with the reason.
    notes : list of str
        What a reader of the results should know of the data: copies, images left out.
    geometry, standardisation
        How images become network input.
    """

    source: str
    classes: tuple[str, ...]
    pixels: PixelRows
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    groups: list[str]
    parts: npt.NDArray[np.str_]
    unreadable: list[tuple[str, str]]
    notes: list[str]
    geometry: Geometry
    standardisation: Standardisation

    def rows(self, part: str) -> npt.NDArray[np.int64]:
        """Return the row numbers of a part."""
        return np.flatnonzero(self.parts == part)

    def counts(self, part: str | None = None) -> npt.NDArray[np.int64]:
        """Return the number of images per class, of one part or of all."""
        labels = self.labels if part is None else self.labels[self.parts == part]
        return np.bincount(labels, minlength=len(self.classes))

    @property
    def units(self) -> list[int]:
        """What must stay in one part, as a number per image: groups, joined where they hold the same image."""
        return united(self.groups, self.sha256)

    def with_parts(self, parts: npt.NDArray[np.str_]) -> Dataset:
        """Return the data set with other parts, and the standardisation measured on its new training part."""
        rows = self.pixels.rows[np.flatnonzero(parts == TRAIN)]
        return replace(self, parts=parts, standardisation=measure(self.pixels.array, rows))

    def split_rows(self) -> list[dict[str, str]]:
        """Return every image's name, SHA-256, class, part and group, if any, as the run folder keeps them."""
        return [
            {"name": name, "sha256": sha, "class": self.classes[label], "part": str(part)}
            | ({} if group == name else {"group": group})
            for name, sha, label, part, group in zip(
                self.names, self.sha256, self.labels, self.parts, self.groups, strict=True
            )
        ]


def open_source(
    data: str | Path, *, classes: Sequence[str] | None = None, group_regex: str | None = None
) -> tuple[str, Source]:
    """Return where the data is, in words, and its images.

    Parameters
    ----------
    data : path or str
        Images in any of `FORMATS`; a name of `SAMPLES` is an embedded sample.
    classes : sequence of str, optional
        Only these, in this order; see `choose_classes`.
    group_regex : str, optional
        What of an image's name is its group; see `group_by_name`.

    Raises
    ------
    DataError, ConfigError
        Nothing there that can be read; classes or groups that the data does not have.
    """
    if str(data) in SAMPLES:
        name, source = str(data), find_source(SAMPLES[str(data)].path)
    else:
        path = Path(data).expanduser().resolve()
        if not path.exists():
            raise DataError(
                f"{data} does not exist.\n"
                f"Give a folder, a .csv or .npz file, IDX files, or a sample: {', '.join(SAMPLES)}."
            )
        name, source = str(path), find_source(path)
    if classes is not None:
        source = choose_classes(source, classes)
    if group_regex is not None:
        source = group_by_name(source, group_regex)
    return name, source


def load_dataset(
    name: str,
    source: Source,
    geometry: Geometry,
    *,
    val: float,
    test: float,
    seed: int,
    max_unreadable: float = 0.05,
    split_file: str | Path | None = None,
) -> Dataset:
    """Decode a data set and split it.

    Parts that the data or the split file names stay, but images of which a copy is in a
    stricter part (test, then validation) are left out. Parts that are drawn never tear
    groups or copies apart; see `split`. What was done is in the notes.

    Parameters
    ----------
    name, source
        As `open_source` returns them.
    geometry : Geometry
        How images become pixels.
    val, test, seed
        As in `split`.
    max_unreadable : float
        Share of the files that may be unreadable.
    split_file : path, optional
        Names the parts instead of the data; see `read_split_file`.

    Raises
    ------
    DataError
        Nothing usable: one class only, a class too small to split, or too many files
        that cannot be read.
    """
    if len(source.classes) < 2:
        raise DataError(
            f"{name} has one class only, {source.classes[0]!r}.\nA classifier needs two or more to tell apart."
        )
    named = None if split_file is None else read_split_file(split_file, [item.name for item in source.items])
    images = read_images(source, geometry, max_unreadable)
    notes = source.notes() if isinstance(source, Selection) else []
    if named is not None:
        notes += note_on_unnamed(images.names, named, str(split_file))
        images = replace(images, parts=[named.get(name) for name in images.names])
        images = images.chosen([row for row, part in enumerate(images.parts) if part])
    notes += note_on_classes(images.names, images.labels, images.sha256, source.classes)
    goes = copies_across(images.parts, images.sha256)
    notes += note_on_copies_across(images.names, goes)
    images = images.chosen([row for row in range(len(images.names)) if row not in goes])
    notes += note_on_copies(images.names, images.sha256)
    units = united(images.groups, images.sha256)
    parts = split(images.labels, images.parts, source.classes, val=val, test=test, seed=seed, groups=units)
    rows = images.pixels.rows[np.flatnonzero(parts == TRAIN)]
    return Dataset(
        **vars(images) | {"parts": parts},
        source=name,
        classes=source.classes,
        notes=notes,
        geometry=geometry,
        standardisation=measure(images.pixels.array, rows),
    )


def restore_dataset(data: str, rows: list[dict[str, str]], model: dict[str, Any]) -> Dataset:
    """Return the data set of a run again, as its `split.json` and its model's description say.

    Raises
    ------
    DataError
        Images are missing or no longer the same.
    """
    name, source = open_source(data)
    # Classes that the run has left out, or that are new, need not be decoded.
    known = [label for label in model["classes"] if label in source.classes]
    source = choose_classes(source, known) if known else source
    geometry = Geometry(**model["geometry"])
    images = read_images(source, geometry)
    here = {image: (sha, row) for row, (image, sha) in enumerate(zip(images.names, images.sha256, strict=True))}
    changed = [row["name"] for row in rows if here.get(row["name"], ("", 0))[0] != row["sha256"]]
    if changed:
        raise DataError(
            f"{len(changed)} of {len(rows)} images in {data} are missing or have changed since training began: "
            f"{examples(changed)}.\nPut them back, or train anew."
        )
    return Dataset(
        source=name,
        classes=tuple(model["classes"]),
        pixels=images.pixels.take(np.array([here[row["name"]][1] for row in rows], np.int64)),
        labels=np.array([model["classes"].index(row["class"]) for row in rows], np.int64),
        names=[row["name"] for row in rows],
        sha256=[row["sha256"] for row in rows],
        groups=[row.get("group", row["name"]) for row in rows],
        parts=np.array([row["part"] for row in rows]),
        unreadable=images.unreadable,
        notes=[],
        geometry=geometry,
        standardisation=Standardisation.from_dict(model["standardisation"]),
    )


@dataclass(frozen=True)
class Images:
    """The readable images of a source; the fields are those of `Dataset`, parts as far as given."""

    pixels: PixelRows
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    groups: list[str]
    parts: list[str | None]
    unreadable: list[tuple[str, str]]

    def chosen(self, rows: Sequence[int]) -> Images:
        """Return some of the images."""
        numbers = np.array(rows, np.int64)
        lists = {name: [getattr(self, name)[row] for row in rows] for name in ("names", "sha256", "groups", "parts")}
        return replace(self, pixels=self.pixels.take(numbers), labels=self.labels[numbers], **lists)


def read_images(source: Source, geometry: Geometry, max_unreadable: float = 1.0) -> Images:
    """Decode a source.

    Raises
    ------
    DataError
        A larger share than `max_unreadable` cannot be read, or a class has no image that can.
    """
    decoded = decode(source, geometry)
    items = [source.items[row] for row in decoded.rows]
    labels = np.array([item.label for item in items], np.int64)
    unreadable = [(source.items[index].name, reason) for index, reason in decoded.unreadable]
    listed = "\n".join(f"  {file}: {reason}" for file, reason in unreadable[:SHOWN])
    counts = np.bincount(labels, minlength=len(source.classes))
    for name, count in zip(source.classes, counts, strict=True):
        if not count:
            raise DataError(f"class {name!r} has no image that can be read.\n{listed}")
    share = len(unreadable) / len(source.items)
    if share > max_unreadable:
        more = "" if len(unreadable) <= SHOWN else f"\n  and {len(unreadable) - SHOWN:,} more"
        raise DataError(
            f"{len(unreadable):,} of {len(source.items):,} files ({share:.1%}) cannot be read; "
            f"at most {max_unreadable:.1%} may be.\n{listed}{more}\n"
            f"Mend them or move them away; or accept it with --max-unreadable {math.ceil(share * 100) / 100:g}."
        )
    return Images(
        pixels=PixelRows(decoded.pixels, np.arange(len(items))),
        labels=labels,
        names=[item.name for item in items],
        sha256=[decoded.sha256[row] for row in decoded.rows],
        groups=[item.group or item.name for item in items],
        parts=[item.part for item in items],
        unreadable=unreadable,
    )

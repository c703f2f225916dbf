"""A folder of images -> everything that training needs: pixels, labels, parts, preprocessing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..text import examples
from .duplicates import united
from .formats import Source, find_source
from .parts import check_classes, divide, named_parts
from .pixel_rows import PixelRows
from .preprocess import Geometry, Standardisation, measure
from .readable import read_images
from .samples import SAMPLES
from .selection import Selection, choose_classes, group_by_name
from .shards import places
from .shards.order import batches_near
from .shards.stream import Streamed
from .split import TRAIN

#: Of streamed data, so many training images are read for mean and standard deviation, and so many are audited.
MEASURED_ON, AUDITED = 10_000, 10_000

Ints = npt.NDArray[np.int64]


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
        Of a memory-mapped array of uint8, or of shards that are read as it is indexed; indexed as an array is.
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
    weights : ndarray of float, shape (n,), optional
        What each image's loss is multiplied by; of the training images the mean is 1.
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
    weights: npt.NDArray[np.float64] | None = None

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

    @property
    def streamed(self) -> bool:
        """Whether images are read and decoded when they are asked for."""
        return isinstance(self.pixels.array, Streamed)

    @property
    def stem(self) -> str:
        """What the data is called for short."""
        return places.stem(self.source)

    def batches(self, order: Ints, count: int, random: np.random.Generator) -> list[Ints]:
        """Return the batches of an epoch, from images in random order.

        Streamed images are put into another order, in which their shards can be read on; see
        `convstage.data.shards.order`.

        Parameters
        ----------
        order : ndarray of int, shape (m,)
            Rows of the images; one may be there more than once.
        count : int
            Number of batches.
        random : Generator
            Source of all randomness.

        Returns
        -------
        list of ndarray of int, length count
            Of nearly one size: batch norm cannot do with a last one of 1.
        """
        if not isinstance(self.pixels.array, Streamed):
            return np.array_split(order, count)
        return batches_near(order, *self.pixels.array.places(self.pixels.rows[order]), count, random)

    def expect(self, batches: Iterable[Ints]) -> None:
        """Take note of which rows will be asked for, and in which order, so that streamed ones are read ahead."""
        if isinstance(self.pixels.array, Streamed):
            self.pixels.array.expect(self.pixels.rows[batch] for batch in batches)

    def with_parts(self, parts: npt.NDArray[np.str_]) -> Dataset:
        """Return the data set with other parts, and the standardisation measured on its new training part."""
        return replace(self, parts=parts, standardisation=_standardise(self.pixels, parts))

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
        pattern = places.is_pattern(str(data))
        path = Path(places.absolute(str(data))) if pattern else Path(data).expanduser().resolve()
        if not pattern and not path.exists():
            raise DataError(
                f"{data} does not exist.\n"
                f"Give a folder, a .csv or .npz file, IDX files, tar shards, or a sample: {', '.join(SAMPLES)}."
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
    stream: bool | None = None,
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
    stream : bool, optional
        Whether shards are read as they are needed; see `read_images`.

    Raises
    ------
    DataError
        Nothing usable: one class only, a class too small to split, or too many files
        that cannot be read.
    """
    check_classes(name, source)
    named = named_parts(source, split_file)
    images = read_images(source, geometry, max_unreadable, stream)
    images, parts, notes = divide(source, images, named, val=val, test=test, seed=seed, split_file=split_file)
    dataset = Dataset(
        **vars(images) | {"parts": parts},
        source=name,
        classes=source.classes,
        notes=notes,
        geometry=geometry,
        standardisation=_standardise(images.pixels, parts),
    )
    return replace(dataset, notes=notes + _note_on_streaming(dataset)) if dataset.streamed else dataset


def _standardise(pixels: PixelRows, parts: npt.NDArray[np.str_]) -> Standardisation:
    """Measure the training part: all of it, or as much of streamed data as can be read beforehand."""
    rows = np.flatnonzero(parts == TRAIN)
    if isinstance(pixels.array, Streamed) and len(rows) > MEASURED_ON:
        rows = np.random.default_rng(0).choice(rows, MEASURED_ON, replace=False)
    rows = pixels.rows[rows]
    if isinstance(pixels.array, Streamed):
        shard, offset = pixels.array.places(rows)
        rows = rows[np.lexsort((offset, shard))]
    return measure(pixels.array, rows)


def _note_on_streaming(dataset: Dataset) -> list[str]:
    notes = ["read from the shards as they are needed: shuffled in windows, and not decoded into the cache"]
    count = int(dataset.counts(TRAIN).sum())
    if count > MEASURED_ON:
        notes.append(f"mean and standard deviation are those of {MEASURED_ON:,} of the {count:,} training images")
    if len(dataset.names) > AUDITED:
        notes.append(
            f"audited are {AUDITED:,} of the {len(dataset.names):,} images, and exact copies among all of them"
        )
    return notes


def to_audit(source: Source, dataset: Dataset) -> Source:
    """Return what of a source is audited: all of it, or of streamed data a sample, as it must be read for that.

    The sample is drawn at random and always the same; of every class as large a share.
    """
    if not dataset.streamed or len(source.items) <= AUDITED:
        return source
    random, labels = np.random.default_rng(0), np.array([item.label for item in source.items])
    share = AUDITED / len(labels)
    drawn = [
        random.choice(rows, max(1, round(share * len(rows))), replace=False)
        for rows in (np.flatnonzero(labels == label) for label in range(len(source.classes)))
    ]
    indices = tuple(int(index) for index in np.sort(np.concatenate(drawn)))
    return Selection(source, source.classes, tuple(source.items[index] for index in indices), indices)


def restore_dataset(
    data: str, rows: list[dict[str, str]], model: dict[str, Any], stream: bool | None = None
) -> Dataset:
    """Return the data set of a run again, as its `split.json` and its model's description say.

    Parameters
    ----------
    data, rows, model
        As the run folder has them.
    stream : bool, optional
        Whether shards are read as they are needed; a training that goes on must read them as it began.

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
    images = read_images(source, geometry, stream=stream)
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

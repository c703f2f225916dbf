"""A folder of images -> everything that training needs: pixels, labels, parts, preprocessing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .cache import decode
from .formats import Source, find_source
from .images import Channels, Resize, is_coloured
from .preprocess import Geometry, Standardisation, measure
from .samples import SAMPLES
from .split import TRAIN, split

#: So many images are looked at to find out their size and whether they have colour.
LOOKED_AT = 64
#: Images of one size up to this side keep it; others are brought to `USUAL_SIDE`, or less if they are smaller.
SMALL_SIDE, USUAL_SIDE = 64, 224


@dataclass(frozen=True)
class Dataset:
    """Labelled images, decoded and split.

    Attributes
    ----------
    source : str
        Where they came from: a path or the name of an embedded sample.
    classes : tuple of str
        Names of the classes; labels count them from 0.
    pixels : ndarray of uint8, shape (n, height, width, channels)
        Memory-mapped.
    labels : ndarray of int, shape (n,)
    names, sha256 : list of str, length n
        What each image is called in the data set, and the digest of its content.
    parts : ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.
    unreadable : list of (str, str)
        Files that are no use, each with the reason.
    geometry, standardisation
        How images become network input.
    """

    source: str
    classes: tuple[str, ...]
    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    parts: npt.NDArray[np.str_]
    unreadable: list[tuple[str, str]]
    geometry: Geometry
    standardisation: Standardisation

    def rows(self, part: str) -> npt.NDArray[np.int64]:
        """Return the row numbers of a part."""
        return np.flatnonzero(self.parts == part)

    def counts(self, part: str | None = None) -> npt.NDArray[np.int64]:
        """Return the number of images per class, of one part or of all."""
        labels = self.labels if part is None else self.labels[self.parts == part]
        return np.bincount(labels, minlength=len(self.classes))

    def split_rows(self) -> list[dict[str, str]]:
        """Return every image's name, SHA-256, class and part, as the run folder keeps them."""
        return [
            {"name": name, "sha256": sha, "class": self.classes[label], "part": str(part)}
            for name, sha, label, part in zip(self.names, self.sha256, self.labels, self.parts, strict=True)
        ]


def open_source(data: str | Path) -> tuple[str, Source]:
    """Return where the data is, in words, and its images; a name of `SAMPLES` is an embedded sample."""
    if str(data) in SAMPLES:
        return str(data), find_source(SAMPLES[str(data)].path)
    path = Path(data).expanduser().resolve()
    if not path.exists():
        raise DataError(f"{data} does not exist.\nGive a folder, a .npz file, or a sample: {', '.join(SAMPLES)}.")
    return str(path), find_source(path)


def load_dataset(name: str, source: Source, geometry: Geometry, *, val: float, test: float, seed: int) -> Dataset:
    """Decode a data set and split it; see `split` for the parts.

    Raises
    ------
    DataError
        Nothing usable: one class only, or a class too small to split.
    """
    if len(source.classes) < 2:
        raise DataError(
            f"{name} has one class only, {source.classes[0]!r}.\nA classifier needs two or more to tell apart."
        )
    images = read_images(source, geometry)
    parts = split(images.labels, images.parts, source.classes, val=val, test=test, seed=seed)
    return Dataset(
        **vars(images) | {"parts": parts},
        source=name,
        classes=source.classes,
        geometry=geometry,
        standardisation=measure(images.pixels, np.flatnonzero(parts == TRAIN)),
    )


def restore_dataset(data: str, rows: list[dict[str, str]], model: dict[str, Any]) -> Dataset:
    """Return the data set of a run again, as its `split.json` and its model's description say.

    Raises
    ------
    DataError
        Images are missing or no longer the same.
    """
    name, source = open_source(data)
    geometry = Geometry(**model["geometry"])
    images = read_images(source, geometry)
    here = {image: (sha, row) for row, (image, sha) in enumerate(zip(images.names, images.sha256, strict=True))}
    changed = [row["name"] for row in rows if here.get(row["name"], ("", 0))[0] != row["sha256"]]
    if changed:
        examples = ", ".join(changed[:3])
        raise DataError(
            f"{len(changed)} of {len(rows)} images in {data} are missing or have changed since training began: "
            f"{examples}{', …' if len(changed) > 3 else ''}.\nPut them back, or train anew."
        )
    chosen = np.array([here[row["name"]][1] for row in rows])
    in_order = bool((chosen == np.arange(len(images.pixels))).all()) if len(chosen) == len(images.pixels) else False
    return Dataset(
        source=name,
        classes=tuple(model["classes"]),
        pixels=images.pixels if in_order else images.pixels[chosen],
        labels=np.array([model["classes"].index(row["class"]) for row in rows], np.int64),
        names=[row["name"] for row in rows],
        sha256=[row["sha256"] for row in rows],
        parts=np.array([row["part"] for row in rows]),
        unreadable=images.unreadable,
        geometry=geometry,
        standardisation=Standardisation.from_dict(model["standardisation"]),
    )


@dataclass(frozen=True)
class Images:
    """The readable images of a source; the fields are those of `Dataset`, parts as far as given."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    parts: list[str | None]
    unreadable: list[tuple[str, str]]


def read_images(source: Source, geometry: Geometry) -> Images:
    """Decode a source; refuse it when a class has no image that can be read."""
    decoded = decode(source, geometry)
    items = [source.items[row] for row in decoded.rows]
    labels = np.array([item.label for item in items], np.int64)
    unreadable = [(source.items[index].name, reason) for index, reason in decoded.unreadable]
    counts = np.bincount(labels, minlength=len(source.classes))
    for name, count in zip(source.classes, counts, strict=True):
        if not count:
            examples = "\n".join(f"  {file}: {reason}" for file, reason in unreadable[:5])
            raise DataError(f"class {name!r} has no image that can be read.\n{examples}")
    return Images(
        pixels=decoded.pixels,
        labels=labels,
        names=[item.name for item in items],
        sha256=[decoded.sha256[row] for row in decoded.rows],
        parts=[item.part for item in items],
        unreadable=unreadable,
    )


def choose_geometry(
    source: Source,
    *,
    size: tuple[int, int] | None = None,
    channels: Channels | None = None,
    resize: Resize = "stretch",
) -> Geometry:
    """Return the geometry that was asked for; what was left open follows from the images.

    Colour is kept when any of the images looked at has some. Images that are small and
    of one size keep it; others become square, `USUAL_SIDE` or as large as half of them
    are, whichever is less.
    """
    if size is None or channels is None:
        sizes, coloured = _look(source)
        if size is None:
            common = Counter(sizes)
            if len(common) == 1 and max(sizes[0]) <= SMALL_SIDE:
                size = sizes[0]
            else:
                side = min(USUAL_SIDE, int(np.median([min(pair) for pair in sizes])))
                size = (side, side)
        channels = channels or ("colour" if coloured else "grey")
    return Geometry(*size, channels, resize)


def parse_size(text: str | int) -> tuple[int, int]:
    """Read an image size: ``160`` (square) or ``120x160`` (height × width)."""
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", str(text).strip())
    if not match or int(match[1]) < 1 or int(match[2] or 1) < 1:
        raise DataError(f"the size must be a side such as 160, or height x width such as 120x160; got {text!r}.")
    return int(match[1]), int(match[2] or match[1])


def _look(source: Source) -> tuple[list[tuple[int, int]], bool]:
    """Return the sizes of some images, evenly spread over the data set, and whether one has colour."""
    chosen = np.unique(np.linspace(0, len(source.items) - 1, LOOKED_AT).astype(int))
    sizes, coloured, reason = [], False, ""
    for index in chosen:
        try:
            image = source.open(source.read(int(index)))
            coloured = coloured or is_coloured(image)
        except (DataError, OSError) as error:
            reason = reason or f"{source.items[index].name}: {error}"
            continue
        sizes.append((image.height, image.width))
    if not sizes:
        raise DataError(f"none of the images looked at in {source.root} can be read.\n  {reason}")
    return sizes, coloured

"""Synthetic radiographs as a folder that `convstage train` reads, and the masks of their lesions beside it."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import ConfigError, DataError
from ..files import TEMPORARY, write_text
from ..terminal import track
from .make import CLASSES, MARKED_FROM, Lesion, Phantom, check, image
from .shortcuts import SHORTCUTS

Format = Literal["png", "jpeg"]
Row = Sequence[object]

COMMENT = "Synthetic chest radiograph, computed by convstage phantom. It shows no person."
#: Colours of the masks' lesions, for eyes; their values count from 1.
COLOURS = [(0, 0, 0), (230, 120, 20), (40, 160, 230), (60, 180, 90), (220, 60, 140), (240, 220, 60), (150, 100, 220)]
LESION_COLUMNS = ["image", "lesion", "kind", "x", "y", "left", "top", "right", "lower", "area"]

README = """\
SYNTHETIC chest radiographs, computed by convstage phantom. They show no person and prove nothing about any.

{count} images of {size}x{size} pixels, seed {seed}, views of each patient: {views}.
Every image says that it is synthetic: in its file name and its metadata{marked}.
{shortcut}
labels.csv
    every image: path, label, group (the patient)
../{masks}/<class>/<image>.png
    where the lesions are: 0 is none, 1 the first lesion, 2 the second and so on
../{masks}/lesions.csv
    every lesion: image, its value in the mask, kind, centre (x, y), box (its right and lower edges are the
    first pixels outside) and area, in pixels from the upper left corner
"""


@dataclass(frozen=True)
class Written:
    """What `write` has written.

    Attributes
    ----------
    path, masks : Path
        Folder of the images, one folder in it for each class; and folder of the masks.
    images, lesions : int
        How many.
    """

    path: Path
    masks: Path
    images: int
    lesions: int


def write(
    out: str | Path,
    count: int = 2000,
    seed: int = 0,
    size: int = 128,
    *,
    classes: int = 2,
    views: int = 1,
    shortcut: str | None = None,
    format: Format | None = None,  # noqa: A002  # the option's name
) -> Written:
    """Write synthetic radiographs into a new folder, and the masks of their lesions beside it.

    Both folders appear when all is written; a run that is stopped leaves neither.

    Parameters
    ----------
    out : path
        New folder for the images: ``out/<class>/synthetic-p<patient>-v<view>.png``. The masks
        go to ``<out>-masks``, under the same names.
    count : int
        Number of images.
    format : {"png", "jpeg"}, optional
        PNG, unless the shortcut is the compression.
    seed, size, classes, views, shortcut
        See `image`.

    Returns
    -------
    Written

    Raises
    ------
    ConfigError
        A setting that is impossible.
    DataError
        A folder that exists already, or cannot be written.
    """
    check(size=size, seed=seed, classes=classes, views=views, shortcut=shortcut)
    if count < classes * views:
        raise ConfigError(f"{classes} classes with {views} views need {classes * views} images or more; got {count}.")
    if shortcut == "compression" and format == "png":
        raise ConfigError("PNG files are compressed without loss.\nThe shortcut 'compression' needs --format jpeg.")
    kind = format or ("jpeg" if shortcut == "compression" else "png")
    path = Path(out)
    masks = Path(f"{path}-masks")

    def work(index: int) -> tuple[Row, list[Row]]:
        return _save(image(index, seed, size, classes=classes, views=views, shortcut=shortcut), pictures, beside, kind)

    with _new_folder(path) as pictures, _new_folder(masks) as beside:
        for name in CLASSES[:classes]:
            (pictures / name).mkdir()
            (beside / name).mkdir()
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            rows = list(track(pool.map(work, range(count)), "Computing radiographs", count))
        finally:
            pool.shutdown(cancel_futures=True)
        lesions = [row for _, found in rows for row in found]
        _write_csv(pictures / "labels.csv", ["path", "label", "group"], [row for row, _ in rows])
        _write_csv(beside / "lesions.csv", LESION_COLUMNS, lesions)
        (beside / CLASSES[0]).rmdir()  # the healthy have none
        marked = ", and in its lower left corner" if size >= MARKED_FROM else "; the pixels are too few to say it there"
        planted = f"Shortcut planted, nearly always with corona: {SHORTCUTS[shortcut].meaning}.\n" if shortcut else ""
        settings = {"count": count, "size": size, "seed": seed, "views": views, "masks": masks.name}
        write_text(pictures / "README.txt", README.format(marked=marked, shortcut=planted, **settings))
    return Written(path, masks, count, len(lesions))


def _save(phantom: Phantom, pictures: Path, beside: Path, kind: Format) -> tuple[Row, list[Row]]:
    """Write one image and the mask of its lesions; return the rows of both tables."""
    patient = f"p{phantom.patient:05d}"
    stem = f"{phantom.class_name}/synthetic-{patient}-v{phantom.view + 1}"
    name = f"{stem}.{'png' if kind == 'png' else 'jpg'}"
    picture = Image.fromarray(phantom.pixels)
    # Not one by one through a temporary name: the whole folder has one until it is complete.
    if kind == "png":
        text = PngInfo()
        text.add_text("Comment", COMMENT)
        picture.save(pictures / name, pnginfo=text)
    else:
        picture.save(pictures / name, quality=phantom.quality, comment=COMMENT)
    if phantom.lesions:
        values = np.zeros_like(phantom.pixels)
        for value, lesion in enumerate(phantom.lesions, 1):
            values[lesion.mask] = value
        mask = Image.fromarray(values, "P")
        mask.putpalette([level for colour in COLOURS for level in colour])
        mask.save(beside / f"{stem}.png")
    rows = [_describe(name, value, lesion) for value, lesion in enumerate(phantom.lesions, 1)]
    return [name, phantom.class_name, patient], rows


def _describe(name: str, value: int, lesion: Lesion) -> Row:
    y, x = np.nonzero(lesion.mask)
    centre = [f"{x.mean() + 0.5:.1f}", f"{y.mean() + 0.5:.1f}"]
    return [name, value, lesion.kind, *centre, x.min(), y.min(), x.max() + 1, y.max() + 1, len(x)]


def _write_csv(path: Path, header: Row, rows: Iterable[Row]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    write_text(path, text.getvalue())


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder under a temporary name, which becomes `path` when all went well, and is removed otherwise."""
    if path.exists():
        raise DataError(f"{path} exists already.\nGive a new folder, or remove this one.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}")
        temporary.mkdir()
    except OSError as error:
        raise DataError(f"{path} cannot be made: {error.strerror}.") from None
    try:
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

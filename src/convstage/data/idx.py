"""IDX files, the format of MNIST and of what has followed it (LeCun, Cortes and Burges, "The MNIST database").

A file is a header, big-endian: two bytes 0, a type, the number of dimensions, and each of
them in four bytes; then the values.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .arrays import LARGE, Arrays, unpacked
from .bounds import check_images, check_side
from .source import PARTS, Item, Source

#: Files of images: ``train-images-idx3-ubyte``, ``t10k-images.idx3-ubyte.gz``, ``images-idx3-ubyte``, …
IMAGES = re.compile(r"(?P<stem>.*?)images(?P<dot>[-.])idx3-ubyte(?P<gz>\.gz)?", re.IGNORECASE)
#: The type of the values that is read; the others of the format are signed, longer, or floats.
UBYTE = 0x08
TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
#: Bytes that one packed byte can stand for, at most (zlib's manual: 1032); a header that promises more is wrong.
MOST_PACKED = 1032
#: What the files of a part have in their names, beside the part's own names.
STEMS = {"t10k": "test"} | {name: part for part, names in PARTS.items() for name in names}


def has_idx(path: Path) -> bool:
    """Return whether this is a file of images in IDX, or a folder with one."""
    return bool(IMAGES.fullmatch(path.name)) if path.is_file() else path.is_dir() and bool(_image_files(path))


def read_idx(path: Path) -> Source:
    """List a folder of IDX files, whose names tell the parts, or one file of images without its part.

    Raises
    ------
    DataError
        Labels are missing, a header is none or does not fit its file, or two files are of one part.
    """
    files: dict[str | None, Path] = {}
    for file in [path] if path.is_file() else _image_files(path):
        part = None if path.is_file() else _part(file)
        if part in files:
            which = "without a part" if part is None else f"for {part}"
            raise DataError(
                f"{path} has {files[part].name} and {file.name}, both {which}.\n"
                "Give the path of one of them, or move those away that are not meant."
            )
        files[part] = file
    pairs = {part: (_read(file, 3), _read(_labels_of(file), 1)) for part, file in files.items()}
    check_images(path, sum(len(labels) for _, labels in pairs.values()))
    for part, (images, labels) in pairs.items():
        check_side(files[part], *images.shape[1:])
        if len(images) != len(labels):
            raise DataError(
                f"{files[part]} has {len(images):,} images, but {_labels_of(files[part]).name} {len(labels):,} labels."
            )
        first = next(iter(pairs.values()))[0]
        if images.shape[1:] != first.shape[1:]:
            sizes = f"{images.shape[1]}×{images.shape[2]}, but of others {first.shape[1]}×{first.shape[2]}"
            raise DataError(f"{path}: images of {files[part].name} are {sizes}.")
    values = np.unique(np.concatenate([labels for _, labels in pairs.values()]))
    items = tuple(
        Item(f"{files[part].name.removesuffix('.gz')}[{row}]", int(number), part)
        for part, (_, labels) in pairs.items()
        for row, number in enumerate(np.searchsorted(values, labels))
    )
    return Arrays(path, tuple(map(str, values)), items, tuple(images for images, _ in pairs.values()))


def _image_files(folder: Path) -> list[Path]:
    """Return the files of images in a folder; of a packed and an unpacked one, the unpacked."""
    found = {}
    for file in sorted(folder.iterdir(), reverse=True):  # "…ubyte.gz" comes before "…ubyte"
        if IMAGES.fullmatch(file.name) and file.is_file():
            found[file.name.removesuffix(".gz")] = file
    return sorted(found.values(), key=lambda file: (list(PARTS).index(_part(file) or "train"), file.name))


def _part(file: Path) -> str | None:
    match = IMAGES.fullmatch(file.name)
    words = re.split(r"[^a-z0-9]+", match["stem"].lower()) if match else []
    return next((STEMS[word] for word in words if word in STEMS), None)


def _labels_of(images: Path) -> Path:
    """Return the file of labels that belongs to a file of images, packed or not."""
    match = IMAGES.fullmatch(images.name)
    assert match
    for dot in (match["dot"], "-", "."):
        for suffix in (match["gz"] or "", "", ".gz"):
            labels = images.with_name(f"{match['stem']}labels{dot}idx1-ubyte{suffix}")
            if labels.is_file():
                return labels
    expected = f"{match['stem']}labels{match['dot']}idx1-ubyte"
    raise DataError(f"{images} has no labels beside it.\nExpected {expected}, or {expected}.gz.")


def _read(path: Path, dimensions: int) -> np.ndarray[Any, Any]:
    """Return the values of an IDX file: mapped from the disk, or unpacked into memory."""
    is_packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if is_packed else open(path, "rb") as file:
            shape = _shape(path, file.read(4 + 4 * dimensions), dimensions)
            expected, start = math.prod(shape), file.tell()
            if not is_packed:
                values: np.ndarray[Any, Any] = np.memmap(path, np.uint8, "r")[start:]
            elif expected > MOST_PACKED * path.stat().st_size:
                values = np.empty(0, np.uint8)
            elif expected <= LARGE:
                values = np.frombuffer(file.read(expected + 1), np.uint8)
            else:
                with unpacked(file) as whole:
                    values = np.memmap(whole, np.uint8, "r")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if len(values) != expected:
        sides = "×".join(map(str, shape))
        raise DataError(f"{path} is damaged: its header says {sides} values, which are not what follows.\nGet it anew.")
    return values.reshape(shape)


def _shape(path: Path, header: bytes, dimensions: int) -> tuple[int, ...]:
    """Return what an IDX file's header says of its size."""
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in TYPES:
        raise DataError(f"{path} is no IDX file: it begins with {header[:4].hex(' ') or 'nothing'}, not 00 00 08.")
    if header[2] != UBYTE:
        raise DataError(f"{path} holds {TYPES[header[2]]}; only uint8 is read.\nStore it as a .npz file instead.")
    if header[3] != dimensions:
        raise DataError(f"{path} has {header[3]} dimensions; expected {dimensions}.")
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path} is damaged: it ends within its header.\nGet it anew.")
    return struct.unpack(f">{dimensions}I", header[4:])

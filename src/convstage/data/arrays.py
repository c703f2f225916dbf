"""Images in arrays: a ``.npz`` file."""

from __future__ import annotations

import math
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from ..errors import DataError
from ..text import cut, memory
from . import images
from .bounds import check_images, check_side, distinct
from .cache_folder import cache_folder
from .decoding import LONGEST_REASON
from .source import PARTS, Item, Source, in_order

#: An array of more bytes is mapped from the disk.
LARGE = 64 * 1024**2
#: What labels may be, numbers or names, and how many bytes all of an array may have.
LABELS, MAX_LABELS = "biufUS", 64 * 2**20
#: Where a zip file's local header has the lengths of name and extra field, and how long it is (PKWARE, APPNOTE 4.3.7).
LENGTHS, HEADER = slice(26, 30), 30

Array = np.ndarray[Any, Any]


class Readable(Protocol):
    """What can be copied from."""

    def read(self, length: int = ..., /) -> bytes: ...


@dataclass(frozen=True)
class Arrays:
    """Images of one size and type in arrays, and their labels.

    Attributes
    ----------
    blocks : tuple of ndarray, each of shape (n, height, width) or (n, height, width, channels)
        One after the other they hold the images; they may be memory-mapped.
    """

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    blocks: tuple[Array, ...]

    def read(self, index: int) -> bytes:
        block = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (int(self._ends[block - 1]) if block else 0)
        return self._head + np.ascontiguousarray(self.blocks[block][row]).tobytes()

    def open(self, data: bytes) -> Image.Image:
        like = self.blocks[0]
        return images.from_array(np.frombuffer(data, like.dtype, offset=len(self._head)).reshape(like.shape[1:]))

    @cached_property
    def _ends(self) -> Array:
        return np.cumsum([len(block) for block in self.blocks])

    @cached_property
    def _head(self) -> bytes:
        """Type and shape: with another one, the same bytes are another picture."""
        return f"{self.blocks[0].dtype.str} {self.blocks[0].shape[1:]}\n".encode()


def read_arrays(path: Path) -> Source:
    """List a ``.npz`` file.

    Its arrays are ``images`` and ``labels``, or per part ``x_train`` and ``y_train``
    (as in Keras's data sets) or ``train_images`` and ``train_labels`` (as in MedMNIST).
    Images are (n, height, width) or (n, height, width, channels); labels are numbers or
    names; an array ``classes`` may name the numbers.
    """
    pairs: list[tuple[str | None, str, str]] = [(None, "images", "labels"), (None, "x", "y")]
    for part, names in PARTS.items():
        pairs += [(part, f"x_{name}", f"y_{name}") for name in names]
        pairs += [(part, f"{name}_images", f"{name}_labels") for name in names]
    arrays = _load_arrays(path, {name for _, x, y in pairs for name in (x, y)} | {"classes"})
    found = [(part, x, y) for part, x, y in pairs if x in arrays and y in arrays]
    if not found:
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'nothing'}.\nExpected images and labels, or x_train and y_train."
        )
    check_images(path, sum(arrays[y].size for _, _, y in found))
    for _, x, y in found:
        if arrays[y].dtype.kind not in LABELS or arrays[y].nbytes > MAX_LABELS:
            raise DataError(f"{path}: {y} must be numbers or names, one for each image; got {arrays[y].dtype}.")
        if len(arrays[x]) != arrays[y].size:
            raise DataError(f"{path} has {len(arrays[x])} in {x}, but {arrays[y].size} in {y}.")
        if arrays[x].ndim not in (3, 4):
            raise DataError(f"{path}: {x} must be (n, height, width), or with channels behind; got {arrays[x].shape}.")
        check_side(path, *arrays[x].shape[1:3])
        if arrays[x].shape[1:] != arrays[found[0][1]].shape[1:] or arrays[x].dtype != arrays[found[0][1]].dtype:
            raise DataError(f"{path}: images of {x} differ in size or type from those of {found[0][1]}.")
    values = np.concatenate([arrays[y].reshape(-1) for _, _, y in found])
    labels = values.tolist()
    ordered = in_order(distinct(path, labels))
    classes = tuple(map(str, ordered))
    if "classes" in arrays:
        named = tuple(map(str, arrays["classes"].reshape(-1)))
        if values.dtype.kind not in "iu" or not ((values >= 0) & (values < len(named))).all():
            raise DataError(
                f"{path} has {len(named)} names in classes, but labels that are no numbers 0..{len(named) - 1}."
            )
        ordered, classes = list(range(len(named))), named
    number = {label: index for index, label in enumerate(ordered)}
    rows = [(f"{x}[{row}]", part) for part, x, _ in found for row in range(len(arrays[x]))]
    items = tuple(Item(name, number[label], part) for (name, part), label in zip(rows, labels, strict=True))
    return Arrays(path, classes, items, tuple(arrays[x] for _, x, _ in found))


def _load_arrays(path: Path, wanted: Container[str]) -> dict[str, Array]:
    """Return the arrays of a ``.npz`` file: those that are wanted of one dimension at least and bytes as text.

    Of the others only the headers are read, and in place of them comes something empty.
    """
    try:
        # What is no zip file, NumPy takes for pickled data, and says how to load them.
        with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as file:
            for name in file.files:
                _check(archive, f"{name}.npy")
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
            arrays = {
                name: np.atleast_1d(file[name] if sizes[name] <= LARGE else _mapped(path, archive, f"{name}.npy"))
                if name in wanted
                else np.empty(0)
                for name in file.files
            }
    except Exception as error:  # NumPy, zipfile and zlib raise OSError, ValueError, BadZipFile, zlib.error, and more
        reason = cut(" ".join(str(error).split()), LONGEST_REASON) or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}.") from None
    return {name: _as_text(array) for name, array in arrays.items()}


def _as_text(array: Array) -> Array:
    """Return bytes as text, and everything else as it is."""
    return (
        np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" and array.nbytes <= MAX_LABELS else array
    )


def _check(archive: zipfile.ZipFile, name: str) -> None:
    """Refuse an array that its header declares other than it is, before as much memory is taken as it says."""
    if name not in archive.namelist():
        return  # NumPy reads such a member as bytes, and it is no image
    with archive.open(name) as member:
        if member.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            return
    with archive.open(name) as member:
        shape, _, dtype = _header(member)
        declared, there = math.prod(shape) * dtype.itemsize, archive.getinfo(name).file_size - member.tell()
    if declared != there:
        raise ValueError(f"{name} is damaged: its header says {memory(declared)}, but it has {memory(there)}")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type that the header of an array says (NumPy, NEP 1)."""
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
    return shape, is_fortran, dtype


def _mapped(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """Return an array of a ``.npz`` file without loading it: mapped where it lies, or where it is unpacked to."""
    info = archive.getinfo(name)
    with archive.open(info) as member:
        # Either way all of it is read, to the end, where its checksum is compared.
        if info.compress_type == zipfile.ZIP_STORED:
            while member.read(1 << 20):
                pass
            with open(path, "rb") as file:
                file.seek(info.header_offset)
                lengths = struct.unpack("<HH", file.read(HEADER)[LENGTHS])
                file.seek(info.header_offset + HEADER + sum(lengths))
                return _map(file)
        with unpacked(member) as file:
            return _map(file)


@contextmanager
def unpacked(stream: Readable) -> Iterator[IO[bytes]]:
    """Yield what a stream has as a file without a name, which is gone with the last array that maps it."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder()) as file:
        shutil.copyfileobj(stream, file)
        file.seek(0)
        yield file


def _map(file: IO[bytes]) -> Array:
    """Map the array in NumPy's format that begins where a file stands."""
    shape, is_fortran, dtype = _header(file)
    return np.memmap(file, dtype, "r", file.tell(), shape, "F" if is_fortran else "C")

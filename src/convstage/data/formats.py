"""FORMATS: every way in for labelled images, one entry each.

A format recognises its data by the path, and lists it as a `Source`: the classes, the
items, and how to read and open one of them. Nothing is decoded here. To add a format,
write a `Source` and put it in `FORMATS`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from natsort import natsorted, ns
from PIL import Image

from ..errors import DataError
from . import images

T = TypeVar("T")

#: The parts of a data set, and what their folders may be called.
PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image: its name in the data set, its class by number, its part when that is given."""

    name: str
    label: int
    part: str | None = None


class Source(Protocol):
    """Labelled images that can be read one by one."""

    @property
    def root(self) -> Path:
        """Where the data lies."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""

    @property
    def items(self) -> Sequence[Item]:
        """All images."""

    def read(self, index: int) -> bytes:
        """Return the content of an item, which its SHA-256 is taken from."""

    def open(self, data: bytes) -> Image.Image:
        """Decode what `read` returned."""


@dataclass(frozen=True)
class ClassFolders:
    """``root/<class>/…`` or ``root/{train,val,test}/<class>/…``, one folder per class."""

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]

    def read(self, index: int) -> bytes:
        return (self.root / self.items[index].name).read_bytes()

    def open(self, data: bytes) -> Image.Image:
        return images.open_image(data)


@dataclass(frozen=True)
class Arrays:
    """A ``.npz`` file of images and labels; see `read_arrays` for the names it may use."""

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    pixels: Sequence[np.ndarray[Any, Any]]

    def read(self, index: int) -> bytes:
        return self._head + np.ascontiguousarray(self.pixels[index]).tobytes()

    def open(self, data: bytes) -> Image.Image:
        like = self.pixels[0]
        return images.from_array(np.frombuffer(data, like.dtype, offset=len(self._head)).reshape(like.shape))

    @property
    def _head(self) -> bytes:
        """Type and shape: with another one, the same bytes are another picture."""
        return f"{self.pixels[0].dtype.str} {self.pixels[0].shape}\n".encode()


@dataclass(frozen=True)
class Format:
    """A way in: what it is called, how it is recognised, how it is listed."""

    name: str
    meaning: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Source]


def read_folders(root: Path) -> Source:
    """List class folders; classes sort naturally ("2" before "10"), hidden files are passed over."""
    folders = _folders(root)
    parts = {part: folder for folder in folders for part, names in PARTS.items() if folder.name.lower() in names}
    if "train" in parts and 1 < len(parts) < len(folders):
        others = ", ".join(folder.name for folder in folders if folder not in parts.values())
        raise DataError(
            f"{root} has {', '.join(folder.name for folder in parts.values())}, and beside them {others}.\n"
            "Expected the parts of the data, train, val and test, or the classes: move away what is neither."
        )
    listed: list[tuple[str | None, Path]]
    if "train" in parts and len(parts) == len(folders):
        listed = [(part, folder) for part, top in parts.items() for folder in _folders(top)]
    else:
        listed = [(None, folder) for folder in folders]
    classes = tuple(_in_order({folder.name for _, folder in listed}))
    if not classes:
        raise DataError(f"{root} has no class folders.\nExpected {root}/<class>/<image>, one folder for each class.")
    items = [
        Item(path.relative_to(root).as_posix(), classes.index(folder.name), part)
        for part, folder in listed
        for path in _in_order(folder.rglob("*"), ns.PATH)
        # A link that leads nowhere is no file, but somebody meant it to be one: it is listed as unreadable.
        if (path.is_file() or path.is_symlink())
        and not any(name.startswith(".") for name in path.relative_to(root).parts)
    ]
    return ClassFolders(root, classes, tuple(items))


def read_arrays(path: Path) -> Source:
    """List a ``.npz`` file.

    Its arrays are ``images`` and ``labels``, or per part ``x_train`` and ``y_train``
    (as in Keras's data sets) or ``train_images`` and ``train_labels`` (as in MedMNIST).
    Images are (n, height, width) or (n, height, width, channels); labels are numbers or
    names; an array ``classes`` may name the numbers.
    """
    arrays = _load_arrays(path)
    pairs: list[tuple[str | None, str, str]] = [(None, "images", "labels"), (None, "x", "y")]
    for part, names in PARTS.items():
        pairs += [(part, f"x_{name}", f"y_{name}") for name in names]
        pairs += [(part, f"{name}_images", f"{name}_labels") for name in names]
    found = [(part, x, y) for part, x, y in pairs if x in arrays and y in arrays]
    if not found:
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'nothing'}.\nExpected images and labels, or x_train and y_train."
        )
    for _, x, y in found:
        if len(arrays[x]) != arrays[y].size:
            raise DataError(f"{path} has {len(arrays[x])} in {x}, but {arrays[y].size} in {y}.")
        if arrays[x].ndim not in (3, 4):
            raise DataError(f"{path}: {x} must be (n, height, width), or with channels behind; got {arrays[x].shape}.")
        if arrays[x].shape[1:] != arrays[found[0][1]].shape[1:] or arrays[x].dtype != arrays[found[0][1]].dtype:
            raise DataError(f"{path}: images of {x} differ in size or type from those of {found[0][1]}.")
    values = np.concatenate([arrays[y].reshape(-1) for _, _, y in found])
    labels = values.tolist()
    distinct = _in_order(set(labels))
    classes = tuple(map(str, distinct))
    if "classes" in arrays:
        named = tuple(map(str, arrays["classes"].reshape(-1)))
        if values.dtype.kind not in "iu" or not ((values >= 0) & (values < len(named))).all():
            raise DataError(
                f"{path} has {len(named)} names in classes, but labels that are no numbers 0..{len(named) - 1}."
            )
        distinct, classes = list(range(len(named))), named
    number = {label: index for index, label in enumerate(distinct)}
    rows = [(f"{x}[{row}]", part) for part, x, _ in found for row in range(len(arrays[x]))]
    items = tuple(Item(name, number[label], part) for (name, part), label in zip(rows, labels, strict=True))
    pixels = [image for _, x, _ in found for image in arrays[x]]
    return Arrays(path, classes, items, pixels)


def _load_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return all arrays of a ``.npz`` file, of one dimension at least, bytes as text."""
    try:
        zipfile.ZipFile(path).close()  # what is none, NumPy takes for pickled data, and says how to load them
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: np.atleast_1d(file[name]) for name in file.files}
    except Exception as error:  # NumPy, zipfile and zlib raise OSError, ValueError, BadZipFile, zlib.error, and more
        raise DataError(f"{path} cannot be read: {error}.") from None
    return {
        name: np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
        for name, array in arrays.items()
    }


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("folders", "one folder for each class", Path.is_dir, read_folders),
        Format("npz", "a .npz file of images and labels", lambda path: path.suffix.lower() == ".npz", read_arrays),
    )
}


def find_source(path: Path) -> Source:
    """Return the labelled images at `path`, in whichever of `FORMATS` they are.

    Raises
    ------
    DataError
        Nothing there, no format that fits, no images, a class without any, or two of one name.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist.\nExpected {_expected()}.")
    for entry in FORMATS.values():
        if entry.matches(path):
            try:
                return _check(entry.read(path))
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error}.") from None
    raise DataError(f"{path} is none of the formats that are read.\nExpected {_expected()}.")


def _expected() -> str:
    return ", or ".join(entry.meaning for entry in FORMATS.values())


def _check(source: Source) -> Source:
    counts = np.bincount([item.label for item in source.items], minlength=len(source.classes))
    if not len(source.items):
        raise DataError(f"{source.root} has no images.\nExpected {_expected()}.")
    for name, count in zip(source.classes, counts, strict=True):
        if not count:
            raise DataError(f"class {name!r} of {source.root} has no images.\nAdd some, or remove the class.")
        if source.classes.count(name) > 1:
            raise DataError(f"{source.root} has more than one class of the name {name!r}.")
    return source


def _folders(path: Path) -> list[Path]:
    return _in_order(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _in_order(names: Iterable[T], alg: ns = ns.DEFAULT) -> list[T]:
    """Return names in natural order, upper and lower case alike; what that takes for equal, by its characters."""
    return natsorted(sorted(names), alg=alg | ns.IGNORECASE)  # type: ignore[type-var]

"""Class folders: one folder of images for each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from natsort import ns
from PIL import Image

from ..errors import DataError
from . import images
from .content import read_file
from .source import PARTS, Item, Source, in_order

#: Files that systems leave in folders, hidden where they come from; names in lower case.
LEFT_BY_SYSTEMS = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class ClassFolders:
    """``root/<class>/…`` or ``root/{train,val,test}/<class>/…``, one folder per class."""

    root: Path
    classes: tuple[str, ...]
    items: tuple[Item, ...]

    def read(self, index: int) -> bytes:
        return read_file(self.root / self.items[index].name)

    def open(self, data: bytes) -> Image.Image:
        return images.open_image(data)


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
    classes = tuple(in_order({folder.name for _, folder in listed}))
    if not classes:
        raise DataError(f"{root} has no class folders.\nExpected {root}/<class>/<image>, one folder for each class.")
    items = [
        Item(path.relative_to(root).as_posix(), classes.index(folder.name), part)
        for part, folder in listed
        for path in in_order(folder.rglob("*"), ns.PATH)
        # A link that leads nowhere is no file, but somebody meant it to be one: it is listed as unreadable.
        if (path.is_file() or path.is_symlink()) and not _hidden(path.relative_to(root).parts)
    ]
    return ClassFolders(root, classes, tuple(items))


def _hidden(names: Iterable[str]) -> bool:
    return any(name.startswith(".") or name.lower() in LEFT_BY_SYSTEMS for name in names)


def _folders(path: Path) -> list[Path]:
    return in_order(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))

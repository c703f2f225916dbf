"""Some classes of a source, in an order of one's own, and groups that are read off its images' names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from ..errors import ConfigError, DataError
from ..text import examples
from .source import Item, Source


@dataclass(frozen=True)
class Selection:
    """Some items of a source, with classes and groups of their own.

    Attributes
    ----------
    source : Source
        Where the images come from.
    classes : tuple of str
    items : tuple of Item
    indices : tuple of int
        Which item of the source each is.
    """

    source: Source
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    indices: tuple[int, ...]

    @property
    def root(self) -> Path:
        """Where the data lies."""
        return self.source.root

    def read(self, index: int) -> bytes:
        return self.source.read(self.indices[index])

    def open(self, data: bytes) -> Image.Image:
        return self.source.open(data)

    def notes(self) -> list[str]:
        """Say which classes are left out, and how many groups there are."""
        notes = self.source.notes() if isinstance(self.source, Selection) else []
        left = [name for name in self.source.classes if name not in self.classes]
        if left:
            count = len(self.source.items) - len(self.items)
            images = "1 image" if count == 1 else f"{count:,} images"
            notes.append(f"left out, as other classes were chosen: {', '.join(left)} ({images})")
        if self.items and all(item.group is not None for item in self.items):
            notes.append(f"{len({item.group for item in self.items}):,} groups, read off the names")
        return notes


def choose_classes(source: Source, classes: Sequence[str]) -> Source:
    """Return the images of some classes, or of all, with the classes in the order given.

    Raises
    ------
    DataError
        A class that the source does not have.
    """
    for name in classes:
        if name not in source.classes:
            near = difflib.get_close_matches(name, source.classes, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise DataError(f"{source.root} has no class {name!r}.\n{hint}It has {', '.join(source.classes)}.")
    if tuple(classes) == tuple(source.classes):
        return source
    number = {source.classes.index(name): index for index, name in enumerate(classes)}
    indices = tuple(index for index, item in enumerate(source.items) if item.label in number)
    items = tuple(replace(source.items[index], label=number[source.items[index].label]) for index in indices)
    return Selection(source, tuple(classes), items, indices)


def group_by_name(source: Source, pattern: str) -> Source:
    """Return the same images, each with the group that a regular expression finds in its name.

    The group is what the first pair of parentheses matches, or all of the match when
    there is none, or when it took no part.

    Raises
    ------
    ConfigError
        The text is no regular expression.
    DataError
        A name in which it finds nothing. To take such an image for a group of its own
        would hide a mistake in the expression: patients would be in two parts.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        place = "" if error.pos is None else f" at character {error.pos + 1}"
        raise ConfigError(f"group_regex = {pattern!r} is no regular expression: {error.msg}{place}.") from None
    groups = [_group(expression.search(item.name)) for item in source.items]
    missed = [item.name for item, group in zip(source.items, groups, strict=True) if not group]
    if missed:
        otherwise = f".*?(?:{pattern})|.*" if expression.groups else f".*?({pattern})|.*"
        raise DataError(
            f"group_regex = {pattern!r} finds no group in {len(missed):,} of {len(groups):,} names: "
            f"{examples(missed)}.\n"
            f"Write it so that it fits them; with {otherwise!r} they would be groups of their own."
        )
    items = tuple(replace(item, group=group) for item, group in zip(source.items, groups, strict=True))
    return Selection(source, source.classes, items, tuple(range(len(items))))


def _group(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    return (match[1] if match.re.groups else None) or match[0]

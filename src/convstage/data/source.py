"""What every way in has in common: items, and the source that lists and reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from natsort import natsorted, ns
from PIL import Image

T = TypeVar("T")

#: The parts of a data set, and what their folders, columns and arrays may be called.
PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}


@dataclass(frozen=True, slots=True)
class Item:
    """One labelled image.

    Attributes
    ----------
    name : str
        What it is called in the data set; no other image is called so.
    label : int
        Its class by number.
    part : str, optional
        ``train``, ``val`` or ``test``, when the data says so.
    group : str, optional
        What it shares with images that are not independent of it, such as the patient.
    """

    name: str
    label: int
    part: str | None = None
    group: str | None = None


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


def part_named(word: str) -> str | None:
    """Return the part that a word stands for, upper or lower case; None when it stands for none."""
    return next((part for part, names in PARTS.items() if word.lower() in names), None)


def in_order(names: Iterable[T], alg: ns = ns.DEFAULT) -> list[T]:
    """Return names in natural order, upper and lower case alike; what that takes for equal, by its characters."""
    return natsorted(sorted(names), alg=alg | ns.IGNORECASE)  # type: ignore[type-var]

"""What checks look at, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..data.facts import Facts

#: An error makes a result worthless, a warning may mislead, a note is good to know.
Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Subject:
    """A folder of images, as the checks see it; every sequence has an entry per image, readable or not.

    Attributes
    ----------
    names : list of str, length n
    labels : ndarray of int, shape (n,)
    classes : tuple of str
    parts : list of str or None, length n
        ``train``, ``val``, ``test``, or None for an image that is in no part.
    groups : list of str, length n
        The group of every image, its own name where it has none.
    facts : Facts
        What the files are like.
    used : ndarray of bool, shape (n,)
        False for images that were left out when the data was split.
    notes : list of str
        What was already done about the data when it was split.
    """

    names: list[str]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    parts: list[str | None]
    groups: list[str]
    facts: Facts
    used: npt.NDArray[np.bool_]
    notes: list[str]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Row numbers of the images that can be read, and are used."""
        return np.flatnonzero(self.facts.readable & self.used)

    def where(self, row: int) -> str:
        """Return an image's name, and its part when it has one."""
        part = self.parts[row]
        return f"{self.names[row]} ({part})" if part else self.names[row]


@dataclass(frozen=True)
class Finding:
    """Something that may mislead.

    Attributes
    ----------
    check : str
        The entry of `CHECKS` that found it, or ``shortcut``.
    severity : {"error", "warning", "note"}
    message : str
        What was found, and what to do about it, for people.
    files : list of (str, str)
        The images concerned, each with a remark.
    """

    check: str
    severity: Severity
    message: str
    files: Sequence[tuple[str, str]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return asdict(self) | {"files": [{"file": name, "remark": remark} for name, remark in self.files]}


def images(count: int) -> str:
    """Return a number of images, in words."""
    return "1 image" if count == 1 else f"{count:,} images"


def per_class(subject: Subject, rows: npt.NDArray[np.int64]) -> str:
    """Return how many of `rows` each class has, as in ``0-healthy 3, 1-corona 120``."""
    counts = np.bincount(subject.labels[rows], minlength=len(subject.classes))
    return ", ".join(f"{name} {count:,}" for name, count in zip(subject.classes, counts, strict=True) if count)

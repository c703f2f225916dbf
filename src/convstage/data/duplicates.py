"""The same image more than once: copies must not stand on both sides of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..text import examples
from .split import RANK


def united(groups: Sequence[str], sha256: Sequence[str]) -> list[int]:
    """Return for every image the number of what must stay in one part.

    That is its group, joined with every group that holds an image of the same content
    (the sets are found by union and find; Galler and Fischer 1964).

    Examples
    --------
    >>> united(["Ann", "Ann", "Bob", "Cem", "Dot"], ["1", "2", "2", "3", "4"])
    [0, 0, 0, 1, 2]
    """
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def top(node: tuple[str, str]) -> tuple[str, str]:
        while above.setdefault(node, node) != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for group, sha in zip(groups, sha256, strict=True):
        above[top(("content", sha))] = top(("group", group))
    numbers: dict[tuple[str, str], int] = {}
    return [numbers.setdefault(top(("group", group)), len(numbers)) for group in groups]


def copies(sha256: Sequence[str]) -> list[list[int]]:
    """Return the row numbers of images of the same content, for every content there is more than once."""
    rows = defaultdict(list)
    for row, sha in enumerate(sha256):
        rows[sha].append(row)
    return [same for same in rows.values() if len(same) > 1]


def copies_across(parts: Sequence[str | None], sha256: Sequence[str]) -> dict[int, int]:
    """Return which images must go because a copy stands in another part, and that copy.

    The parts are those that the data itself names. The test part stays as it is, and
    the validation part but for copies of test images: figures are only worth something
    when nothing they are measured on was trained on.

    Examples
    --------
    >>> copies_across(["train", "test", "val", "train", None], ["a", "a", "b", "b", "b"])
    {0: 1, 3: 2}
    """
    goes = {}
    for same in copies(sha256):
        named = {part for row in same if (part := parts[row])}
        if len(named) > 1:
            stays = min(named, key=RANK.__getitem__)
            kept = next(row for row in same if parts[row] == stays)
            goes.update({row: kept for row in same if parts[row] not in (stays, None)})
    return dict(sorted(goes.items()))


def note_on_copies(names: Sequence[str], sha256: Sequence[str]) -> list[str]:
    """Say which images are there more than once."""
    found = copies(sha256)
    if not found:
        return []
    count = sum(len(same) - 1 for same in found)
    what = "image is an exact copy of another" if count == 1 else "images are exact copies of others"
    shown = examples(f"{names[same[1]]} = {names[same[0]]}" for same in found)
    return [f"{count:,} {what}, and in the same part: {shown}"]


def note_on_classes(
    names: Sequence[str], labels: npt.NDArray[np.int64], sha256: Sequence[str], classes: Sequence[str]
) -> list[str]:
    """Say which images are there under different classes."""
    torn = [same for same in copies(sha256) if len(set(labels[same])) > 1]
    if not torn:
        return []
    shown = examples(" = ".join(f"{names[row]} ({classes[labels[row]]})" for row in same[:3]) for same in torn)
    return [f"{len(torn):,} {'image is' if len(torn) == 1 else 'images are'} in more than one class: {shown}"]


def note_on_copies_across(names: Sequence[str], goes: dict[int, int]) -> list[str]:
    """Say which images were left out as copies of others in another part."""
    if not goes:
        return []
    shown = examples(f"{names[row]} = {names[kept]}" for row, kept in goes.items())
    return [f"{len(goes):,} left out, since a copy is in another part: {shown}"]

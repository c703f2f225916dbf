"""CHECKS: what is looked for in a folder of images, one entry each.

Checks compare every image with what is usual in its own data set, because what is odd
for photographs may be the rule for drawings. To add one, write a function from
`Subject` to findings and put it in `CHECKS`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .duplicates import exact_duplicates, near_duplicates
from .findings import Finding, Subject, images, per_class

#: A class with this many times the images of another is worth a note, and a warning.
UNEVEN, VERY_UNEVEN = 1.5, 10
#: Fewer images in a class than this leave wide intervals.
FEW = 50
#: A share of images from which on their size, or mode, is the usual one.
USUAL = 0.75
#: Where there is no usual size: sizes and proportions beyond Tukey's outer fences (Tukey 1977, section 2E) are
#: odd, when they also differ from the median by these factors.
FENCES, AREA_FACTOR, PROPORTION_FACTOR = 3.0, 2.0, 1.25
#: An image with less than this share of the usual contrast, or of the usual pixels that are not saturated, is blank.
BLANK = 0.1
#: Standard deviation of grey values below which an image is blank in any data set.
CONSTANT = 1.0

#: What people call a mode of Pillow's.
MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGB": "colour",
    "RGBA": "colour with transparency",
    "CMYK": "CMYK colour",
    "YCbCr": "colour",
    "MONOCHROME1": "grey",
    "MONOCHROME2": "grey",
}


@dataclass(frozen=True)
class Check:
    """Something to look for: what it is called, what it means, and how it is found."""

    name: str
    meaning: str
    find: Callable[[Subject], Iterator[Finding]]


def unreadable(subject: Subject) -> Iterator[Finding]:
    """Files that cannot be read."""
    reasons = subject.facts.unreadable
    if reasons:
        yield Finding(
            "unreadable",
            "warning",
            f"{len(reasons):,} of {len(subject.names):,} files cannot be read; they are left out.",
            [(subject.names[row], reason) for row, reason in reasons.items()],
        )


def class_counts(subject: Subject) -> Iterator[Finding]:
    """Classes that have few images, or many times fewer than others."""
    counts = np.bincount(subject.labels[subject.rows], minlength=len(subject.classes))
    small, large = counts.argmin(), counts.argmax()
    ratio = counts[large] / max(1, counts[small])
    if counts[small] < FEW:
        yield Finding(
            "classes",
            "warning",
            f"class {subject.classes[small]} has {images(counts[small])}: what is said of it will be uncertain.",
        )
    if ratio > UNEVEN:
        yield Finding(
            "classes",
            "warning" if ratio > VERY_UNEVEN else "note",
            f"class {subject.classes[large]} has {ratio:.1f} times the images of {subject.classes[small]} "
            f"({counts[large]:,} and {counts[small]:,}). Accuracy alone would flatter: look at balanced accuracy.",
        )


def groups_in_parts(subject: Subject) -> Iterator[Finding]:
    """Groups, such as patients, that are in more than one part."""
    parts: dict[str, set[str]] = defaultdict(set)
    for row in subject.rows:
        if part := subject.parts[row]:
            parts[subject.groups[row]].add(part)
    torn = {group for group, found in parts.items() if len(found) > 1}
    rows = [row for row in subject.rows if subject.groups[row] in torn and subject.parts[row]]
    if torn:
        yield Finding(
            "groups",
            "error",
            f"{len(torn):,} of {len(parts):,} groups are in more than one part ({images(len(rows))}): the network is "
            "tested on what it was trained with. Leave the split to convstage, which keeps groups together.",
            [(subject.where(row), f"group {subject.groups[row]}") for row in rows],
        )


def odd_sizes(subject: Subject) -> Iterator[Finding]:
    """Images of another size or other proportions than is usual."""
    rows = subject.rows
    height, width = subject.facts.height[rows], subject.facts.width[rows]
    if not len(rows):
        return
    (usual, count), *_ = Counter(zip(height.tolist(), width.tolist(), strict=True)).most_common(1)
    if count >= USUAL * len(rows):
        odd = (height != usual[0]) | (width != usual[1])
        beside = f"most are {usual[0]}×{usual[1]}"
    else:
        odd = _far_out(np.log(height * width), np.log(AREA_FACTOR))
        odd |= _far_out(np.log(width / height), np.log(PROPORTION_FACTOR))
        beside = f"half are around {np.median(height):.0f}×{np.median(width):.0f}"
    if odd.any():
        found = rows[odd]
        yield Finding(
            "sizes",
            "note",
            f"{images(len(found))} of odd size ({per_class(subject, found)}); {beside} (height × width). "
            "Look whether they belong here.",
            [(subject.where(row), f"{subject.facts.height[row]}×{subject.facts.width[row]}") for row in found],
        )


def _far_out(values: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """Return which values lie beyond Tukey's outer fences, and at least `least` from the median."""
    quartiles = np.quantile(values, [0.25, 0.75])
    reach = FENCES * (quartiles[1] - quartiles[0])
    outside = (values < quartiles[0] - reach) | (values > quartiles[1] + reach)
    return np.asarray(outside & (np.abs(values - np.median(values)) > least))


def odd_modes(subject: Subject) -> Iterator[Finding]:
    """Images with other channels or another depth than is usual."""
    rows = subject.rows
    modes = [_mode(subject, row) for row in rows]
    if not modes:
        return
    (usual, count), *_ = Counter(modes).most_common(1)
    found = [(row, mode) for row, mode in zip(rows, modes, strict=True) if mode != usual]
    if found and count >= USUAL * len(rows):
        odd = np.array([row for row, _ in found])
        yield Finding(
            "modes",
            "note",
            f"{images(len(odd))} of another kind than {usual}, which most are ({per_class(subject, odd)}).",
            [(subject.where(row), mode) for row, mode in found],
        )


def _mode(subject: Subject, row: int) -> str:
    mode, bits = str(subject.facts.mode[row]), int(subject.facts.bits[row])
    if mode.startswith(("I", "F")):
        mode = "L"
    return MODES.get(mode, mode) + (f" of {bits} bits" if bits > 8 else "")


def blank(subject: Subject) -> Iterator[Finding]:
    """Images that show nothing: nearly constant, or saturated nearly everywhere."""
    rows, facts = subject.rows, subject.facts
    if not len(rows):
        return
    std = facts.std[rows]
    constant = std < max(CONSTANT, BLANK * float(np.median(std)))
    black, white = (1 - share[rows] < BLANK * np.median(1 - share[rows]) for share in (facts.black, facts.white))
    found = rows[constant | black | white]
    if len(found):
        yield Finding(
            "blank",
            "warning",
            f"{images(len(found))} nearly constant or saturated ({per_class(subject, found)}): nothing can be "
            "learned from them. Look at them, and remove them.",
            [
                (
                    subject.where(row),
                    f"grey values {facts.mean[row]:.0f} ± {facts.std[row]:.1f}, usually ± {np.median(std):.0f}",
                )
                for row in found
            ],
        )


def split_notes(subject: Subject) -> Iterator[Finding]:
    """What had to be done about the data when it was split."""
    for note in subject.notes:
        yield Finding("split", "note", note)


CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        Check("unreadable", "files that cannot be read", unreadable),
        Check("classes", "classes with few images, or many times fewer than others", class_counts),
        Check("split", "what had to be done about the data when it was split", split_notes),
        Check("exact", "the same picture more than once: the same file, or the same pixels", exact_duplicates),
        Check("near", "pictures that were saved, resized or brightened once more", near_duplicates),
        Check("groups", "groups, such as patients, that are in more than one part", groups_in_parts),
        Check("sizes", "images of odd size or proportions", odd_sizes),
        Check("modes", "images with other channels or another depth than most", odd_modes),
        Check("blank", "images that are nearly constant or saturated", blank),
    )
}

"""Pictures that are in the data more than once.

Exact duplicates have the same content, or the same pixels in another lossless format.

Near duplicates, saved once more as JPEG, resized or brightened, are found from the 63
lowest frequencies of the picture's discrete cosine transform, without the mean and
brought to length 1: what a perceptual hash takes one bit each of (pHash, Zauner 2010).
Unrounded they also tell apart pictures that look much alike. How near is too near
depends on the data: handwritten ones resemble one another more than radiographs do. Two
pictures are near duplicates when their distance is less than `NEAR` times the distance
from each of them to its fifth neighbour (Lowe 2004 compares with the second), and times
the median of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..text import examples
from .findings import Finding, Severity, Subject, images

#: The neighbour whose distance says what is usual here.
NEIGHBOUR = 5
#: A near duplicate is nearer than this share of what is usual, around both pictures and in the data set.
NEAR = 0.4
#: Below this share of what is usual in the data set it is one, however crowded its neighbourhood.
UNMISTAKABLE = 0.05
#: Pictures with a smaller standard deviation of grey values show nothing to compare.
FLAT = 1.0

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Set:
    """Rows that show one picture, the row that each is named beside, and all rows that the picture is in."""

    rows: list[int]
    beside: list[int]
    everywhere: list[int]


def exact_duplicates(subject: Subject) -> Iterator[Finding]:
    """Report pictures whose content or pixels are the same."""
    yield from _report(subject, "exact", [_Set(rows, rows[:1] * len(rows), rows) for rows in _copies(subject).values()])


def near_duplicates(subject: Subject) -> Iterator[Finding]:
    """Report pictures that are nearly the same, though not exactly."""
    copies = _copies(subject)
    rows = np.array([row for row in copies if subject.facts.std[row] >= FLAT], np.int64)
    number, earlier = alike(subject.facts.spectrum[rows])
    sets: dict[int, _Set] = {}
    for row, before, of_set in zip(rows.tolist(), rows[earlier].tolist(), number.tolist(), strict=True):
        found = sets.setdefault(of_set, _Set([], [], []))
        found.rows.append(row)
        found.beside.append(before)
        found.everywhere.extend(copies[row])
    yield from _report(subject, "near", list(sets.values()))


def _copies(subject: Subject) -> dict[int, list[int]]:
    """Return the rows of equal pictures, by the first of them; equal content has equal pixels, too."""
    first: dict[bytes, int] = {}
    copies: dict[int, list[int]] = {}
    for row in subject.rows.tolist():
        copies.setdefault(first.setdefault(subject.facts.digest[row].tobytes(), row), []).append(row)
    return copies


def alike(spectra: npt.NDArray[np.float32]) -> tuple[Integers, Integers]:
    """Find pictures that are near duplicates of each other.

    Parameters
    ----------
    spectra : ndarray of float, shape (n, frequencies, frequencies)
        Lowest frequencies of each, the mean of its pixels first.

    Returns
    -------
    number : ndarray of int, shape (n,)
        Of the set of pictures that are near duplicates of each other, directly or through others.
    earlier : ndarray of int, shape (n,)
        The nearest of those before a picture; its own row where there is none.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.neighbors import NearestNeighbors

    n = len(spectra)
    if n < 3:  # nothing says what is usual
        return np.arange(n), np.arange(n)
    features = spectra.reshape(n, -1)[:, 1:]
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    neighbours = min(NEIGHBOUR, n - 1)
    # A pair that is near enough for both is among the nearest of both: no other has to be looked at.
    distance, index = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(features).kneighbors()
    local, usual = distance[:, -1], float(np.median(distance[:, -1]))
    a, b, d = np.repeat(np.arange(n), neighbours), index.reshape(-1), distance.reshape(-1)
    near = (d < NEAR * np.minimum(np.minimum(local[a], local[b]), usual)) | (d < UNMISTAKABLE * usual)
    graph = coo_array((np.ones(near.sum(), bool), (a[near], b[near])), shape=(n, n))
    _, number = connected_components(graph, directed=False)
    earlier = np.arange(n)
    for place in np.flatnonzero(near)[np.argsort(-d[near], kind="stable")]:  # the nearest comes last, and stays
        earlier[max(a[place], b[place])] = min(a[place], b[place])
    return np.asarray(number, np.int64), earlier


#: What makes duplicates worse, and how bad it is for exact and near ones.
PLACES: tuple[tuple[str, dict[str, Severity], str], ...] = (
    (
        "labels",
        {"exact": "error", "near": "warning"},
        "of another class: at most one of them is right. Look at them, and keep the right one",
    ),
    (
        "parts",
        {"exact": "error", "near": "warning"},
        "in another part: the network is tested on what it was trained with. Remove the copies, or give them one group",
    ),
    ("rest", {"exact": "note", "near": "note"}, "of the same class: they count more than once"),
)
LIKE = {"exact": "the same as", "near": "nearly the same as"}


def _report(subject: Subject, kind: str, sets: list[_Set]) -> Iterator[Finding]:
    """Yield a finding for copies across labels, one for copies across parts, and one for the rest."""
    several = [copies for copies in sets if len(copies.rows) > 1]
    places = [_place(subject, copies.everywhere) for copies in several]
    for name, severity, words in PLACES:
        found = [copies for copies, place in zip(several, places, strict=True) if place == name]
        files = [
            (subject.where(row), f"{LIKE[kind]} {subject.where(other)}")
            for copies in found
            for row, other in zip(copies.rows, copies.beside, strict=True)
            if row != other
        ]
        if files:
            which = _which_classes(subject, [copies.everywhere for copies in found]) if name == "labels" else ""
            yield Finding(kind, severity[kind], f"{images(len(files))} {LIKE[kind]} another{which}, {words}.", files)


def _place(subject: Subject, rows: list[int]) -> str:
    if len({subject.labels[row] for row in rows}) > 1:
        return "labels"
    return "parts" if len({subject.parts[row] for row in rows} - {None}) > 1 else "rest"


def _which_classes(subject: Subject, found: list[list[int]]) -> str:
    """Return which classes share pictures, the most frequent ones first."""
    pairs = Counter(" and ".join(sorted({subject.classes[subject.labels[row]] for row in rows})) for rows in found)
    return f" ({examples(pair for pair, _ in pairs.most_common())})"

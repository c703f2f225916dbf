"""Training, validation and test part: stratified by class, whole groups, reproducible from a seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import DataError

TRAIN, VAL, TEST = "train", "val", "test"
#: Of several parts, the one to be left untouched comes first: figures are only worth
#: something when nothing that they are measured on was trained on.
RANK = {TEST: 0, VAL: 1, TRAIN: 2}

Ints = npt.NDArray[np.int64]


def split(
    labels: Ints,
    given: Sequence[str | None],
    classes: Sequence[str],
    *,
    val: float,
    test: float,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> npt.NDArray[np.str_]:
    """Assign every image to a part.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class number of every image.
    given : sequence of str or None, length n
        Parts that the data set itself names; those stay. A part that it does not name
        is taken from its training images. Images for which it names none are training
        images, or go where the others of their group are.
    classes : sequence of str
        Names of the classes, for messages.
    val, test : float
        Share of the images for the validation and the test part, at least one image per class.
    seed : int
        The same seed gives the same split.
    groups : sequence, length n, optional
        Images of one group, such as a patient's, are drawn together, so that no group is
        in two parts. Without it every image is its own group.

    Returns
    -------
    ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.

    Raises
    ------
    DataError
        A class has images, or groups, too few to appear in every part.

    Notes
    -----
    The classes take turns, those of the fewest groups first. For each, groups in random
    order go to a part as long as they fit into its share of every class; then one more
    if that comes nearer to it. Single images fill the shares exactly.
    """
    units = _numbers(range(len(labels)) if groups is None else groups)
    parts = _with_their_group(given, units)
    wanted = {name: share for name, share in ((TEST, test), (VAL, val)) if share and name not in parts}
    pool = _Pool(labels, units, parts, len(classes))
    pool.check(classes, list(wanted), "image" if len(np.unique(units)) == len(units) else "group")

    random = np.random.default_rng(seed)
    orders = [random.permutation(pool.units_with(label)) for label in range(len(classes))]
    targets = {part: np.maximum(1, np.rint(share * pool.images).astype(int)) for part, share in wanted.items()}
    have = {part: np.zeros(len(classes), int) for part in wanted}
    for label in sorted(range(len(classes)), key=lambda label: len(orders[label])):
        for part in wanted:
            # One unit of each class is kept for training, and for every other part that has none yet.
            keep = np.sum(
                [np.ones(len(classes), int), *(have[other] == 0 for other in wanted if other != part)], axis=0
            )
            for unit in pool.draw(label, orders[label], targets[part], have[part], keep):
                parts[pool.rows(unit)] = part
    for part, counts in have.items():
        if not counts.all():
            raise DataError(
                f"no {part} part with class {classes[int(counts.argmin())]!r} in it can be drawn: images that must "
                "stay together are of several classes, and one of them would be missing elsewhere.\n"
                "Name the parts yourself, in a split file."
            )
    return parts


def folds(labels: Ints, groups: Sequence[Hashable], k: int, seed: int, classes: Sequence[str] | None = None) -> Ints:
    """Assign every image to one of `k` folds, stratified by class, whole groups in one fold.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class number of every image.
    groups : sequence, length n
        What must stay together; `Dataset.units` are groups, joined where they hold the same image.
    k : int
        Number of folds, 2 or more.
    seed : int
        The same seed gives the same folds.
    classes : sequence of str, optional
        Names of the classes, for messages.

    Returns
    -------
    ndarray of int, shape (n,)
        Number of the fold, from 0, that each image is tested in.

    Raises
    ------
    DataError
        A class has images of fewer than `k` groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    units = _numbers(groups)
    grouped = len(np.unique(units)) < len(units)
    for label in np.unique(labels):
        count = len(np.unique(units[labels == label]))
        if count < k:
            name = label if classes is None else repr(classes[label])
            nouns = ("group" if grouped else "image") + ("" if count == 1 else "s")
            raise DataError(
                f"{k} folds cannot be made: class {name} has {count} {nouns} only.\n"
                f"Ask for at most {count} folds, or add images."
            )
    splitter = (StratifiedGroupKFold if grouped else StratifiedKFold)(k, shuffle=True, random_state=seed)
    numbers = np.empty(len(labels), np.int64)
    splits = splitter.split(np.zeros((len(labels), 1)), labels, units if grouped else None)
    for fold, (_, tested) in enumerate(splits):
        numbers[tested] = fold
    return numbers


class _Pool:
    """The units (groups, or single images) that can be drawn, and how many of each class are left for training."""

    def __init__(self, labels: Ints, units: Ints, parts: npt.NDArray[np.str_], classes: int) -> None:
        training = np.flatnonzero(parts == TRAIN)
        # A group of which the data names another part is not drawn: that would tear it apart.
        drawable = training[~np.isin(units[training], units[parts != TRAIN])]
        self.images = np.bincount(labels[training], minlength=classes)
        self.left = _units_per_class(units[training], labels[training], classes)
        self.drawable = _units_per_class(units[drawable], labels[drawable], classes)
        self._labels = labels
        self._rows = drawable[np.argsort(units[drawable], kind="stable")]
        self._starts = np.searchsorted(units[self._rows], np.arange(units.max(initial=-1) + 2))
        self._units = units
        self._drawn: set[int] = set()

    def check(self, classes: Sequence[str], wanted: Sequence[str], noun: str) -> None:
        """Refuse a class that cannot be in every part."""
        for name, left, drawable in zip(classes, self.left, self.drawable, strict=True):
            if left <= len(wanted) or drawable < len(wanted):
                raise DataError(_too_few(name, int(left), int(drawable), wanted, noun))

    def units_with(self, label: int) -> Ints:
        """Return the units that hold images of a class, in the order of the images."""
        return np.unique(self._units[self._rows[self._labels[self._rows] == label]])

    def rows(self, unit: int) -> Ints:
        """Return the row numbers of a unit's images."""
        return self._rows[self._starts[unit] : self._starts[unit + 1]]

    def draw(self, label: int, order: Ints, target: Ints, have: Ints, keep: Ints) -> Iterator[int]:
        """Yield units until a part has its share of a class; `have` counts its images of every class."""
        for unit in order:
            if have[label] >= target[label]:
                return
            counts = self._counts(unit)
            held = counts > 0
            if self._free(unit, held, keep) and (have + counts <= target)[held].all():
                yield self._take(unit, counts, have)
        candidates = [unit for unit in order if self._free(unit, self._counts(unit) > 0, keep)]
        if have[label] < target[label] and candidates:
            distances = [np.abs(have + self._counts(unit) - target).sum() for unit in candidates]
            nearest = int(np.argmin(distances))
            if not have[label] or distances[nearest] < np.abs(have - target).sum():
                yield self._take(candidates[nearest], self._counts(candidates[nearest]), have)

    def _counts(self, unit: int) -> Ints:
        return np.bincount(self._labels[self.rows(unit)], minlength=len(self.images))

    def _free(self, unit: int, held: npt.NDArray[np.bool_], keep: Ints) -> bool:
        return unit not in self._drawn and bool((self.left > keep)[held].all())

    def _take(self, unit: int, counts: Ints, have: Ints) -> int:
        self._drawn.add(unit)
        self.left[counts > 0] -= 1
        have += counts
        return unit


def _numbers(groups: Iterable[Hashable]) -> Ints:
    """Return the groups as numbers, in the order in which they appear."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], np.int64)


def _with_their_group(given: Sequence[str | None], units: Ints) -> npt.NDArray[np.str_]:
    """Return the parts; where none is given, the one of the group: test before validation before training."""
    of_group: dict[int, str] = {}
    for part, unit in zip(given, units.tolist(), strict=True):
        if part and (unit not in of_group or RANK[part] < RANK[of_group[unit]]):
            of_group[unit] = part
    return np.array([part or of_group.get(unit, TRAIN) for part, unit in zip(given, units.tolist(), strict=True)])


def _units_per_class(units: Ints, labels: Ints, classes: int) -> Ints:
    return np.bincount(np.unique(units * classes + labels) % classes, minlength=classes)


def _too_few(name: str, left: int, drawable: int, wanted: Sequence[str], noun: str) -> str:
    words = [word for part, word in ((VAL, "validation"), (TEST, "test")) if part in wanted]
    if not words:
        return f"class {name!r} has 0 images to train with.\nAt least 1 readable one is needed."
    parts = " and ".join([", ".join(["training", *words[:-1]]), words[-1]])
    if noun == "image":
        need = f"At least {len(words) + 1} readable ones are needed, one for each part: {parts}."
        return f"class {name!r} has {left} {noun}{'' if left == 1 else 's'} to train with.\n{need}"
    torn = f", not counting {left - drawable} that the data tears apart" if drawable < left else ""
    return (
        f"class {name!r} has images of {drawable} {noun}{'' if drawable == 1 else 's'} only{torn}.\n"
        f"At least {len(words) + 1} are needed, one for each part: {parts}. Images of the same content, and all "
        "groups that hold such, count as one group."
    )

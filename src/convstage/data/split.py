"""Training, validation and test part: stratified by class, reproducible from a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import DataError

TRAIN, VAL, TEST = "train", "val", "test"


def split(
    labels: npt.NDArray[np.int64],
    given: Sequence[str | None],
    classes: Sequence[str],
    *,
    val: float,
    test: float,
    seed: int,
) -> npt.NDArray[np.str_]:
    """Assign every image to a part.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        Class number of every image.
    given : sequence of str or None, length n
        Parts that the data set itself names; those stay. A part that it does not name
        is taken from its training images.
    classes : sequence of str
        Names of the classes, for messages.
    val, test : float
        Share of the images for the validation and the test part, at least one image per class.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    ndarray of str, shape (n,)
        ``train``, ``val`` or ``test``.

    Raises
    ------
    DataError
        A class has too few images to appear in every part.
    """
    parts = np.array([part or TRAIN for part in given])
    wanted = [(name, share) for name, share in ((TEST, test), (VAL, val)) if share and name not in parts]
    random = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        of_class = np.flatnonzero((labels == label) & (parts == TRAIN))
        if len(of_class) <= len(wanted):
            raise DataError(_too_few(name, len(of_class), [part for part, _ in wanted]))
        left = random.permutation(of_class)
        for place, (part, share) in enumerate(wanted, 1):
            needed = len(wanted) - place + 1  # one each for the parts to come, and one for training
            count = min(max(1, round(share * len(of_class))), len(left) - needed)
            parts[left[:count]] = part
            left = left[count:]
    return parts


def _too_few(name: str, count: int, wanted: Sequence[str]) -> str:
    images = "1 image" if count == 1 else f"{count} images"
    words = [word for part, word in ((VAL, "validation"), (TEST, "test")) if part in wanted]
    need = "At least 1 readable one is needed."
    if words:
        parts = " and ".join([", ".join(["training", *words[:-1]]), words[-1]])
        need = f"At least {len(words) + 1} readable ones are needed, one for each part: {parts}."
    return f"class {name!r} has {images} to train with.\n{need}"

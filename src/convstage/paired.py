"""Whether one classifier is better than another: both asked about the same images.

Images that are easy, or hard, for both say nothing about which of the two is better. The
difference in accuracy therefore gets one bootstrap for both (paired), which is narrower than
two intervals side by side. Where few images tell the two apart, a bootstrap is too sure of
itself; so the exact sign test has to agree, which for images that each stand for themselves
is McNemar's test (McNemar 1947) with binomial probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .figures import figure
from .resampling import LEVEL, intervals, number_groups

#: With fewer independent images, nothing is concluded.
FEWEST = 10

Conclusion = Literal["clearly better", "clearly worse", "not told apart", "too few images to tell"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """How two classifiers differ on the same images.

    Attributes
    ----------
    conclusion : str
        Whether the second is better than the first.
    accuracy : dict
        Accuracy of the second less that of the first, as ``{"value", "low", "high"}``.
    first_only, second_only : int
        Groups of images that only one of the two was right about, or more often than the other.
    p : float
        Of the exact sign test: how probable a split as uneven as theirs is by chance.
    images, groups : int
        Number of images, and of independent groups of them.
    """

    conclusion: Conclusion
    accuracy: dict[str, float]
    first_only: int
    second_only: int
    p: float
    images: int
    groups: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def difference(
    first: Floats, second: Floats, groups: Sequence[str] | None = None, turns: Sequence[int] | None = None
) -> Difference:
    """Compare two classifiers on the same images.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Whether each was right about each image, 0 or 1.
    groups : sequence of str, length n, optional
        Images of one group are resampled together, and count once in the sign test.
    turns : sequence of int, length n, optional
        Which training of several each answer is of, such as its seed. An image may occur
        once in each; it then has a group, the same in all.

    Returns
    -------
    Difference
        "clearly better" when the whole interval is above 0, the sign test agrees
        (p below 1 - `LEVEL`), and the second has the higher accuracy in every turn; "clearly
        worse" the other way round; "too few images to tell" with fewer than `FEWEST`
        independent images; else "not told apart".

    Examples
    --------
    >>> right = np.ones(100)
    >>> print(difference(np.arange(100) % 2, right).conclusion)
    clearly better
    >>> difference(right, right).conclusion
    'not told apart'
    """
    from scipy.stats import binomtest

    gains = second.astype(np.float64) - first
    numbers = number_groups(groups, len(gains))
    count = int(numbers.max()) + 1

    def mean(weights: Floats) -> dict[str, Floats]:
        return {"gain": weights @ gains / weights.sum(axis=1)}

    points = {"gain": np.asarray(gains.mean())}
    accuracy = figure(points["gain"], intervals(mean, points, numbers, {})["gain"])
    assert accuracy is not None
    of_groups = np.sign(np.bincount(numbers, gains).round(9))
    better, worse = int((of_groups > 0).sum()), int((of_groups < 0).sum())
    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    of_turn = np.zeros(len(gains)) if turns is None else np.asarray(turns)
    by_turn = np.array([gains[of_turn == turn].mean() for turn in np.unique(of_turn)])
    if count < FEWEST:
        conclusion: Conclusion = "too few images to tell"
    elif accuracy["low"] > 0 and p < 1 - LEVEL and (by_turn > 0).all():
        conclusion = "clearly better"
    elif accuracy["high"] < 0 and p < 1 - LEVEL and (by_turn < 0).all():
        conclusion = "clearly worse"
    else:
        conclusion = "not told apart"
    return Difference(conclusion, accuracy, worse, better, p, len(gains), count)

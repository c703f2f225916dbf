"""Operating point: the probability from which on an image is called positive.

The most probable class is not always the best answer: a test that must not miss the sick
is set to a sensitivity, and pays with specificity. The threshold is chosen on the
validation part and measured on other images; chosen and measured on the same ones, it
would promise too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import ConfigError, DataError
from .figures import decision_points, decision_trials, figure
from .resampling import intervals, number_groups, wilson
from .weighted import decisions

#: With fewer validation images to choose by, a warning says how little that holds.
FEWEST = 20

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Target:
    """What an operating point is to reach on the validation part.

    Attributes
    ----------
    figure : {"sensitivity", "specificity"}
    share : float
        At least so much of it.
    positive : int
        Number of the class that is looked for.
    """

    figure: Literal["sensitivity", "specificity"]
    share: float
    positive: int


def make_target(
    sensitivity: float | None, specificity: float | None, positive: str | None, classes: Sequence[str]
) -> Target | None:
    """Return what was asked for; None when nothing was.

    Raises
    ------
    ConfigError
        Both figures, a share out of range, an unknown class, or none where there are more than two.
    """
    if sensitivity is None and specificity is None:
        if positive is not None:
            raise ConfigError("a positive class needs an operating point.\nGive --sensitivity or --specificity, too.")
        return None
    if sensitivity is not None and specificity is not None:
        raise ConfigError("sensitivity and specificity cannot both be chosen: the one decides the other.\nGive one.")
    name: Literal["sensitivity", "specificity"] = "sensitivity" if sensitivity is not None else "specificity"
    share = sensitivity if sensitivity is not None else specificity
    assert share is not None
    if not 0 < share <= 1:
        raise ConfigError(f"{name} = {share:g}: it must be above 0 and at most 1, such as 0.95.")
    if positive is None and len(classes) > 2:
        raise ConfigError(
            f"with {len(classes)} classes it must be said which one is looked for.\n"
            f"Give --positive, one of {', '.join(classes)}."
        )
    if positive is not None and positive not in classes:
        raise ConfigError(f"there is no class {positive!r}.\nThe network knows {', '.join(classes)}.")
    return Target(name, share, len(classes) - 1 if positive is None else list(classes).index(positive))


def choose_threshold(target: Target, truth: Labels, probabilities: Floats, classes: Sequence[str]) -> dict[str, Any]:
    """Return the threshold that reaches the target on the validation part, and how it was chosen.

    An image is positive when its probability of the positive class is the threshold or
    above. For a sensitivity it is the largest threshold that reaches it, for a specificity
    the smallest.

    Parameters
    ----------
    target : Target
    truth : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, classes)
        Of the validation part.
    classes : sequence of str

    Returns
    -------
    dict
        ``positive``, ``target``, ``threshold``, ``rule``; ``validation``: number of images and
        positives, sensitivity and specificity with Wilson intervals; ``warning``, or None.

    Raises
    ------
    DataError
        The validation part has no image that the target is a share of.
    """
    positive, scores = truth == target.positive, probabilities[:, target.positive]
    name = classes[target.positive]
    of = np.sort(scores[positive] if target.figure == "sensitivity" else scores[~positive])
    if not len(of):
        which = f"of class {name}" if target.figure == "sensitivity" else f"of another class than {name}"
        raise DataError(f"the validation part has no image {which}; no {target.figure} can be chosen by it.")
    needed = ceil(target.share * len(of) - 1e-9)
    threshold = float(of[-needed] if target.figure == "sensitivity" else np.nextafter(of[needed - 1], np.inf))
    called = scores >= threshold
    extreme = "largest" if target.figure == "sensitivity" else "smallest"
    chosen = {
        "sensitivity": _share(int((called & positive).sum()), int(positive.sum())),
        "specificity": _share(int((~called & ~positive).sum()), int((~positive).sum())),
    }
    reached = chosen[target.figure]
    assert reached is not None
    kind = "positives" if target.figure == "sensitivity" else "negatives"
    warning = (
        f"the validation part has {len(of)} {kind} only: the threshold that reaches a {target.figure} of "
        f"{reached['value']:.1%} of them may have one of {reached['low']:.1%} to {reached['high']:.1%} elsewhere."
    )
    return {
        "positive": name,
        "target": {target.figure: target.share},
        "threshold": threshold,
        "rule": f"positive when p({name}) is the threshold or above; the {extreme} threshold that has a "
        f"{target.figure} of {target.share:g} or more on the validation part",
        "validation": {"images": len(truth), "positives": int(positive.sum()), **chosen},
        "warning": warning if len(of) < FEWEST else None,
    }


def measure_threshold(
    threshold: float, positive: int, truth: Labels, probabilities: Floats, groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the figures of calling positive what reaches a threshold, with bootstrap intervals.

    Parameters
    ----------
    threshold : float
    positive : int
        Number of the class that is looked for.
    truth : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, classes)
        Of other images than those that the threshold was chosen by.
    groups : sequence of str, length n, optional
        Images of one group are resampled together.

    Returns
    -------
    dict
        ``sensitivity``, ``specificity``, ``precision`` (positive predictive value),
        ``negative_predictive_value``, ``f1``, ``accuracy``, each as in
        `convstage.figures.all_figures`; ``confusion``: numbers of true and false
        positives and negatives.
    """
    actual = (truth == positive).astype(np.int64)
    called = (probabilities[:, positive] >= threshold).astype(np.int64)
    numbers = number_groups(groups, len(truth))
    points = decision_points(actual, called, 2)
    bounds = intervals(decisions(actual, called, 2), points, numbers, decision_trials(actual, called, 2, numbers))

    def of(name: str, place: int | None) -> dict[str, float] | None:
        return figure(points[name], bounds[name], place)

    counts = np.bincount(2 * actual + called, minlength=4).tolist()
    return {
        **{name: of(name, 1) for name in ("sensitivity", "specificity", "precision")},
        "negative_predictive_value": of("precision", 0),
        "f1": of("f1", 1),
        "accuracy": of("accuracy", None),
        "confusion": dict(
            zip(("true_negatives", "false_positives", "false_negatives", "true_positives"), counts, strict=True)
        ),
    }


def _share(hits: int, n: int) -> dict[str, float] | None:
    if not n:
        return None
    low, high = wilson(hits, n)
    return {"value": hits / n, "low": low, "high": high}

"""Figures of a classification, each with its bootstrap interval.

scikit-learn computes the figures; `weighted` computes them for every resample, and
`resampling` makes intervals of those. The tests hold both computations together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from .resampling import LEVEL, RESAMPLES, SEED, intervals, number_groups
from .weighted import class_mean, decisions, probability_figures, rankings

#: Figures of all images together, in the order they are told, and of each class.
OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
)
PER_CLASS = ("sensitivity", "specificity", "precision", "f1", "auroc", "average_precision")
#: What is computed under another name, because a figure of each class has it.
MEANS = {"auroc": "macro_auroc", "average_precision": "macro_average_precision"}

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def all_figures(
    truth: Labels, probabilities: Floats, classes: Sequence[str], groups: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the figures of a classification, of all images together and of each class.

    Parameters
    ----------
    truth : ndarray of int, shape (n,)
        Class number of every image.
    probabilities : ndarray, shape (n, classes)
    classes : sequence of str
        Names of the classes.
    groups : sequence of str, length n, optional
        Group of every image, such as its patient; images of one group are resampled
        together. Without it, every image stands for itself.

    Returns
    -------
    dict
        Every figure as ``{"value", "low", "high"}``; None where it is undefined, as the
        sensitivity for a class without images is. ``auroc`` and ``average_precision`` of
        a class are one against the rest; of all, they are means over classes, as
        ``balanced_accuracy`` (of sensitivity) and ``macro_f1`` are over the classes that
        have images. For ``brier`` and ``calibration_error``, see
        `convstage.weighted.probability_figures`.
    """
    size = len(classes)
    predicted = probabilities.argmax(axis=1)
    numbers = number_groups(groups, len(truth))
    decide = decisions(truth, predicted, size)
    rank = rankings(truth, probabilities)
    score = probability_figures(truth, probabilities)

    def figures(weights: Floats) -> dict[str, Floats]:
        return {**decide(weights), **_with_means(*rank(weights), class_mean), **score(weights)}

    once = np.ones((1, len(truth)))
    points = {
        **decision_points(truth, predicted, size),
        **_with_means(*_ranking_points(truth, probabilities), _mean),
        **{name: value[0] for name, value in score(once).items()},
    }
    trials = {**decision_trials(truth, predicted, size, numbers), **_ranking_trials(truth, size, numbers)}
    bounds = intervals(figures, points, numbers, trials)
    overall = {shown: MEANS.get(shown, shown) for shown in OVERALL}
    return {
        "images": len(truth),
        "groups": int(numbers.max()) + 1,
        **{shown: figure(points[name], bounds[name]) for shown, name in overall.items()},
        "per_class": {
            label: {
                "images": int((truth == k).sum()),
                **{name: figure(points[name], bounds[name], k) for name in PER_CLASS},
            }
            for k, label in enumerate(classes)
        },
        "confusion": metrics.confusion_matrix(truth, predicted, labels=list(range(size))).tolist(),
        "intervals": describe_intervals(numbers),
    }


def macro_auroc(truth: Labels, probabilities: Floats) -> tuple[float, Callable[[Floats], Floats]]:
    """Return the mean AUROC over classes, one against the rest, and a function from weights (m, n) to it, (m,)."""
    rank = rankings(truth, probabilities)
    auroc, _ = _ranking_points(truth, probabilities)
    return float(auroc.mean()), lambda weights: class_mean(rank(weights)[0])


def figure(value: Floats, bounds: tuple[Floats, Floats], place: int | None = None) -> dict[str, float] | None:
    """Return a figure and its interval as plain data, None where it is undefined; of several, the one at `place`."""
    numbers = [float(part if place is None else part[place]) for part in (value, *bounds)]
    return None if np.isnan(numbers[0]) else dict(zip(("value", "low", "high"), numbers, strict=True))


def describe_intervals(groups: Labels) -> str:
    """Return in words how the intervals were made."""
    count = int(groups.max()) + 1
    what = "the images" if count == len(groups) else f"the {count:,} groups of images"
    return f"{LEVEL:.0%} bootstrap intervals, bias-corrected, {RESAMPLES:,} resamples of {what}, seed {SEED}"


def decision_points(truth: Labels, predicted: Labels, size: int) -> dict[str, Floats]:
    """Return what `convstage.weighted.decisions` returns, unweighted, by scikit-learn."""
    numbers = list(range(size))
    present = np.unique(truth)
    undefined = {"labels": numbers, "average": None, "zero_division": np.nan}
    f1 = np.asarray(metrics.f1_score(truth, predicted, **undefined))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that are absent; here they become None
        balanced = metrics.balanced_accuracy_score(truth, predicted)
    others = [
        metrics.recall_score(truth != k, predicted != k, zero_division=np.nan) if (truth != k).any() else np.nan
        for k in numbers
    ]
    return {
        "sensitivity": np.asarray(metrics.recall_score(truth, predicted, **undefined)),
        "specificity": np.array(others, dtype=np.float64),
        "precision": np.asarray(metrics.precision_score(truth, predicted, **undefined)),
        "f1": f1,
        "accuracy": np.asarray(metrics.accuracy_score(truth, predicted)),
        "balanced_accuracy": np.asarray(balanced),
        "macro_f1": f1[present].mean(),
    }


def decision_trials(truth: Labels, predicted: Labels, size: int, groups: Labels) -> dict[str, Floats]:
    """Return how many independent images stand behind each of `decision_points`; see `resampling`."""
    images = np.array([independent(groups[truth == k]) for k in range(size)], dtype=np.float64)
    least = images[np.unique(truth)].min()
    return {
        "sensitivity": images,
        "specificity": np.array([independent(groups[truth != k]) for k in range(size)], dtype=np.float64),
        "precision": np.array([independent(groups[predicted == k]) for k in range(size)], dtype=np.float64),
        "f1": images,
        "accuracy": np.asarray(float(independent(groups))),
        "balanced_accuracy": least,
        "macro_f1": least,
    }


def independent(groups: Labels) -> int:
    """Return how many groups there are."""
    return len(np.unique(groups))


def _ranking_points(truth: Labels, probabilities: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and average precision of each class, NaN where it has no images or all of them."""
    pairs = [
        (metrics.roc_auc_score(of, scores), metrics.average_precision_score(of, scores))
        if of.any() and not of.all()
        else (np.nan, np.nan)
        for of, scores in ((truth == k, scores) for k, scores in enumerate(probabilities.T))
    ]
    auroc, precision = np.array(pairs, dtype=np.float64).T
    return auroc, precision


def auroc_trials(truth: Labels, size: int, groups: Labels) -> Floats:
    """Return how many independent images stand behind the AUROC of each class: of it or of the rest, the fewer."""
    sides = [[independent(groups[(truth == k) == side]) for side in (True, False)] for k in range(size)]
    return np.asarray(np.array(sides, dtype=np.float64).min(axis=1))


def _ranking_trials(truth: Labels, size: int, groups: Labels) -> dict[str, Floats]:
    positives = np.array([independent(groups[truth == k]) for k in range(size)], dtype=np.float64)
    return _with_means(auroc_trials(truth, size, groups), positives, _least)


def _with_means(auroc: Floats, precision: Floats, of_all: Callable[[Floats], Floats]) -> dict[str, Floats]:
    """Return figures of each class, and of all, under their names."""
    return {
        "auroc": auroc,
        "average_precision": precision,
        MEANS["auroc"]: of_all(auroc),
        MEANS["average_precision"]: of_all(precision),
    }


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean())


def _least(values: Floats) -> Floats:
    return np.asarray(values.min())

"""Figures of a classification, each with its bootstrap interval.

scikit-learn computes the figures. The intervals come from resampling the images
(Efron 1979, percentile method): a resample is a vector of counts, one per image, and
every figure is a sum weighted with them, so that thousands of resamples are a few
matrix products. The tests hold both computations together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

#: Resamples, level and seed of the intervals.
RESAMPLES, LEVEL, SEED = 2000, 0.95, 0

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
#: Weights of shape (resamples, images) -> the figure of every resample; NaN where it has none.
Weighted = Callable[[Floats], Floats]


def all_figures(truth: Labels, probabilities: Floats, classes: Sequence[str]) -> dict[str, Any]:
    """Return accuracy, balanced accuracy, AUROC; sensitivity, specificity and AUROC of each class.

    Parameters
    ----------
    truth : ndarray of int, shape (n,)
        Class number of every image.
    probabilities : ndarray, shape (n, classes)
    classes : sequence of str
        Names of the classes.

    Returns
    -------
    dict
        Every figure as ``{"value", "low", "high"}``; None where it is undefined, as the
        sensitivity for a class without images is. The AUROC of a class is one against
        the rest, the AUROC of all the mean over classes (for two classes they are one).
    """
    predicted = probabilities.argmax(axis=1)
    numbers = range(len(classes))
    present = np.unique(truth)
    hits = predicted == truth

    points: dict[str, float] = {"accuracy": float(metrics.accuracy_score(truth, predicted))}
    weighted: dict[str, Weighted] = {"accuracy": _share(np.ones(len(truth), bool), hits)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that are absent; here they become None
        points["balanced_accuracy"] = float(metrics.balanced_accuracy_score(truth, predicted))
        recalls = metrics.recall_score(truth, predicted, labels=list(numbers), average=None, zero_division=np.nan)
        rejections = [
            metrics.recall_score(truth != k, predicted != k, zero_division=np.nan) if len(truth) else np.nan
            for k in numbers
        ]
    weighted["balanced_accuracy"] = _mean([_share(truth == k, hits) for k in present])
    for k in numbers:
        points[f"sensitivity {k}"], points[f"specificity {k}"] = float(recalls[k]), float(rejections[k])
        weighted[f"sensitivity {k}"] = _share(truth == k, hits)
        weighted[f"specificity {k}"] = _share(truth != k, predicted != k)
        both = 0 < (truth == k).sum() < len(truth)
        points[f"auroc {k}"] = float(metrics.roc_auc_score(truth == k, probabilities[:, k])) if both else np.nan
        weighted[f"auroc {k}"] = _auroc(truth == k, probabilities[:, k])
    points["auroc"] = float(np.mean([points[f"auroc {k}"] for k in numbers]))
    weighted["auroc"] = _mean([weighted[f"auroc {k}"] for k in numbers])

    bounds = _bounds(weighted, len(truth))
    figures = {name: _figure(points[name], bounds[name]) for name in points}
    return {
        "images": len(truth),
        **{name: figures[name] for name in ("accuracy", "balanced_accuracy", "auroc")},
        "per_class": {
            name: {
                "images": int((truth == k).sum()),
                **{figure: figures[f"{figure} {k}"] for figure in ("sensitivity", "specificity", "auroc")},
            }
            for k, name in enumerate(classes)
        },
        "confusion": metrics.confusion_matrix(truth, predicted, labels=list(numbers)).tolist(),
        "intervals": f"{LEVEL:.0%} bootstrap percentile intervals, {RESAMPLES} resamples of the images, seed {SEED}",
    }


def _figure(value: float, bounds: tuple[float, float]) -> dict[str, float] | None:
    return None if np.isnan(value) else {"value": value, "low": bounds[0], "high": bounds[1]}


def _bounds(weighted: dict[str, Weighted], n: int) -> dict[str, tuple[float, float]]:
    drawn = [{name: figure(weights) for name, figure in weighted.items()} for weights in _resamples(n)]
    bounds: dict[str, tuple[float, float]] = {}
    for name in weighted:
        values = np.concatenate([part[name] for part in drawn])
        values = values[~np.isnan(values)]  # a resample without an image of the class says nothing
        tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        low, high = np.quantile(values, tails) if len(values) else (np.nan, np.nan)
        bounds[name] = (float(low), float(high))
    return bounds


def _resamples(n: int) -> Iterator[Floats]:
    """Yield the resamples' weights in blocks whose memory does not grow with `n`."""
    random = np.random.default_rng(SEED)
    block = max(1, 2_000_000 // n)
    for start in range(0, RESAMPLES, block):
        count = min(block, RESAMPLES - start)
        yield random.multinomial(n, np.full(n, 1 / n), size=count).astype(np.float64)


def _share(of: npt.NDArray[np.bool_], hits: npt.NDArray[np.bool_]) -> Weighted:
    """Share of the hits among the images of `of`."""

    def share(weights: Floats) -> Floats:
        return _divide(weights @ (of & hits), weights @ of)

    return share


def _mean(parts: list[Weighted]) -> Weighted:
    return lambda weights: np.asarray(np.mean([part(weights) for part in parts], axis=0))


def _auroc(positive: npt.NDArray[np.bool_], scores: Floats) -> Weighted:
    """Share of pairs (a positive, a negative) in which the positive has the higher score; a tie counts half."""
    order = np.argsort(scores, kind="stable")
    positive = positive[order]
    first_of_tie = np.flatnonzero(np.r_[True, np.diff(scores[order]) > 0])

    def auroc(weights: Floats) -> Floats:
        sorted_weights = weights[:, order]
        negatives = np.add.reduceat(sorted_weights * ~positive, first_of_tie, axis=1)
        positives = np.add.reduceat(sorted_weights * positive, first_of_tie, axis=1)
        below = np.cumsum(negatives, axis=1) - negatives
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        return _divide((positives * (below + 0.5 * negatives)).sum(axis=1), pairs)

    return auroc


def _divide(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.full_like(a, np.nan, dtype=np.float64), where=b > 0)

"""Figures of weighted images, for many weightings at once: what the bootstrap needs, and scikit-learn has not.

Weights are of shape (m, n): m weightings of n images. scikit-learn computes each of these
figures for one weighting; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

#: Bins of the calibration error.
BINS = 10

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


def sums(labels: Labels, size: int) -> Callable[[Floats], Floats]:
    """Return a function from weights (m, n) to their sums per label, (m, size): `numpy.bincount`, m times."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)

    def per_label(weights: Floats) -> Floats:
        result = np.zeros((len(weights), size))
        if len(present):
            result[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
        return result

    return per_label


def decisions(truth: Labels, predicted: Labels, size: int) -> Callable[[Floats], dict[str, Floats]]:
    """Return a function from weights to sensitivity, specificity, precision and F1 of each class, and more.

    Of each class, shape (m, size): ``sensitivity``, ``specificity``, ``precision``, ``f1``. Of all, shape
    (m,): ``accuracy``; and ``balanced_accuracy``, ``macro_f1``, means over the classes that have images of some weight.
    """
    hits = truth == predicted
    of_truth, of_prediction = sums(truth, size), sums(predicted, size)
    of_hits = sums(truth[hits], size)

    def figures(weights: Floats) -> dict[str, Floats]:
        images, guessed, right = of_truth(weights), of_prediction(weights), of_hits(weights[:, hits])
        total = images.sum(axis=1, keepdims=True)
        sensitivity, f1 = divide(right, images), divide(2 * right, images + guessed)
        return {
            "sensitivity": sensitivity,
            "specificity": divide(total - images - guessed + right, total - images),
            "precision": divide(right, guessed),
            "f1": f1,
            "accuracy": right.sum(axis=1) / total[:, 0],
            "balanced_accuracy": class_mean(sensitivity),
            "macro_f1": class_mean(np.where(images > 0, f1, np.nan)),
        }

    return figures


def ranking(positive: Booleans, scores: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from weights to AUROC and average precision, each of shape (m,).

    The AUROC is the share of pairs (a positive, a negative) in which the positive has the
    higher score; a tie counts half (Hanley and McNeil 1982). The average precision is the
    mean over positives of the precision at their own score. Both are sums over positives
    of what lies below, level with, or above them.
    """
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    places = np.flatnonzero(positive[order])
    # Where the scores level with each positive begin and end, among all images and among the positives.
    begin, end = (np.searchsorted(ordered, ordered[places], side) for side in ("left", "right"))
    first, last = (np.searchsorted(ordered[places], ordered[places], side) for side in ("left", "right"))

    def figures(weights: Floats) -> tuple[Floats, Floats]:
        weights = weights[:, order]
        own = weights[:, places]
        all_below, positives_below = _cumulated(weights), _cumulated(own)
        total, positives = all_below[:, -1], positives_below[:, -1]
        # In place: these are the largest arrays of an evaluation.
        below = all_below[:, begin] - positives_below[:, first]
        precision = divide(positives[:, None] - positives_below[:, first], total[:, None] - all_below[:, begin])
        level = all_below[:, end] - positives_below[:, last] - below
        auroc = divide((own * (below + level / 2)).sum(axis=1), positives * (total - positives))
        return auroc, divide((own * np.nan_to_num(precision)).sum(axis=1), positives)

    return figures


def rankings(truth: Labels, probabilities: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return a function from weights to `ranking` of each class against the rest, both of shape (m, classes)."""
    of_classes = [ranking(truth == k, scores) for k, scores in enumerate(probabilities.T)]

    def figures(weights: Floats) -> tuple[Floats, Floats]:
        auroc, precision = np.moveaxis(np.array([of_class(weights) for of_class in of_classes]), 0, -1)
        return auroc, precision

    return figures


def class_mean(values: Floats) -> Floats:
    """Return the mean over the classes, the last axis, that have a value; NaN where none has.

    A resample may be without a rare class. With many classes of few images nearly every one
    is without some, and were it left out for that, no resample would remain.
    """
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def _cumulated(weights: Floats) -> Floats:
    """Return cumulative sums with a zero before them."""
    result = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=result[:, 1:])
    return result


def probability_figures(truth: Labels, probabilities: Floats) -> Callable[[Floats], dict[str, Floats]]:
    """Return a function from weights to Brier score and expected calibration error, each of shape (m,).

    ``brier`` is the mean over images of the squared distance between the probabilities and
    the truth, summed over classes (Brier 1950): 0 is perfect, 2 the worst. ``calibration_error``
    is the mean distance between the probability of the prediction and the share of
    predictions that are right, over `BINS` bins (Naeini et al. 2015, Guo et al. 2017) of
    nearly equally many images (Nguyen and O'Connor 2015); equal probabilities share a bin.
    """
    size = probabilities.shape[1]
    loss = ((probabilities - np.eye(size)[truth]) ** 2).sum(axis=1)
    confidence = probabilities.max(axis=1)
    excess = confidence - (probabilities.argmax(axis=1) == truth)
    per_bin = sums(confidence_bins(confidence), BINS)

    def figures(weights: Floats) -> dict[str, Floats]:
        total = weights.sum(axis=1)
        error = np.abs(per_bin(weights * excess)).sum(axis=1)
        return {"brier": weights @ loss / total, "calibration_error": error / total}

    return figures


def confidence_bins(confidence: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of every prediction, by its probability: `BINS` of nearly equally many, equal ones together."""
    edges = np.unique(np.quantile(confidence, np.arange(1, BINS) / BINS))
    return np.asarray(np.searchsorted(edges, confidence, side="right"), np.int64)


def divide(a: Floats, b: Floats) -> Floats:
    """Return a/b, NaN where b is 0."""
    result = np.full(np.broadcast(a, b).shape, np.nan)
    np.divide(a, b, out=result, where=b > 0)
    return result

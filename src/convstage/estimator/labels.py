"""Labels and weights, as scikit-learn has them, in the numbers that training needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from ..errors import ConfigError, DataError
from ..text import cut

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Labelled:
    """What is known of images beside their pixels.

    Attributes
    ----------
    classes : ndarray, shape (k,)
        The different labels, sorted, of images whose weight is not zero.
    labels : ndarray of int, shape (n,)
        Where each image's label is among them; without meaning where the weight is zero.
    weights : ndarray of float, shape (n,)
        What each image's loss is multiplied by.
    """

    classes: Array
    labels: npt.NDArray[np.int64]
    weights: Floats


def labelled(y: Array, images: Array, sample_weight: Any, class_weight: Any) -> Labelled:
    """Return labels as numbers, and weights.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Labels.
    images : ndarray, shape (n, …)
    sample_weight, class_weight
        As `ConvNetClassifier` takes them.

    Raises
    ------
    ValueError
        Labels or weights that scikit-learn refuses.
    DataError
        Fewer than two classes that count, or negative weights.
    ConfigError
        Weights of classes that are none.
    """
    check_classification_targets(y)
    weights = _sample_weights(sample_weight, images)
    counted = weights > 0
    classes, numbers = np.unique(y[counted], return_inverse=True)
    if len(classes) < 2:
        only = " where the weights are not zero" if not counted.all() else ""
        raise DataError(
            f"y has one class only{only}, {cut(str(classes[0]))}.\n"
            "A classifier needs two classes or more to tell apart."
        )
    sums = np.bincount(numbers, weights[counted]).astype(np.float64)
    weights[counted] *= _class_weights(class_weight, classes, sums, y[counted])[numbers]
    labels = np.zeros(len(y), np.int64)
    labels[counted] = numbers
    return Labelled(classes, labels, weights)


def _sample_weights(given: Any, images: Array) -> Floats:
    weights = np.array(_check_sample_weight(given, images, dtype=np.float64))  # a copy: it will be changed
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise DataError(f"sample_weight[{row}] is {weights[row]:g}, which is negative.\nWeights are 0 or more.")
    if not weights.any():
        raise DataError("the sample weights are all zero.\nImages of at least two classes must count.")
    return weights


def _class_weights(given: Any, classes: Array, sums: Floats, y: Array) -> Floats:
    """Return the factor of each class; `sums` are the sample weights of each."""
    if isinstance(given, str) and given == "balanced":
        # sklearn's own, before 1.7, knows nothing of sample weights.
        return np.asarray(sums.sum() / (len(classes) * sums))
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f'class_weight = {cut(repr(given))}: expected a dict of label to weight, "balanced" or None.')
    factors = np.asarray(compute_class_weight(None if given is None else dict(given), classes=classes, y=y), float)
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise ConfigError(f"class_weight = {cut(repr(given))}: expected weights that are finite, and above 0.")
    return factors

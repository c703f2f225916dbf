"""Each figure of weighted images is scikit-learn's, for every weighting of many at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from convstage.weighted import BINS, decisions, probability_figures, ranking, sums
from support.figures import random_case, random_weights

SEEDS = st.integers(0, 10_000)


@given(SEEDS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_auroc_and_average_precision(seed: int, ties: bool) -> None:
    truth, scores = random_case(seed, ties=ties)
    weights = random_weights(seed, len(truth))
    auroc, precision = ranking(truth == 0, scores[:, 0])(weights)
    for row, weight in enumerate(weights):
        if weight[truth == 0].sum() and weight[truth != 0].sum():
            of = {"y_true": truth == 0, "y_score": scores[:, 0], "sample_weight": weight}
            assert auroc[row] == pytest.approx(metrics.roc_auc_score(**of))
            assert precision[row] == pytest.approx(metrics.average_precision_score(**of))


@given(SEEDS, st.integers(2, 5))
@settings(max_examples=15, deadline=None)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_decisions(seed: int, classes: int) -> None:
    truth, scores = random_case(seed, classes=classes)
    predicted = scores.argmax(1)
    weights = random_weights(seed, len(truth), rows=2)
    got = decisions(truth, predicted, classes)(weights)
    of_class = {
        "sensitivity": metrics.recall_score,
        "precision": metrics.precision_score,
        "f1": metrics.f1_score,
    }
    for row, weight in enumerate(weights):
        each = {"labels": list(range(classes)), "average": None, "zero_division": np.nan, "sample_weight": weight}
        for name, score in of_class.items():
            np.testing.assert_allclose(got[name][row], score(truth, predicted, **each))
        for k in range(classes):
            rejected = metrics.recall_score(truth != k, predicted != k, sample_weight=weight, zero_division=np.nan)
            assert got["specificity"][row, k] == pytest.approx(rejected, nan_ok=True)
        assert got["accuracy"][row] == pytest.approx(metrics.accuracy_score(truth, predicted, sample_weight=weight))
        if all(weight[truth == k].sum() for k in range(classes)):
            balanced = metrics.balanced_accuracy_score(truth, predicted, sample_weight=weight)
            assert got["balanced_accuracy"][row] == pytest.approx(balanced)
            macro = metrics.f1_score(truth, predicted, average="macro", sample_weight=weight)
            assert got["macro_f1"][row] == pytest.approx(macro)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_brier_score(seed: int) -> None:
    truth, probabilities = random_case(seed, classes=3)
    weights = random_weights(seed, len(truth))
    got = probability_figures(truth, probabilities)(weights)["brier"]
    squared = (probabilities - np.eye(3)[truth]) ** 2
    np.testing.assert_allclose(got, np.average(squared.sum(axis=1)[None].repeat(5, 0), axis=1, weights=weights))
    # Of two classes, half of it is scikit-learn's.
    truth, probabilities = random_case(seed, classes=2)
    half = metrics.brier_score_loss(truth, probabilities[:, 1])
    assert probability_figures(truth, probabilities)(np.ones((1, len(truth))))["brier"][0] / 2 == pytest.approx(half)


def test_the_calibration_error_by_hand() -> None:
    """Ten bins of ten images: confidences 0.55, 0.59, …, and right as often as each bin's number says."""
    confidence = np.repeat(0.55 + 0.04 * np.arange(BINS), 10)
    right = np.array([place < number for number in range(BINS) for place in range(10)])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    expected = np.mean([abs(0.55 + 0.04 * number - number / 10) for number in range(BINS)])
    got = probability_figures(np.where(right, 0, 1), probabilities)(np.ones((1, 100)))
    assert got["calibration_error"][0] == pytest.approx(expected)


def test_the_calibration_error_does_not_depend_on_the_order_of_ties() -> None:
    confidence = np.array([0.9] * 30 + [0.6] * 10)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    truth = np.array([0] * 20 + [1] * 20)
    order = np.random.default_rng(0).permutation(40)
    weights = np.ones((1, 40))
    one = probability_figures(truth, probabilities)(weights)
    other = probability_figures(truth[order], probabilities[order])(weights)
    assert one["calibration_error"] == pytest.approx(other["calibration_error"])
    assert one["calibration_error"][0] == pytest.approx((30 * abs(0.9 - 20 / 30) + 10 * 0.6) / 40)


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_sums_are_bincounts(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 6, 20)
    weights = random.random((3, 20))
    expected = [np.bincount(labels, weights=weight, minlength=8) for weight in weights]
    np.testing.assert_allclose(sums(labels, 8)(weights), expected)


def test_no_positives_have_no_ranking() -> None:
    auroc, precision = ranking(np.zeros(4, bool), np.arange(4.0))(np.ones((2, 4)))
    assert np.isnan(auroc).all()
    assert np.isnan(precision).all()

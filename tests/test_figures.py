import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from convstage import figures
from convstage.figures import _auroc, _share, all_figures


def random_case(seed: int, n: int = 60, classes: int = 3, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.r_[np.arange(classes), random.integers(0, classes, n - classes)]
    scores = random.random((n, classes)) + 0.5 * np.eye(classes)[truth]
    if ties:
        scores = np.round(scores, 1) + 0.1
    return truth, scores / scores.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_weighted_auroc_is_scikit_learns(seed: int, ties: bool) -> None:
    truth, scores = random_case(seed, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 4, (5, len(truth))).astype(float)
    got = _auroc(truth == 0, scores[:, 0])(weights)
    for value, weight in zip(got, weights, strict=True):
        if weight[truth == 0].sum() and weight[truth != 0].sum():
            assert value == pytest.approx(metrics.roc_auc_score(truth == 0, scores[:, 0], sample_weight=weight))


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_the_weighted_share_is_scikit_learns_recall(seed: int) -> None:
    truth, scores = random_case(seed)
    predicted = scores.argmax(1)
    weights = np.random.default_rng(seed).integers(0, 4, (5, len(truth))).astype(float)
    got = _share(truth == 1, predicted == truth)(weights)
    for value, weight in zip(got, weights, strict=True):
        if weight[truth == 1].sum():
            assert value == pytest.approx(metrics.recall_score(truth == 1, predicted == 1, sample_weight=weight))


def test_figures_by_hand() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    second = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.4])
    result = all_figures(truth, np.stack([1 - second, second], 1), ["healthy", "corona"])
    assert result["confusion"] == [[3, 1], [1, 1]]
    assert result["accuracy"]["value"] == pytest.approx(4 / 6)
    assert result["balanced_accuracy"]["value"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    corona, healthy = result["per_class"]["corona"], result["per_class"]["healthy"]
    assert (corona["sensitivity"]["value"], corona["specificity"]["value"]) == (0.5, 0.75)
    assert healthy["sensitivity"]["value"] == corona["specificity"]["value"]
    # Of the 8 pairs (corona, healthy) the corona image scores higher in 6.
    assert corona["auroc"]["value"] == pytest.approx(6 / 8)
    assert result["auroc"]["value"] == pytest.approx(6 / 8)


def test_intervals_hold_the_value_and_are_reproducible() -> None:
    case = random_case(1, n=200)
    result = all_figures(*case, ["a", "b", "c"])
    assert result == all_figures(*case, ["a", "b", "c"])
    for figure in (result["accuracy"], result["auroc"], *(row["sensitivity"] for row in result["per_class"].values())):
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["low"] < figure["high"]


def test_the_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    guess = np.where(random.random(400) < 0.8, truth, 1 - truth)
    result = all_figures(truth, np.eye(2)[guess], ["a", "b"])
    share = result["accuracy"]["value"]
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 400)
    assert result["accuracy"]["high"] - result["accuracy"]["low"] == pytest.approx(expected, rel=0.1)


def test_blocks_of_resamples_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.concatenate(list(figures._resamples(50)))
    assert drawn.shape == (figures.RESAMPLES, 50)
    assert (drawn.sum(axis=1) == 50).all()
    assert abs(drawn.mean() - 1) < 1e-12


def test_a_class_without_images_has_no_sensitivity() -> None:
    truth = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = all_figures(truth, probabilities, ["a", "b", "c"])
    absent = result["per_class"]["c"]
    assert (absent["images"], absent["sensitivity"], absent["auroc"]) == (0, None, None)
    assert absent["specificity"]["value"] == 0.75
    assert result["balanced_accuracy"]["value"] == 0.75
    assert result["auroc"] is None


def test_images_of_one_class_only() -> None:
    result = all_figures(np.array([1, 1, 1]), np.array([[0.2, 0.8], [0.9, 0.1], [0.3, 0.7]]), ["a", "b"])
    assert result["accuracy"]["value"] == pytest.approx(2 / 3)
    assert result["per_class"]["b"]["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert result["per_class"]["b"]["specificity"] is None
    assert result["auroc"] is None


@given(st.integers(0, 10_000), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_points_are_scikit_learns(seed: int, classes: int) -> None:
    truth, probabilities = random_case(seed, classes=classes)
    predicted = probabilities.argmax(1)
    result = all_figures(truth, probabilities, [f"c{k}" for k in range(classes)])
    assert result["accuracy"]["value"] == metrics.accuracy_score(truth, predicted)
    assert result["balanced_accuracy"]["value"] == metrics.balanced_accuracy_score(truth, predicted)
    for k in range(classes):
        row = result["per_class"][f"c{k}"]
        table = metrics.confusion_matrix(truth == k, predicted == k)
        assert row["specificity"]["value"] == pytest.approx(table[0, 0] / table[0].sum())

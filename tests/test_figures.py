import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from convstage.figures import OVERALL, PER_CLASS, all_figures
from support.figures import random_case


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


def test_images_of_one_group_are_resampled_together() -> None:
    truth, probabilities = random_case(2, n=50)
    once = all_figures(truth, probabilities, ["a", "b", "c"])
    groups = [f"patient {number}" for number in range(50)]
    again = all_figures(np.tile(truth, 3), np.tile(probabilities, (3, 1)), ["a", "b", "c"], groups * 3)
    assert (again["images"], again["groups"]) == (150, 50)
    assert "resamples of the 50 groups of images" in again["intervals"]
    assert "resamples of the images" in once["intervals"]
    for name in ("accuracy", "macro_f1", "auroc", "average_precision", "brier"):
        assert again[name]["value"] == pytest.approx(once[name]["value"])
        # The groups are numbered by name, so that other ones are drawn: the same up to the luck of the draw.
        width = once[name]["high"] - once[name]["low"]
        assert again[name]["low"] == pytest.approx(once[name]["low"], abs=0.15 * width)
        assert again[name]["high"] == pytest.approx(once[name]["high"], abs=0.15 * width)


def test_right_about_few_images_is_no_proof() -> None:
    """All right, about 8 and 5 images: the bootstrap alone would say 100% (100-100)."""
    truth = np.repeat([0, 1], [8, 5])
    result = all_figures(truth, np.eye(2)[truth] * 0.8 + 0.1, ["a", "b"])
    assert result["per_class"]["a"]["sensitivity"]["low"] == pytest.approx(0.025 ** (1 / 8))
    assert result["per_class"]["a"]["specificity"]["low"] == pytest.approx(0.025 ** (1 / 5))
    assert result["auroc"] == {"value": 1.0, "low": pytest.approx(0.025 ** (1 / 5)), "high": 1.0}
    assert result["accuracy"]["low"] == pytest.approx(0.025 ** (1 / 13))
    patients = ["x"] * 8 + ["y"] * 5
    assert all_figures(truth, np.eye(2)[truth], ["a", "b"], patients)["accuracy"]["low"] == pytest.approx(0.025**0.5)


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
@settings(max_examples=15, deadline=None)
def test_points_are_scikit_learns(seed: int, classes: int) -> None:
    truth, probabilities = random_case(seed, classes=classes)
    predicted = probabilities.argmax(1)
    result = all_figures(truth, probabilities, [f"c{k}" for k in range(classes)])
    assert result["accuracy"]["value"] == metrics.accuracy_score(truth, predicted)
    assert result["balanced_accuracy"]["value"] == metrics.balanced_accuracy_score(truth, predicted)
    assert result["macro_f1"]["value"] == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    each = [row["auroc"]["value"] for row in result["per_class"].values()]
    assert result["auroc"]["value"] == pytest.approx(np.mean(each))
    for k in range(classes):
        row = result["per_class"][f"c{k}"]
        table = metrics.confusion_matrix(truth == k, predicted == k)
        assert row["specificity"]["value"] == pytest.approx(table[0, 0] / table[0].sum())
        precision = metrics.average_precision_score(truth == k, probabilities[:, k])
        assert row["average_precision"]["value"] == pytest.approx(precision)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=15, deadline=None)
def test_every_interval_holds_its_figure(seed: int, ties: bool) -> None:
    truth, probabilities = random_case(seed, n=25, ties=ties, skill=3 if seed % 2 else 0.5)
    result = all_figures(truth, probabilities, ["a", "b", "c"])
    every = [result[name] for name in OVERALL] + [
        row[name] for row in result["per_class"].values() for name in PER_CLASS
    ]
    for figure in every:
        assert figure is None or figure["low"] <= figure["value"] <= figure["high"]


def test_many_classes_of_one_image_each_have_intervals() -> None:
    """Hardly any resample has an image of every class."""
    classes = [f"class {k}" for k in range(60)]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(60), 60)
    found = all_figures(np.arange(60), probabilities, classes)
    json.dumps(found, allow_nan=False)
    for name in ("balanced_accuracy", "macro_f1", "auroc", "average_precision"):
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert 0.35 < found["auroc"]["low"] < 0.5 < found["auroc"]["high"] < 0.65

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from convstage import ConfigError, DataError
from convstage.operating import Target, choose_threshold, make_target, measure_threshold

CLASSES = ["healthy", "corona"]


def two_classes(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.r_[0, 1, random.integers(0, 2, n - 2)]
    score = np.round(np.clip(random.normal(0.3 + 0.3 * truth, 0.2), 0, 1), 2)
    return truth, np.stack([1 - score, score], axis=1)


@given(st.integers(0, 10_000), st.floats(0.01, 1), st.sampled_from(["sensitivity", "specificity"]))
@settings(max_examples=200, deadline=None)
def test_the_threshold_reaches_the_target_and_the_next_one_does_not(seed: int, share: float, figure: str) -> None:
    truth, probabilities = two_classes(seed)
    point = choose_threshold(Target(figure, share, 1), truth, probabilities, CLASSES)
    scores, threshold = probabilities[:, 1], point["threshold"]

    def reached(threshold: float) -> float:
        called = scores >= threshold
        return (called[truth == 1] if figure == "sensitivity" else ~called[truth == 0]).mean()

    assert reached(threshold) == point["validation"][figure]["value"] >= share - 1e-9
    beyond = np.nextafter(threshold, 2) if figure == "sensitivity" else np.nextafter(threshold, -1)
    assert reached(beyond) < share


def test_the_threshold_by_hand() -> None:
    truth = np.array([0] * 5 + [1] * 4)
    second = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.35, 0.5, 0.7, 0.8])
    point = choose_threshold(Target("sensitivity", 0.75, 1), truth, np.stack([1 - second, second], 1), CLASSES)
    assert (point["positive"], point["target"], point["threshold"]) == ("corona", {"sensitivity": 0.75}, 0.5)
    assert point["rule"].startswith("positive when p(corona) is the threshold or above; the largest threshold")
    validation = point["validation"]
    assert (validation["images"], validation["positives"]) == (9, 4)
    assert (validation["sensitivity"]["value"], validation["specificity"]["value"]) == (0.75, 0.8)
    assert point["warning"].startswith("the validation part has 4 positives only: ")
    assert "may have one of 30.1% to 95.4% elsewhere" in point["warning"]


def test_enough_images_to_choose_by_need_no_warning() -> None:
    truth, probabilities = two_classes(0, n=200)
    assert choose_threshold(Target("sensitivity", 0.95, 1), truth, probabilities, CLASSES)["warning"] is None


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_the_figures_at_a_threshold_are_scikit_learns(seed: int, threshold: float) -> None:
    truth, probabilities = two_classes(seed)
    called = probabilities[:, 1] >= threshold
    result = measure_threshold(threshold, 1, truth, probabilities)
    assert result["sensitivity"]["value"] == metrics.recall_score(truth, called)
    assert result["specificity"]["value"] == metrics.recall_score(truth == 0, ~called)
    assert result["f1"]["value"] == pytest.approx(metrics.f1_score(truth, called))
    assert (result["precision"] is None) == (not called.any())
    counts = result["confusion"]
    if called.any():
        positives = counts["true_positives"] + counts["false_positives"]
        assert result["precision"]["value"] == pytest.approx(counts["true_positives"] / positives)
    if not called.all():
        negatives = counts["true_negatives"] + counts["false_negatives"]
        assert result["negative_predictive_value"]["value"] == pytest.approx(counts["true_negatives"] / negatives)
    assert sum(counts.values()) == 60
    for name in ("sensitivity", "specificity", "accuracy"):
        assert result[name]["low"] <= result[name]["value"] <= result[name]["high"]


def test_groups_widen_the_intervals() -> None:
    truth, probabilities = two_classes(3, n=40)
    truth, probabilities = np.repeat(truth, 4), np.repeat(probabilities, 4, axis=0)
    alone = measure_threshold(0.5, 1, truth, probabilities)["accuracy"]
    grouped = measure_threshold(0.5, 1, truth, probabilities, [str(row // 4) for row in range(160)])["accuracy"]
    assert grouped["value"] == alone["value"]
    assert grouped["high"] - grouped["low"] > 1.6 * (alone["high"] - alone["low"])


def test_what_is_asked_for() -> None:
    assert make_target(None, None, None, CLASSES) is None
    assert make_target(0.95, None, None, CLASSES) == Target("sensitivity", 0.95, 1)
    assert make_target(None, 0.9, "healthy", CLASSES) == Target("specificity", 0.9, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.9, 0.9, None), "sensitivity and specificity cannot both be chosen"),
        ((95, None, None), "sensitivity = 95: it must be above 0 and at most 1, such as 0.95."),
        ((None, 0, None), "specificity = 0: it must be above 0"),
        ((0.9, None, "covid"), "there is no class 'covid'.\nThe network knows healthy, corona, pneumonia."),
        ((0.9, None, None), "with 3 classes it must be said which one is looked for.\nGive --positive, one of healthy"),
        ((None, None, "corona"), "a positive class needs an operating point.\nGive --sensitivity or --specificity"),
    ],
)
def test_what_cannot_be_asked_for(arguments, message) -> None:
    with pytest.raises(ConfigError) as caught:
        make_target(*arguments, [*CLASSES, "pneumonia"])
    assert message in str(caught.value)


def test_a_validation_part_without_positives_is_refused() -> None:
    truth, probabilities = np.zeros(5, int), np.full((5, 2), 0.5)
    with pytest.raises(DataError, match="has no image of class corona; no sensitivity can be chosen by it"):
        choose_threshold(Target("sensitivity", 0.9, 1), truth, probabilities, CLASSES)
    with pytest.raises(DataError, match="has no image of another class than corona; no specificity"):
        choose_threshold(Target("specificity", 0.9, 1), truth + 1, probabilities, CLASSES)

import json

import numpy as np
import pytest

from convstage.verdict import Verdict, verdict
from support.figures import random_case

CLASSES = ["healthy", "corona"]


def judged(network: float, shortcut: float | None, n: int = 200, **more) -> Verdict:
    """Return the verdict on a network and a shortcut that know so much of the classes."""
    truth, probabilities = random_case(0, n=n, classes=2, skill=network)
    other = None
    if shortcut is not None:
        scores = np.random.default_rng(9).random((n, 2)) + shortcut * np.eye(2)[truth]
        other = scores / scores.sum(axis=1, keepdims=True)
    return verdict(truth, probabilities, other, CLASSES, **more)


def test_a_network_far_above_the_shortcut() -> None:
    result = judged(1.5, 0.3, cue="the border strip")
    assert result.conclusion == "clearly exceeds"
    assert result.difference["low"] > 0
    assert result.shortcut["low"] > 0.5
    assert "But the border strip alone tells the classes apart better than chance" in result.words
    assert "unless" not in result.words


def test_where_no_cue_says_anything() -> None:
    result = judged(1.5, 0.0)
    assert result.conclusion == "clearly exceeds"
    assert result.words == "The network clearly exceeds the shortcut. No cue clearly gives the classes away."


def test_a_network_that_is_no_better_than_the_shortcut() -> None:
    result = judged(1.0, 1.0, cue="the image size")
    assert result.conclusion == "does not clearly exceed"
    assert (
        "What it has learned may be the source of the images: the image size alone does as well, or nearly."
        in result.words
    )


@pytest.mark.parametrize("skill", [1.0, 3.0])
def test_a_cue_in_the_picture_may_be_the_object(skill: float) -> None:
    words = judged(skill, 1.0, cue="the border strip", in_picture=True).words
    assert "may be the source of the images, unless what the classes differ in reaches there" in words


def test_a_network_that_has_learned_nothing() -> None:
    result = judged(0.0, 0.0, n=1000)
    assert result.conclusion == "does not clearly exceed"
    assert result.words.endswith("and neither does the network tell them apart.")


def test_a_perfect_shortcut_is_not_exceeded() -> None:
    result = judged(9, 9)
    assert (result.network["value"], result.shortcut["value"]) == (1, 1)
    assert result.conclusion == "does not clearly exceed"


def test_few_images_conclude_nothing_whatever_the_figures() -> None:
    result = judged(9, 0.0, n=16)
    assert result.conclusion == "the test set is too small to tell"
    assert "independent images of class" in result.words
    assert result.network["value"] == 1
    groups = [f"patient {row % 4}" for row in range(200)]
    assert judged(9, 0.0, groups=groups).conclusion == "the test set is too small to tell"


def test_a_wide_interval_of_the_difference_concludes_nothing() -> None:
    result = judged(0.4, 0.4, n=40)
    assert result.difference["low"] <= 0
    assert result.conclusion == "the test set is too small to tell"
    assert "may be anything from" in result.words


def test_without_a_shortcut_there_is_the_network_alone() -> None:
    result = judged(1.5, None, reason="the audit was switched off")
    assert result.conclusion == "no shortcut probe"
    assert result.words.endswith("compare the network with: the audit was switched off.")
    assert (result.shortcut, result.difference, result.cue) == (None, None, None)
    assert result.network["low"] < result.network["value"]


def test_a_class_without_images() -> None:
    truth = np.zeros(50, int)
    result = verdict(truth, np.full((50, 2), 0.5), np.full((50, 2), 0.5), CLASSES)
    assert result.conclusion == "the test set is too small to tell"
    assert "it has 0 independent images of class corona" in result.words
    assert result.network is None


def test_both_are_resampled_together() -> None:
    """A shortcut that is the network differs from it by exactly nothing, in every resample."""
    truth, probabilities = random_case(4, n=100, classes=3)
    result = verdict(truth, probabilities, probabilities, ["a", "b", "c"])
    assert result.difference == {"value": 0, "low": 0, "high": 0}
    assert result.network == result.shortcut
    assert result.network["low"] < result.network["high"]


def test_it_is_plain_data() -> None:
    stored = json.loads(json.dumps(judged(1.0, 0.5).to_dict()))
    assert set(stored) == {"conclusion", "words", "images", "cue", "network", "shortcut", "difference"}
    assert stored["difference"]["value"] == pytest.approx(stored["network"]["value"] - stored["shortcut"]["value"])

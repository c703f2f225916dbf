"""Which of two classifiers is better on the same images: against exact tests and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from convstage.paired import FEWEST, difference


def answers(both: int = 0, first: int = 0, second: int = 0, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classifiers' hits, by how many images each was right about."""
    pairs = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    one, two = np.array(pairs, dtype=float).T
    return one, two


def test_the_difference_is_that_of_the_accuracies_and_the_p_value_mcnemars() -> None:
    found = difference(*answers(both=60, first=5, second=20, neither=15))
    assert found.accuracy["value"] == pytest.approx(0.15)
    assert (found.first_only, found.second_only, found.images, found.groups) == (5, 20, 100, 100)
    assert found.p == pytest.approx(binomtest(5, 25).pvalue)
    assert found.conclusion == "clearly better"


def test_the_interval_is_about_as_wide_as_theory_says() -> None:
    # Of a paired difference, the variance of its mean is (b + c - (b - c)^2/n)/n^2 (McNemar's setting).
    found = difference(*answers(both=500, first=60, second=90, neither=350))
    reach = 1.96 * np.sqrt(150 - 30**2 / 1000) / 1000
    assert found.accuracy["low"] == pytest.approx(0.03 - reach, abs=0.004)
    assert found.accuracy["high"] == pytest.approx(0.03 + reach, abs=0.004)


@settings(max_examples=20, deadline=None)
@given(*[st.integers(0, 30)] * 4)
def test_exchanged_the_two_have_the_opposite_difference(both: int, first: int, second: int, neither: int) -> None:
    one, two = answers(both, first, second, neither + FEWEST)
    there, back = difference(one, two), difference(two, one)
    assert there.accuracy["value"] == pytest.approx(-back.accuracy["value"])
    assert there.accuracy["low"] == pytest.approx(-back.accuracy["high"], abs=0.02)
    assert (there.first_only, there.p) == (back.second_only, pytest.approx(back.p))
    opposite = {"clearly better": "clearly worse", "clearly worse": "clearly better"}
    assert opposite.get(there.conclusion, there.conclusion) == back.conclusion


def test_the_same_answers_are_not_told_apart() -> None:
    one, _ = answers(both=40, neither=10)
    found = difference(one, one)
    assert (found.conclusion, found.p) == ("not told apart", 1.0)
    assert found.accuracy == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_four_images_are_too_few_to_decide_by_whatever_the_bootstrap_says() -> None:
    found = difference(*answers(both=96, second=4))
    assert found.accuracy["low"] > 0
    assert found.p == pytest.approx(0.125)
    assert found.conclusion == "not told apart"
    assert difference(*answers(both=94, second=6)).conclusion == "clearly better"


def test_images_of_one_patient_count_once() -> None:
    one, two = answers(both=60, first=5, second=20, neither=15)
    patients = [f"patient {place // 10}" for place in range(100)]
    found = difference(one, two, patients)
    assert found.groups == 10
    assert (found.first_only, found.second_only) == (0, 2)
    assert found.conclusion == "not told apart"
    assert difference(one, two, [f"{place:03}" for place in range(100)]).accuracy == difference(one, two).accuracy


def test_below_ten_independent_images_nothing_is_concluded() -> None:
    assert difference(*answers(second=FEWEST - 1)).conclusion == "too few images to tell"
    assert difference(*answers(second=FEWEST)).conclusion == "clearly better"


def test_better_means_better_in_every_turn() -> None:
    one, two = answers(both=40, second=20)
    again = [str(place) for place in range(60)] * 2
    turns = [0] * 60 + [1] * 60
    assert difference(np.r_[one, one], np.r_[two, two], again, turns).conclusion == "clearly better"
    worse, a_little_better = answers(both=58, first=2)
    mixed = difference(np.r_[one, worse], np.r_[two, a_little_better], again, turns)
    assert mixed.accuracy["low"] > 0
    assert mixed.p < 0.05
    assert mixed.conclusion == "not told apart"


def test_the_result_is_plain_data() -> None:
    told = difference(*answers(both=10, second=10)).to_dict()
    assert list(told) == ["conclusion", "accuracy", "first_only", "second_only", "p", "images", "groups"]
    assert {type(told[name]) for name in ("first_only", "second_only", "images", "groups")} == {int}

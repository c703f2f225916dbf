"""Training, validation and test part: stratified, reproducible, nobody left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convstage import DataError
from convstage.data.split import split

PARTS = ("train", "val", "test")


def classes_of(counts: list[int], seed: int = 0) -> np.ndarray:
    """Return labels of so many images per class, mixed."""
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def split_of(
    labels: np.ndarray, given=None, *, val: float = 0.15, test: float = 0.15, seed: int = 0, groups=None
) -> np.ndarray:
    names = [f"class {label}" for label in range(labels.max() + 1)]
    return split(labels, given or [None] * len(labels), names, val=val, test=test, seed=seed, groups=groups)


@given(
    counts=st.lists(st.integers(3, 40), min_size=1, max_size=5),
    val=st.floats(0.01, 0.499),
    test=st.one_of(st.just(0.0), st.floats(0.01, 0.499)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_every_class_is_in_every_part_by_its_share(counts: list[int], val: float, test: float, seed: int) -> None:
    labels = classes_of(counts, seed)
    parts = split_of(labels, val=val, test=test, seed=seed)
    assert parts.shape == labels.shape
    assert set(parts) == {part for part in PARTS if part != "test" or test}
    for label, count in enumerate(counts):
        of_class = parts[labels == label]
        for part, share in (("val", val), ("test", test)):
            assert abs((of_class == part).sum() - share * count) <= 1
            assert (part in of_class) == bool(share)
        assert "train" in of_class


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_same_seed_gives_the_same_split(seed: int) -> None:
    labels = classes_of([30, 20])
    assert_array_equal(split_of(labels, seed=seed), split_of(labels, seed=seed))


def test_different_seeds_give_different_splits() -> None:
    labels = classes_of([30, 20])
    assert len({split_of(labels, seed=seed).tobytes() for seed in range(20)}) == 20


def test_every_image_is_tested_by_some_seed() -> None:
    labels = classes_of([10, 10])
    tested = np.array([split_of(labels, seed=seed) == "test" for seed in range(100)])
    assert tested.any(axis=0).all()


@pytest.mark.parametrize(("val", "test"), [(0.49, 0.49), (0.49, 0.4), (0.4, 0.49), (0.45, 0.45), (0.9, 0.9)])
@pytest.mark.parametrize("count", range(3, 13))
def test_large_parts_leave_something_to_train_with(count: int, val: float, test: float) -> None:
    parts = split_of(classes_of([count, count]), val=val, test=test)
    labels = classes_of([count, count])
    for label in (0, 1):
        assert set(parts[labels == label]) == set(PARTS)


def test_given_parts_stay() -> None:
    labels = classes_of([20, 20])
    given = [("test", "val", "train", "train")[row % 4] for row in range(40)]
    assert_array_equal(split_of(labels, given, val=0.3, test=0.3), given)


@pytest.mark.parametrize(("named", "taken"), [("test", "val"), ("val", "test")])
def test_a_part_that_is_not_given_is_taken_from_the_training_images(named: str, taken: str) -> None:
    labels = classes_of([20, 20])
    given = [named if row % 4 == 0 else "train" for row in range(40)]
    parts = split_of(labels, given, val=0.2, test=0.2)
    assert_array_equal(parts == named, np.arange(40) % 4 == 0)
    for label in (0, 1):
        left = (labels == label) & (parts != named)
        assert (parts[left] == taken).sum() == round(0.2 * left.sum())


def test_parts_are_whole_words_when_none_is_given_for_training() -> None:
    given = ["val"] * 4 + [None] * 8
    parts = split_of(np.arange(12) % 2, given)
    assert list(parts[:4]) == ["val"] * 4
    assert set(parts) == set(PARTS)


@pytest.mark.parametrize(
    ("counts", "given", "test", "message"),
    [
        (
            [5, 1],
            None,
            0.15,
            "class 'class 1' has 1 image to train with.\n"
            "At least 3 readable ones are needed, one for each part: training, validation and test.",
        ),
        (
            [2, 5],
            None,
            0.15,
            "class 'class 0' has 2 images to train with.\n"
            "At least 3 readable ones are needed, one for each part: training, validation and test.",
        ),
        (
            [5, 1],
            None,
            0.0,
            "class 'class 1' has 1 image to train with.\n"
            "At least 2 readable ones are needed, one for each part: training and validation.",
        ),
        (
            [5, 2],
            ["train"] * 4 + ["val"] * 2 + ["train"],
            0.15,
            "class 'class 1' has 1 image to train with.\n"
            "At least 2 readable ones are needed, one for each part: training and test.",
        ),
        (
            [5, 2],
            ["train"] * 4 + ["val", "test", "val"],
            0.15,
            "class 'class 1' has 0 images to train with.\nAt least 1 readable one is needed.",
        ),
    ],
)
def test_too_few_images(counts: list[int], given, test: float, message: str) -> None:
    with pytest.raises(DataError) as caught:
        split_of(np.repeat(np.arange(2), counts), given, test=test)
    assert str(caught.value) == message

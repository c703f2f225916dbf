"""Groups stay in one part and in one fold, and every class is in all of them as far as that allows."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convstage import DataError
from convstage.data.split import folds, split

PARTS = ("train", "val", "test")


def split_of(labels, groups, given=None, *, val: float = 0.15, test: float = 0.15, seed: int = 0) -> np.ndarray:
    labels = np.asarray(labels)
    names = [f"class {label}" for label in range(labels.max() + 1)]
    return split(labels, given or [None] * len(labels), names, val=val, test=test, seed=seed, groups=list(groups))


def patients(counts: list[int], sizes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and groups of so many patients per class, each with 1 to `sizes` images, mixed."""
    random = np.random.default_rng(seed)
    label_of = np.repeat(np.arange(len(counts)), counts)
    groups = random.permutation(np.repeat(np.arange(len(label_of)), random.integers(1, sizes + 1, len(label_of))))
    return label_of[groups], groups


def torn(parts: np.ndarray, groups: np.ndarray) -> list[int]:
    return [group for group in np.unique(groups) if len(set(parts[groups == group])) > 1]


@given(
    counts=st.lists(st.integers(3, 20), min_size=1, max_size=4),
    sizes=st.integers(1, 9),
    val=st.floats(0.05, 0.4),
    test=st.one_of(st.just(0.0), st.floats(0.05, 0.4)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_no_group_is_in_two_parts_and_every_class_in_each(counts, sizes, val, test, seed) -> None:
    labels, groups = patients(counts, sizes, seed)
    parts = split_of(labels, groups, val=val, test=test, seed=seed)
    assert not torn(parts, groups)
    for label in range(len(counts)):
        assert set(parts[labels == label]) == {part for part in PARTS if part != "test" or test}
    assert_array_equal(parts, split_of(labels, groups, val=val, test=test, seed=seed))


@given(seed=st.integers(0, 2**32 - 1), mixed=st.floats(0, 0.3))
@settings(max_examples=50, deadline=None)
def test_many_groups_come_near_to_the_shares(seed: int, mixed: float) -> None:
    labels, groups = patients([60, 40, 30], 6, seed)
    random = np.random.default_rng(seed)
    labels = np.where(random.random(len(labels)) < mixed, random.integers(0, 3, len(labels)), labels)
    parts = split_of(labels, groups, val=0.15, test=0.2, seed=seed)
    assert not torn(parts, groups)
    for label in range(3):
        of_class = parts[labels == label]
        for part, share in (("val", 0.15), ("test", 0.2)):
            assert abs((of_class == part).mean() - share) < 0.05


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_groups_of_one_image_change_nothing(seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), [20, 9, 5]))
    names = [f"class {label}" for label in range(3)]
    alone = split(labels, [None] * 34, names, val=0.15, test=0.15, seed=seed)
    assert_array_equal(split_of(labels, [f"patient {row}" for row in range(34)], seed=seed), alone)


def test_different_seeds_give_different_splits() -> None:
    labels, groups = patients([20, 20], 4, 0)
    assert len({split_of(labels, groups, seed=seed).tobytes() for seed in range(20)}) == 20


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_groups_that_the_data_tears_stay_as_they_are_and_no_other_is_torn(seed: int) -> None:
    labels, groups = patients([20, 20], 3, seed)
    named = ["test" if draw < 0.2 else "train" for draw in np.random.default_rng(seed).random(len(labels))]
    before = torn(np.array(named), groups)
    free = [len(np.unique(groups[(labels == label) & ~np.isin(groups, before)])) for label in (0, 1)]
    assume(min(free) > 4)
    assume({label for label, name in zip(labels, named, strict=True) if name == "test"} == {0, 1})
    parts = split_of(labels, groups, named)
    assert_array_equal(parts == "test", np.array(named) == "test")
    assert torn(parts, groups) == before
    assert {(label, part) for label, part in zip(labels, parts, strict=True)} == {
        (label, part) for label in (0, 1) for part in PARTS
    }


def test_images_without_a_part_go_where_their_group_is() -> None:
    labels = [0, 1] * 8
    groups = ["a", "a", "b", "b", "c", "c", "d", "d", *range(8)]
    given = ["test", None, "val", None, "train", None, "val", "test", "train", "train", *([None] * 6)]
    parts = split_of(labels, groups, given)
    assert list(parts[:8]) == ["test", "test", "val", "val", "train", "train", "val", "test"]
    assert set(parts[8:]) == {"train"}


def test_groups_of_several_classes_fill_all_of_them() -> None:
    labels, groups = np.array([0, 1] * 12), np.repeat(np.arange(12), 2)
    parts = split_of(labels, groups, val=0.25, test=0.25)
    assert [(parts[labels == label] == part).sum() for part in PARTS for label in (0, 1)] == [6, 6, 3, 3, 3, 3]


def test_a_class_of_too_few_groups() -> None:
    labels = np.array([0] * 20 + [1] * 20)
    groups = [*range(20), *(f"patient {row % 2}" for row in range(20))]
    with pytest.raises(DataError) as caught:
        split_of(labels, groups)
    assert str(caught.value) == (
        "class 'class 1' has images of 2 groups only.\n"
        "At least 3 are needed, one for each part: training, validation and test. Images of the same content, "
        "and all groups that hold such, count as one group."
    )
    named = ["val"] * 5 + ["train"] * 15 + ["train", "val", *["train"] * 18]
    with pytest.raises(
        DataError, match=r"^class 'class 1' has images of 0 groups only, not counting 1 that the data tears apart\."
    ):
        split_of(labels, [*range(20), *["one"] * 20], named)


def test_groups_that_no_split_can_do_with() -> None:
    """Each of three classes has three groups, but together they are only three."""
    labels = np.array([0, 1, 0, 1, 0, 2, 1, 2, 2])
    groups = [0, 0, 1, 1, 2, 2, 3, 3, 4]
    with pytest.raises(DataError, match=r"^no (test|val) part with class 'class \d' in it can be drawn: .*\nName the"):
        split_of(labels, groups)


# ------------------------------------------------------------- folds


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(2, 6), sizes=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_folds_are_whole_groups_of_every_class(seed: int, k: int, sizes: int) -> None:
    labels, groups = patients([30, 18], sizes, seed)
    numbers = folds(labels, groups.tolist(), k, seed)
    assert not torn(numbers, groups)
    assert set(numbers) == set(range(k))
    for label in (0, 1):
        counts = np.bincount(numbers[labels == label], minlength=k)
        assert counts.min() > 0
        assert np.ptp(counts) <= (1 if sizes == 1 else 3 * sizes)
    assert_array_equal(numbers, folds(labels, groups.tolist(), k, seed))


def test_other_seeds_give_other_folds() -> None:
    for sizes in (1, 4):
        labels, groups = patients([30, 18], sizes, 0)
        assert len({folds(labels, groups.tolist(), 5, seed).tobytes() for seed in range(10)}) == 10


def test_too_many_folds() -> None:
    labels = np.repeat([0, 1], 8)
    groups = [*range(8), *np.arange(8) // 3]
    with pytest.raises(DataError) as caught:
        folds(labels, groups, 5, 0)
    assert str(caught.value) == (
        "5 folds cannot be made: class 1 has 3 groups only.\nAsk for at most 3 folds, or add images."
    )
    with pytest.raises(DataError, match="class 'corona' has 3 groups only"):
        folds(labels, groups, 5, 0, ["healthy", "corona"])
    with pytest.raises(DataError, match="class 0 has 8 images only"):
        folds(labels, range(16), 9, 0)

"""Copies of an image: joined when parts are drawn, left out when the data tears them apart."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from convstage.data.duplicates import (
    copies,
    copies_across,
    note_on_classes,
    note_on_copies,
    note_on_copies_across,
    united,
)
from convstage.data.split import RANK

FEW = st.lists(st.tuples(st.sampled_from("ABCDEFG"), st.sampled_from("1234567")), min_size=1, max_size=12)


@given(FEW)
def test_united_is_what_one_can_walk_between(images: list[tuple[str, str]]) -> None:
    units = united([group for group, _ in images], [sha for _, sha in images])
    reached = np.array([[a == c or b == d for c, d in images] for a, b in images], int)
    for _ in images:
        reached = np.minimum(1, reached @ reached)
    assert [[a == b for b in units] for a in units] == reached.astype(bool).tolist()
    assert list(dict.fromkeys(units)) == list(range(len(set(units))))


def test_ungrouped_images_that_differ_are_all_alone() -> None:
    assert united(["a", "b", "c"], ["1", "2", "3"]) == [0, 1, 2]


def test_copies_by_content() -> None:
    assert copies(["1", "2", "1", "3", "2", "1"]) == [[0, 2, 5], [1, 4]]
    assert copies(["1", "2"]) == []


PARTS = st.sampled_from(["train", "val", "test", None])


@given(st.lists(st.tuples(PARTS, st.sampled_from("1234")), max_size=14))
def test_afterwards_no_content_is_in_two_named_parts(images: list[tuple[str | None, str]]) -> None:
    parts, sha256 = [part for part, _ in images], [sha for _, sha in images]
    goes = copies_across(parts, sha256)
    left = {(sha, part) for row, (part, sha) in enumerate(images) if row not in goes and part}
    assert all(count == 1 for count in Counter(sha for sha, _ in left).values())
    for row, kept in goes.items():
        assert kept not in goes
        assert sha256[row] == sha256[kept]
        assert RANK[parts[kept]] < RANK[parts[row]]
    assert not any(parts[row] in ("test", None) for row in goes)


def test_notes() -> None:
    names, classes = ["a/1", "a/2", "b/1", "b/2", "b/3"], ["a", "b"]
    labels = np.array([0, 0, 1, 1, 1])
    assert note_on_copies(names, list("12345")) == note_on_classes(names, labels, list("11233"), classes) == []
    assert note_on_copies(names, list("11234")) == [
        "1 image is an exact copy of another, and in the same part: a/2 = a/1"
    ]
    assert note_on_copies(names, list("12121")) == [
        "3 images are exact copies of others, and in the same part: b/1 = a/1, b/2 = a/2"
    ]
    assert note_on_classes(names, labels, list("12121"), classes) == [
        "2 images are in more than one class: a/1 (a) = b/1 (b) = b/3 (b), a/2 (a) = b/2 (b)"
    ]
    assert note_on_copies_across(names, {}) == []
    assert note_on_copies_across(names, {0: 1, 2: 3, 4: 3, 1: 3}) == [
        "4 left out, since a copy is in another part: a/1 = a/2, b/1 = b/2, b/3 = b/2, …"
    ]

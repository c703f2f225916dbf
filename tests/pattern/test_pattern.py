"""Pattern and Family as users hold them: equality, letters, fixing, ranges, members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convstage import Pattern
from convstage.errors import ConfigError, PatternError
from convstage.pattern.pattern import MAX_MEMBERS, image_shape, read_range

LECTURE = "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> [FC -> RELU]*K -> CLASSIFIER"


def test_patterns_are_equal_when_they_mean_the_same_however_they_are_written() -> None:
    one, other = Pattern("input→[conv(8)]×2→classifier"), Pattern("INPUT -> CONV( 8 )*2 -> CLASSIFIER")
    assert one == other
    assert len({one, other}) == 1
    assert str(one) == str(other) == "INPUT -> CONV(8)*2 -> CLASSIFIER"
    assert one.text != other.text


def test_patterns_that_differ_are_not_equal() -> None:
    assert Pattern("INPUT -> CONV*2") != Pattern("INPUT -> CONV*3")


def test_a_pattern_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(PatternError, match="the pattern ends too early"):
        Pattern("INPUT ->")


def test_free_letters_come_once_each_in_the_order_of_the_text() -> None:
    assert Pattern(LECTURE).letters == ("N", "M", "K")
    assert Pattern("[A*B -> A*B]*C").letters == ("B", "C")
    assert Pattern("A*2 -> B?").letters == ()


@pytest.mark.parametrize(("text", "is_family"), [("A*2", False), ("A*N", True), ("[A -> B?]*2", True)])
def test_a_family_has_free_letters_or_optional_parts(text: str, is_family: bool) -> None:
    assert Pattern(text).is_family is is_family


@pytest.mark.parametrize(
    ("text", "image", "classes"),
    [
        ("INPUT(28x30x3) -> CLASSIFIER(10)", (28, 30, 3), 10),
        ("INPUT(28x30) -> CLASSIFIER", (28, 30, 1), None),
        ("INPUT -> CLASSIFIER(classes=2)", None, 2),
        ("INPUT -> [CONV -> RELU]*N", None, None),
    ],
)
def test_a_pattern_knows_the_image_and_the_classes_that_it_says(text: str, image: Any, classes: Any) -> None:
    assert (Pattern(text).image, Pattern(text).classes) == (image, classes)


def test_image_of_the_wrong_sort_is_marked() -> None:
    with pytest.raises(PatternError, match="INPUT cannot take 28"):
        _ = Pattern("INPUT(28) -> CLASSIFIER").image


# Fixing letters.


@pytest.mark.parametrize(
    ("text", "counts", "fixed"),
    [
        (LECTURE, {"N": 2}, "INPUT -> [[CONV -> RELU]*2 -> POOL?]*M -> [FC -> RELU]*K -> CLASSIFIER"),
        (LECTURE, {"K": 0}, "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> CLASSIFIER"),
        (LECTURE, {"N": 0, "K": 1}, "INPUT -> [POOL?]*M -> [FC -> RELU]*1 -> CLASSIFIER"),
        (LECTURE, {}, LECTURE),
        ("A -> [B*N]? -> C", {"N": 0}, "A -> C"),
        ("A -> [B*N -> C*M]*2", {"N": 0, "M": 0}, "A"),
        ("[A*N]*N", {"N": 3}, "[A*3]*3"),
    ],
)
def test_fix_fixes_the_letters_that_are_named(text: str, counts: dict[str, int], fixed: str) -> None:
    pattern = Pattern(text).fix(**counts)
    assert str(pattern) == fixed
    assert pattern == Pattern(fixed)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"X": 2}, f"X is not a free letter of {LECTURE}; free letters: N, M, K."),
        ({"n": 2}, f"n is not a free letter of {LECTURE}; free letters: N, M, K."),
        ({"N": -1}, "the count of N must be a whole number of at least 0; got -1."),
        ({"N": "2"}, "the count of N must be a whole number of at least 0; got '2'."),
        ({"N": 1.5}, "the count of N must be a whole number of at least 0; got 1.5."),
    ],
)
def test_fix_refuses_what_is_no_letter_and_no_count(counts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Pattern(LECTURE).fix(**counts)
    assert str(error.value) == message


# Families.


@pytest.mark.parametrize(
    ("text", "ranges", "members"),
    [
        ("A*N", {"N": "1..3"}, ["A*1", "A*2", "A*3"]),
        ("A -> B*N", {"N": "0..1"}, ["A", "A -> B*1"]),
        ("A?", {}, ["A", ""]),
        ("A -> B? -> C?", {}, ["A -> B -> C", "A -> B", "A -> C", "A"]),
        ("A -> [B -> C]?", {}, ["A -> [B -> C]", "A"]),
        ("[A -> B?]*2", {}, ["[A -> B]*2", "A*2"]),
        ("A*N -> B*M", {"M": "3..4", "N": "1..2"}, ["A*1 -> B*3", "A*1 -> B*4", "A*2 -> B*3", "A*2 -> B*4"]),
        ("A*N -> B?", {"N": [5]}, ["A*5 -> B", "A*5"]),
        ("A*2", {}, ["A*2"]),
    ],
)
def test_members_are_the_product_of_the_ranges_and_of_both_ways_of_every_optional_part(
    text: str, ranges: dict[str, Any], members: list[str]
) -> None:
    family = Pattern(text).family(**ranges)
    assert list(map(str, family)) == members
    assert len(family) == len(members)


def test_members_are_the_patterns_that_one_would_write() -> None:
    for counts, member in Pattern(LECTURE).family(N="0..2", M="1..2", K="0..1").members():
        assert not member.is_family
        assert counts.keys() == {"N", "M", "K"}
        assert member == Pattern(str(member))


def test_a_choice_of_an_optional_part_holds_in_every_repetition() -> None:
    plans = [member.plan("28x28x1", 2) for member in Pattern("INPUT -> [CONV -> POOL?]*2 -> CLASSIFIER").family()]
    assert [sum(row.kind == "POOL" for row in plan.rows) for plan in plans] == [2, 0]


def test_errors_of_a_member_show_the_family_as_it_was_written() -> None:
    member = list(Pattern("input -> [conv -> pool]*N -> classifier").family(N="6..7"))[1]
    with pytest.raises(PatternError) as error:
        member.plan("28x28x1", 2)
    assert str(error.value) == (
        "POOL 2×2 does not fit a 1×1 map.\n"
        "  input -> [conv -> pool]*N -> classifier\n"
        "                    ^^^^\n"
        "Height: 28 → 14 → 7 → 3 → 1, and floor((1 + 0 - 2)/2) + 1 = 0.\n"
        "Way out: use at most 4 poolings, or INPUT of at least 128x128."
    )


@pytest.mark.parametrize(
    ("text", "ranges", "message"),
    [
        (
            LECTURE,
            {"N": "1..2"},
            f"""\
this is a family of patterns, not one: M is a free letter.
  {LECTURE}
                                       ^
Give a range for M (such as M=1..3) and K (such as K=1..3).""",
        ),
        (
            "A? -> [B*N]*M -> C*N",
            {"M": 2},
            """\
this is a family of patterns, not one: N is a free letter.
  A? -> [B*N]*M -> C*N
           ^
Give a range for N (such as N=1..3).""",
        ),
    ],
)
def test_a_letter_without_a_range_is_marked(text: str, ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(PatternError) as error:
        Pattern(text).family(**ranges)
    assert str(error.value) == message


def test_a_range_for_what_is_no_free_letter_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        Pattern("A*2").family(N="1..3")
    assert str(error.value) == "N is not a free letter of A*2; free letters: none."


def test_a_large_family_is_counted_but_not_listed() -> None:
    family = Pattern("A*N -> B*M").family(N="1..1000", M="1..101")
    assert len(family) == 101_000 > MAX_MEMBERS
    with pytest.raises(ConfigError) as error:
        next(iter(family))
    assert str(error.value) == "the family has 101,000 members; at most 100,000 are listed."


def test_a_family_as_large_as_allowed_is_listed() -> None:
    family = Pattern("A*N").family(N=range(1, MAX_MEMBERS + 1))
    assert len(family) == MAX_MEMBERS
    assert str(next(iter(family))) == "A*1"


def test_a_family_too_large_for_len_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^the family has more than 10\^18 members; fix a letter, or leave out a \?"):
        Pattern(" -> ".join(["A?"] * 63)).family()
    assert len(Pattern(" -> ".join(["A?"] * 62)).family()) == 2**62


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        (2, (2,)),
        (0, (0,)),
        ("3", (3,)),
        ("1..3", (1, 2, 3)),
        (" 0..1 ", (0, 1)),
        ("2..2", (2,)),
        (range(1, 4), (1, 2, 3)),
        ([4, 2], (4, 2)),
        (np.arange(2), (0, 1)),
    ],
)
def test_ranges_are_counts_or_from_to(given: Any, counts: tuple[int, ...]) -> None:
    assert read_range("N", given) == counts


@pytest.mark.parametrize("given", ["", "3..1", "a..b", "1-3", "..3", "1..", "-1", "1.5", "1..9999999", -1, [], [1, -1]])
def test_what_is_no_range_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError) as error:
        read_range("N", given)
    assert str(error.value) == (
        f"the range of N must be a count such as 2 or a range such as 1..3; got {given!r}."
    )  # fmt: skip


def test_a_range_of_numbers_that_are_not_whole_is_refused() -> None:
    with pytest.raises(TypeError):
        read_range("N", [1.5])  # type: ignore[list-item]


# Image size and classes.


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ("28x30x3", (28, 30, 3)),
        ("28×30×3", (28, 30, 3)),
        ("28X30", (28, 30, 1)),
        ((28, 30, 3), (28, 30, 3)),
        ((28, 30), (28, 30, 1)),
        (tuple(np.array([28, 30, 3])), (28, 30, 3)),
    ],
)
def test_image_sizes(given: Any, shape: tuple[int, int, int]) -> None:
    read = image_shape(given)
    assert read == shape
    assert [type(side) for side in read] == [int, int, int]


@pytest.mark.parametrize(
    "given", ["", "28", "28x", "28x28x1x1", "0x28", "28 x 28", "a", "9" * 5000 + "x1", (28,), (28, 28, 0), (2.0, 2, 1)]
)
def test_what_is_no_image_size_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError) as error:
        image_shape(given)
    assert str(error.value) == (
        f"the image size must be height x width x channels, such as 28x28x1; got {given!r}."
    )  # fmt: skip


@pytest.mark.parametrize("classes", [0, -3, 2.0, "10"])
def test_what_is_no_number_of_classes_is_refused(classes: Any) -> None:
    with pytest.raises(ConfigError) as error:
        Pattern("INPUT -> CLASSIFIER").plan("28x28x1", classes)
    assert str(error.value) == (
        f"the number of classes must be a whole number of at least 1; got {classes!r}."
    )  # fmt: skip


@pytest.mark.parametrize("number", [int, np.int64], ids=["int", "numpy"])
def test_whole_numbers_of_any_sort_are_classes(number: Callable[[int], Any]) -> None:
    plan = Pattern("INPUT -> CLASSIFIER").plan("28x28x1", number(10))
    assert plan.classes == 10
    assert type(plan.rows[-1].settings["classes"]) is int

"""Writing out repetitions: how often, with which values, and how many at most."""

from __future__ import annotations

import pytest

from convstage.errors import PatternError
from convstage.pattern.expand import MAX_LAYERS, expand
from convstage.pattern.parse import parse


def layers(text: str) -> str:
    return " ".join(map(str, expand(parse(text), text)))


def refusal(text: str) -> str:
    with pytest.raises(PatternError) as error:
        layers(text)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("A", "A"),
        ("A -> B", "A B"),
        ("A -> [B -> C] -> D", "A B C D"),
        ("A*3", "A A A"),
        ("[A -> B]*2 -> C", "A B A B C"),
        ("[A*2 -> B]*2", "A A B A A B"),
        ("[[A]*2]*2", "A A A A"),
        ("A*1", "A"),
        ("A*0", ""),
        ("A -> B*0 -> C", "A C"),
        ("[A*0 -> B]*2", "B B"),
        ("[A -> B*3]*0 -> C", "C"),
        ("[[A*0]*5]*7", ""),
        ("A(1)*2", "A(1) A(1)"),
    ],
)
def test_repetitions_are_written_out(text: str, expanded: str) -> None:
    assert layers(text) == expanded


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("A(1|2|3)*3", "A(1) A(2) A(3)"),
        ("[A(1|2) -> B]*2", "A(1) B A(2) B"),
        ("[A(1|2) -> B(5|6)]*2", "A(1) B(5) A(2) B(6)"),
        ("[A(1|2, x=3|4)]*2", "A(1, x=3) A(2, x=4)"),
        ("[A(1|2, 7)]*2", "A(1, 7) A(2, 7)"),
        ("[A(1|2)*2 -> B]*3", "A(1) A(2) B A(1) A(2) B A(1) A(2) B"),
        ("[A(1|2|3)*2 -> B]*3", "A(1) A(1) B A(2) A(2) B A(3) A(3) B"),
        ("[A(1|2)*2]*2", "A(1) A(2) A(1) A(2)"),
        ("[[A(1|2|3, x=8|9)]*2]*3", "A(1, x=8) A(1, x=9) A(2, x=8) A(2, x=9) A(3, x=8) A(3, x=9)"),
        ("[A(1|2)*0 -> B]*3", "B B B"),
    ],
)
def test_values_are_dealt_over_the_innermost_repetition_with_as_many_turns(text: str, expanded: str) -> None:
    assert layers(text) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "CONV(32|64)",
            """\
CONV has 2 values by repetition, but it is not repeated.
  CONV(32|64)
       ^^^^^
Give one value, or one for each repetition.""",
        ),
        (
            "A -> [CONV(32|64, 5)]*3",
            """\
CONV has 2 values by repetition, but it is repeated 3 times.
  A -> [CONV(32|64, 5)]*3
             ^^^^^
Give one value, or one for each repetition.""",
        ),
        (
            "[[CONV(f=3|5|7)]*2 -> A]*4",
            """\
CONV has 3 values by repetition, but it is repeated 2 or 4 times.
  [[CONV(f=3|5|7)]*2 -> A]*4
         ^^^^^^^
Give one value, or one for each repetition.""",
        ),
    ],
)
def test_values_that_match_no_repetition_are_refused(text: str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "A -> [B]*n -> C?",
            """\
this is a family of patterns, not one: N is a free letter.
  A -> [B]*n -> C?
           ^
Fix it (N=2), or list the members of the family with ranges such as N=1..3.""",
        ),
        (
            "A -> [B -> C] ? -> D*N",
            """\
this is a family of patterns, not one: a part is optional (?).
  A -> [B -> C] ? -> D*N
                ^
Fix it (keep or drop the part in the text), or list the members of the family with ranges such as N=1..3.""",
        ),
        (
            "[A -> B*M]*2",
            """\
this is a family of patterns, not one: M is a free letter.
  [A -> B*M]*2
          ^
Fix it (M=2), or list the members of the family with ranges such as N=1..3.""",
        ),
    ],
)
def test_free_parts_are_refused(text: str, message: str) -> None:
    assert refusal(text) == message


def test_as_many_layers_as_allowed_are_written_out() -> None:
    text = f"[A -> B]*{MAX_LAYERS // 2}"
    assert len(expand(parse(text), text)) == MAX_LAYERS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"[A -> B]*{MAX_LAYERS // 2} -> C", "10,001"),
        ("A*1000000000000", "1,000,000,000,000"),
        ("[[A*1000000]*1000000]*1000000", "1,000,000,000,000,000,000"),
    ],
)
def test_too_many_layers_are_counted_but_not_written_out(text: str, number: str) -> None:
    assert refusal(text) == (
        f"the pattern has {number} layers; at most 10,000 are planned.\n  {text}\n  {'^' * len(text)}"
    )  # fmt: skip


def test_many_turns_without_a_layer_cost_nothing() -> None:
    assert layers(f"A -> [B*0]*{10**20} -> [C -> {' -> '.join(['D*0'] * 5000)}]*3") == "A C C C"

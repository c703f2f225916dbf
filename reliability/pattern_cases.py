"""Any text is a pattern, or refused with an error of our own that marks the place: what is tried of a text."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from convstage.errors import ConvstageError, PatternError
from convstage.pattern import Pattern
from convstage.pattern.tree import optionals

#: Words of the language, for a fuzzer's dictionary.
WORDS = (
    "INPUT", "CONV", "RELU", "POOL", "FC", "CLASSIFIER", "BN", "DROPOUT", "GAP", "FLATTEN", "->", "→", "[", "]", "*",
    "×", "?", "(", ")", ",", "|", "=", "28x28x1", "5x5", "stride=2", "padding=same", "padding=valid", "avg", "0.5",
    "N", "M", "1e9", "999999999999999999999999", "filters", "size", "[CONV -> RELU]*2 ->",
)  # fmt: skip
#: Valid patterns, for a fuzzer to begin with.
VALID = (
    "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER",
    "INPUT(28x28x1) -> [[CONV(32|64, 5x5, stride=2) -> RELU]*2 -> POOL(avg)?]*M -> DROPOUT(0.5) -> CLASSIFIER(10)",
    "input → conv(8, padding=1x2) → bn → gelu → pool(max, 3, stride=2) → gap → classifier",
    "INPUT -> [[CONV]*N -> POOL?]*K -> [FC(100) -> TANH]*9 -> CLASSIFIER",
)
IMAGE, CLASSES = (24, 20, 3), 5
#: Members of a family that are planned.
PLANNED = 6
#: No problem is longer: what is quoted in it is cut.
LONGEST = 400


def check(text: str) -> bool:
    """Read a text, plan it, list its family and print it back; raise when anything but our own errors comes out.

    Returns whether the text is a pattern.
    """
    try:
        pattern = Pattern(text)
    except PatternError as error:
        _check_error(error, text)
        return False
    assert Pattern(str(pattern)).tree == pattern.tree, "printed and read again it is another"
    for image, classes in ((IMAGE, CLASSES), (None, None)):
        _check_plan(pattern, text, image, classes)
    for attempt in (lambda: pattern.image, lambda: pattern.classes):
        _ours(attempt, text)
    if pattern.is_family:
        _ours(lambda: pattern.family(), text)
        if len(optionals(pattern.tree)) < 8:
            _ours(lambda: _plan_some(pattern), text)
    return True


def _check_plan(pattern: Pattern, text: str, image: tuple[int, int, int] | None, classes: int | None) -> None:
    try:
        plan = pattern.plan(image, classes)
    except PatternError as error:
        _check_error(error, text)
        return
    assert plan.rows[0].kind == "INPUT" and plan.rows[-1].kind == "CLASSIFIER"
    assert plan.parameters == sum(row.parameters for row in plan.rows)


def _plan_some(pattern: Pattern) -> None:
    family = pattern.family(**dict.fromkeys(pattern.letters, "0..2"))
    if len(family) > 100_000:  # which are counted and not listed
        return
    for member in islice(family, PLANNED):
        _ours(lambda member=member: member.plan(IMAGE, CLASSES), member.text)


def _ours(attempt: Callable[[], object], text: str) -> None:
    try:
        attempt()
    except PatternError as error:
        _check_error(error, text)
    except ConvstageError as error:
        assert str(error).strip()


def _check_error(error: PatternError, text: str) -> None:
    assert 0 <= error.start <= error.end <= len(text) + 1, "the place lies outside"
    assert error.problem.strip() and len(error.problem) < LONGEST, f"no problem for people: {error.problem[:200]!r}"
    assert len(error.hint) < 10 * LONGEST, f"no hint for people: {error.hint[:200]!r}"
    assert str(error)

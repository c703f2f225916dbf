"""What is no pattern: the error marks the place and says what was expected."""

from __future__ import annotations

import pytest

from convstage.errors import PatternError
from convstage.pattern.parse import MAX_CHARACTERS, MAX_DEPTH, MAX_DIGITS, parse
from convstage.pattern.tree import Repeat, walk
from support.trees import argument, chain, layer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            """\
the pattern is empty.
  <>
  ^
Write for example INPUT -> CONV -> RELU -> CLASSIFIER.""",
        ),
        (
            " ",
            """\
the pattern is empty.
   <>
  ^
Write for example INPUT -> CONV -> RELU -> CLASSIFIER.""",
        ),
        (
            "INPUT ->",
            """\
the pattern ends too early.
  INPUT ->
          ^
Expected '[' or a name.""",
        ),
        (
            "INPUT -> [CONV -> RELU  \n",
            """\
the pattern ends too early.
  INPUT -> [CONV -> RELU  <>
                        ^
Expected ']'.""",
        ),
        (
            "INPUT -> CONV(32",
            """\
the pattern ends too early.
  INPUT -> CONV(32
                  ^
Expected ')', ',' or '|'.""",
        ),
        (
            "INPUT - CONV",
            """\
'-' is out of place.
  INPUT - CONV
        ^
Expected '(', '*', '->', '?' or the end. An arrow is written ->.""",
        ),
        (
            "[CONV - RELU]",
            """\
'-' is out of place.
  [CONV - RELU]
        ^
Expected '(', '*', '->', '?' or ']'. An arrow is written ->.""",
        ),
        (
            "INPUT & CONV",
            """\
'&' is out of place.
  INPUT & CONV
        ^
Expected '(', '*', '->', '?' or the end.""",
        ),
        (
            "INPUT -> ?",
            """\
'?' is out of place.
  INPUT -> ?
           ^
Expected '[' or a name.""",
        ),
        (
            "INPUT CONV",
            """\
'CONV' is out of place.
  INPUT CONV
        ^^^^
Expected '(', '*', '->', '?' or the end.""",
        ),
        (
            "INPUT -> -> CONV",
            """\
'->' is out of place.
  INPUT -> -> CONV
           ^^
Expected '[' or a name.""",
        ),
        (
            "CONV(32,,5)",
            """\
',' is out of place.
  CONV(32,,5)
          ^
Expected a name, a number or a size such as 5x5.""",
        ),
        (
            "CONV(32 64)",
            """\
'64' is out of place.
  CONV(32 64)
          ^^
Expected ')', ',' or '|'.""",
        ),
        (
            "CONV(stride=)",
            """\
')' is out of place.
  CONV(stride=)
              ^
Expected a name, a number or a size such as 5x5.""",
        ),
        (
            "CONV(32; 5)",
            """\
';' is out of place.
  CONV(32; 5)
         ^
Expected ')', ',' or '|'.""",
        ),
        (
            "[CONV -> RELU -> POOL",
            """\
the pattern ends too early.
  [CONV -> RELU -> POOL
                       ^
Expected ']'.""",
        ),
        (
            "CONV -> RELU]*2",
            """\
']' is out of place.
  CONV -> RELU]*2
              ^
It closes no bracket.""",
        ),
        (
            "INPUT -> []",
            """\
']' is out of place.
  INPUT -> []
            ^
Expected '[' or a name.""",
        ),
        (
            "CONV*",
            """\
the pattern ends too early.
  CONV*
       ^
Expected a letter or a number.""",
        ),
        (
            "CONV*2.5",
            """\
'2.5' is out of place.
  CONV*2.5
       ^^^
Expected a letter or a number.""",
        ),
        (
            "CONV*-1",
            """\
'-1' is out of place.
  CONV*-1
       ^^
Expected a letter or a number.""",
        ),
        (
            "CONV*3x3",
            """\
'3x3' is out of place.
  CONV*3x3
       ^^^
Expected a letter or a number.""",
        ),
        (
            "CONV*NM",
            """\
'NM' is out of place.
  CONV*NM
       ^^
Expected a letter or a number.""",
        ),
        (
            "CONV*2?",
            """\
'?' is out of place.
  CONV*2?
        ^
Expected '->' or the end.""",
        ),
        (
            "INPUT\n -> CONV(3,\n    5 5)\n -> RELU",
            """\
'5' is out of place.
      5 5)
        ^
Expected ')', ',' or '|'.""",
        ),
        (
            "CONV(1e999)",
            """\
a number must be finite, and have at most 24 digits.
  CONV(1e999)
       ^^^^^""",
        ),
        (
            "CONV*1234567890123456789012345",
            """\
a number must be finite, and have at most 24 digits.
  CONV*1234567890123456789012345
       ^^^^^^^^^^^^^^^^^^^^^^^^^""",
        ),
        (
            "INPUT(1x1234567890123456789012345)",
            """\
a number must be finite, and have at most 24 digits.
  INPUT(1x1234567890123456789012345)
        ^^^^^^^^^^^^^^^^^^^^^^^^^^^""",
        ),
    ],
)
def test_syntax_errors_mark_the_place_and_say_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(PatternError) as error:
        parse(text)
    assert str(error.value) == message.replace("<>", "")  # <> keeps spaces at the end of a line visible


def test_a_bracket_too_deep_is_marked() -> None:
    text = "[" * (MAX_DEPTH + 1) + "CONV" + "]" * (MAX_DEPTH + 1)
    with pytest.raises(PatternError) as error:
        parse(text)
    assert str(error.value) == f"brackets are nested more than 32 deep.\n  {text}\n  {' ' * MAX_DEPTH}^"


def test_brackets_as_deep_as_allowed_are_read() -> None:
    text = "[" * MAX_DEPTH + "CONV" + "]*2" * MAX_DEPTH
    assert sum(isinstance(node, Repeat) for node in walk(parse(text))) == MAX_DEPTH


def test_a_text_too_long_is_not_read() -> None:
    with pytest.raises(PatternError) as error:
        parse("A" * (MAX_CHARACTERS + 1))
    assert str(error.value) == (
        f"the pattern has 100,001 characters; at most 100,000 are read.\n  {'A' * 100}…\n  ^"
    )  # fmt: skip


def test_a_text_as_long_as_allowed_is_read() -> None:
    text = "->".join("A" * (MAX_CHARACTERS // 3)).ljust(MAX_CHARACTERS)
    assert len(parse(text).terms) == MAX_CHARACTERS // 3


def test_a_number_as_long_as_allowed_is_read() -> None:
    assert parse("CONV(" + "9" * MAX_DIGITS + ")") == chain(layer("CONV", argument(10**MAX_DIGITS - 1)))

"""Rows of numbers as people write them, read exactly, with a caret under what cannot be read."""

from __future__ import annotations

import re
from fractions import Fraction

from ..errors import ConfigError, mark
from ..text import cut

#: Rows of exact numbers, all of one length.
Rows = tuple[tuple[Fraction, ...], ...]

#: A whole number, a decimal or a fraction. No exponents, and no endless digits: a few characters
#: must not stand for a number that fills the memory.
NUMBER = re.compile(r"[+-]?(?:[0-9]{1,9}/[0-9]{1,9}|[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
#: Rows in parentheses, over one denominator.
OVER = re.compile(r"\s*\((?P<rows>[^()]*)\)\s*/\s*(?P<over>\S+)\s*")
LINE, TOKEN = re.compile(r"[^;\n]+"), re.compile(r"[^\s,]+")
#: A longer text is no filter but an accident.
MAX_CHARACTERS = 100_000
EXPECTED = "Write rows of numbers with ; between them, such as '1 1 1; 1 -1 1; 1 1 1', in decimals or as 1/9."


def read_rows(text: str) -> Rows:
    """Read rows of numbers.

    Parameters
    ----------
    text : str
        Whole numbers, decimals or fractions, with spaces or commas between them; rows end with ``;``
        or a line break. All rows may be put into parentheses over one denominator.

    Raises
    ------
    ConfigError
        With a caret under what is no number, or under a row of another length.

    Examples
    --------
    >>> read_rows("1 -1/2; .25 0")
    ((Fraction(1, 1), Fraction(-1, 2)), (Fraction(1, 4), Fraction(0, 1)))
    >>> read_rows("(1 2)/9")
    ((Fraction(1, 9), Fraction(2, 9)),)
    >>> read_rows("1 2; 3")
    Traceback (most recent call last):
    convstage.errors.ConfigError: row 2 has 1 number, but row 1 has 2.
      1 2; 3
           ^
    All rows need the same number of numbers.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"the filter has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read.\n{EXPECTED}")
    # People copy the typographic minus from papers and web pages; it is as long as the other.
    text = text.replace("−", "-")
    over = OVER.fullmatch(text)
    start, end = over.span("rows") if over else (0, len(text))
    scale = _number(text, *over.span("over"), below=True) if over else Fraction(1)
    rows: list[tuple[Fraction, ...]] = []
    for line in LINE.finditer(text, start, end):
        tokens = [token.span() for token in TOKEN.finditer(text, *line.span())]
        if not tokens:
            continue
        rows.append(tuple(_number(text, *token) * scale for token in tokens))
        if len(rows[-1]) != len(rows[0]):
            numbers = f"{len(rows[-1])} number{'s' if len(rows[-1]) > 1 else ''}"
            raise _error(
                f"row {len(rows)} has {numbers}, but row 1 has {len(rows[0])}.",
                text, tokens[0][0], tokens[-1][1], "All rows need the same number of numbers.",
            )  # fmt: skip
    if not rows:
        raise ConfigError(f"the filter has no numbers.\n{EXPECTED}")
    return tuple(rows)


def _number(text: str, start: int, end: int, *, below: bool = False) -> Fraction:
    """Return a number of the text, or, of one that stands below a line, one over it."""
    token = text[start:end]
    if not NUMBER.fullmatch(token):
        raise _error(f"{cut(token)!r} is no number.", text, start, end, EXPECTED)
    try:
        return 1 / Fraction(token) if below else Fraction(token)
    except ZeroDivisionError:
        raise _error(f"{cut(token)!r} divides by 0.", text, start, end, EXPECTED) from None


def _error(problem: str, text: str, start: int, end: int, hint: str) -> ConfigError:
    return ConfigError("\n".join([problem, *mark(text, start, end), hint]))

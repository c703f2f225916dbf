"""Answers as people write them, and whether they are right."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from ...errors import ConfigError
from ...text import examples
from .question import Question

#: Longer answers are no numbers that anybody means.
LONGEST = 40
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:/\d+)?")
_GROUPS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA = re.compile(r"([+-]?\d*),(\d+)")


def read_number(text: str, whole: bool = False) -> float:
    """Return the number that an answer means.

    Parameters
    ----------
    text : str
        ``0.25``, ``-1/9``, ``1,234``, ``1 234``, ``97 %``; a decimal comma is understood, too.
    whole : bool
        A count is asked for, so that a comma before three digits parts thousands; else it is a decimal comma
        where it could be both.

    Raises
    ------
    ConfigError
        It is no number.

    Examples
    --------
    >>> read_number("−1/9") == -1 / 9, read_number("0,5"), read_number("421,642", whole=True)
    (True, 0.5, 421642.0)
    """
    plain = re.sub(r"[\s_'’]", "", text).replace("\u2212", "-").rstrip("%")
    if _GROUPS.fullmatch(plain) and (whole or plain.count(",") > 1 or "." in plain):
        plain = plain.replace(",", "")
    plain = _COMMA.sub(r"\1.\2", plain) if plain.count(",") == 1 else plain
    if len(text) > LONGEST or not plain.isascii() or not _NUMBER.fullmatch(plain):
        raise ConfigError(f"the answer must be a number, such as 12, 0.25 or -1/9; got {text[:LONGEST]!r}.")
    above, _, below = plain.partition("/")
    over = Fraction(below or 1)
    if not over:
        raise ConfigError(f"nothing can be divided by 0; the answer was {text!r}.")
    return float(Fraction(above.rstrip(".")) / over)


def mark(question: Question, given: str | float) -> bool:
    """Return whether an answer is right.

    Parameters
    ----------
    question : Question
    given : str or float
        A number, or one of the question's choices.

    Raises
    ------
    ConfigError
        It is no number, or none of the choices.
    """
    if question.choices:
        if given not in question.choices:
            raise ConfigError(
                f"the answer must be one of {examples(question.choices, shown=8)}; got {str(given)[:LONGEST]!r}."
            )
        return given == question.answer
    number = read_number(given, isinstance(question.answer, int)) if isinstance(given, str) else float(given)
    if not math.isfinite(number):
        raise ConfigError(f"the answer must be a number, such as 12, 0.25 or -1/9; got {number}.")
    # A count is exact; elsewhere what floating point leaves beside the bound must not decide.
    return abs(number - float(question.answer)) <= question.tolerance * (1 + 1e-9)

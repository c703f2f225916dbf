"""Rows of numbers: read exactly; a caret under what cannot be read."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage.errors import ConfigError
from convstage.filters.rows import EXPECTED, read_rows

F = Fraction
ALIKE = "All rows need the same number of numbers."
numbers = st.fractions(min_value=-999, max_value=999, max_denominator=999)


@given(
    st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=5)),
    st.sampled_from(["; ", ";", "\n", " ;\n"]),
    st.sampled_from([" ", ", ", ",", "  "]),
)
def test_what_is_written_is_read(rows: list[list[Fraction]], between: str, beside: str) -> None:
    text = between.join(beside.join(map(str, row)) for row in rows)
    assert read_rows(text) == tuple(map(tuple, rows))
    assert read_rows(f" ({text}) / 9 ") == tuple(tuple(number / 9 for number in row) for row in rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1 1 1; 1 -1 1; 1 1 1", ((1, 1, 1), (1, -1, 1), (1, 1, 1))),
        ("0.1 .5 +2 3.", ((F(1, 10), F(1, 2), 2, 3),)),
        ("1/9 -1/9", ((F(1, 9), F(-1, 9)),)),
        ("−1 2", ((-1, 2),)),  # the minus of typographers
        ("1; 2;", ((1,), (2,))),
        (";; 1 ;\n\n 2 ;", ((1,), (2,))),
        ("(1 2; 2 4)/16", ((F(1, 16), F(1, 8)), (F(1, 8), F(1, 4)))),
        ("(1)/0.5", ((2,),)),
        ("(1 0)/-2", ((F(-1, 2), 0),)),
    ],
)
def test_ways_to_write(text: str, rows: object) -> None:
    assert read_rows(text) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2; 3 x", ["'x' is no number.", "  1 2; 3 x", "         ^", EXPECTED]),
        ("1 nan", ["'nan' is no number.", "  1 nan", "    ^^^", EXPECTED]),
        ("1e9 1", ["'1e9' is no number.", "  1e9 1", "  ^^^", EXPECTED]),
        ("1 1/0", ["'1/0' divides by 0.", "  1 1/0", "    ^^^", EXPECTED]),
        ("(1 2)/0", ["'0' divides by 0.", "  (1 2)/0", "        ^", EXPECTED]),
        ("(1 2)/x", ["'x' is no number.", "  (1 2)/x", "        ^", EXPECTED]),
        ("(1 2", ["'(1' is no number.", "  (1 2", "  ^^", EXPECTED]),
        ("1 1; 1", ["row 2 has 1 number, but row 1 has 2.", "  1 1; 1", "       ^", ALIKE]),
        ("1; 1  2", ["row 2 has 2 numbers, but row 1 has 1.", "  1; 1  2", "     ^^^^", ALIKE]),
        ("1 1\n1 ?", ["'?' is no number.", "  1 ?", "    ^", EXPECTED]),
        (" ;\n", ["the filter has no numbers.", EXPECTED]),
        ("", ["the filter has no numbers.", EXPECTED]),
    ],
)  # fmt: skip
def test_mistakes_are_shown_where_they_are(text: str, message: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        read_rows(text)
    assert str(error.value).splitlines() == message


@pytest.mark.parametrize(
    "text", ["1e999999999", "9" * 10, "1/" + "9" * 10, "0." + "1" * 10, "٣", "1_000", "0x1", "inf"]
)
def test_numbers_that_could_fill_the_memory_or_mean_something_else_are_none(text: str) -> None:
    with pytest.raises(ConfigError, match="is no number"):
        read_rows(f"1 {text}")


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_for_people(text: str) -> None:
    try:
        rows = read_rows(text)
    except ConfigError:
        return
    assert len({len(row) for row in rows}) == 1

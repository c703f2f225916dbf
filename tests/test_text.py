"""Numbers and sizes as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage.text import count, memory, size


@pytest.mark.parametrize(
    ("shape", "shown"),
    [((28, 30, 1), "28×30×1"), ((128,), "128"), ((), ""), ([3136, 2], "3136×2"), (iter((1, 2)), "1×2")],
)
def test_sizes(shape: tuple[int, ...], shown: str) -> None:
    assert size(shape) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (421_642, "421,642"),
        (999_999, "999,999"),
        (1_000_000, "1.00 M"),
        (4_241_152, "4.24 M"),
        (9_994_999, "9.99 M"),
        (9_999_999, "10.0 M"),
        (99_999_999, "100 M"),
        (999_499_999, "999 M"),
        (999_999_999, "1.00 G"),
        (12_000_300_002, "12.0 G"),
        (999_999_999_999, "1.00 T"),
        (785 * 10**12, "785 T"),
        (1_234_567 * 10**9, "1,235 T"),
        (2 * 10**21, "2,000,000,000 T"),
        (10**40, "10,000,000,000,000,000,000,000,000,000 T"),
        (10**400, f"{10**388:,} T"),
        (-5, "-5"),
    ],
)
def test_counts(number: int, shown: str) -> None:
    assert count(number) == shown


@settings(deadline=None)
@given(number=st.integers(10**6, 10**15 - 10**12))
def test_a_large_count_has_three_digits_and_is_right_within_them(number: int) -> None:
    shown = count(number)
    digits, unit = re.fullmatch(r"([\d.]+) ([MGT])", shown).groups()
    assert len(digits.replace(".", "")) == 3
    value = float(digits) * {"M": 10**6, "G": 10**9, "T": 10**12}[unit]
    assert abs(value - number) <= 0.00501 * number


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (784, "784 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (100_352, "98.0 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (2**20, "1.0 MiB"),
        (3 * 2**30, "3.0 GiB"),
        (2**40, "1.0 TiB"),
        (5000 * 2**40, "5,000.0 TiB"),
    ],
)
def test_memory(number: int, shown: str) -> None:
    assert memory(number) == shown

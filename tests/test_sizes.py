"""The arithmetic of a sliding window, against windows that are slid one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage.errors import ConfigError
from convstage.sizes import Window, input_size, margins_of, output_size, pair, same_margins, taps


def positions(n: int, f: int, s: int, before: int, after: int) -> list[range]:
    """The cells under every window, those in the padding below 0 or from n on."""
    return [range(start, start + f) for start in range(-before, n + after - f + 1, s)]


@st.composite
def axes(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """A map's side, filter size, stride, and padding on both sides, also more than the filter."""
    n, f, s = draw(st.integers(1, 30)), draw(st.integers(1, 9)), draw(st.integers(1, 7))
    return n, f, s, draw(st.integers(0, 2 * f)), draw(st.integers(0, 2 * f))


@settings(deadline=None)
@given(axis=axes())
def test_output_size_counts_the_places_where_the_window_can_stand(axis: tuple[int, int, int, int, int]) -> None:
    assert max(0, output_size(*axis)) == len(positions(*axis))


@settings(deadline=None)
@given(axis=axes())
def test_taps_are_the_cells_under_all_windows_without_the_padding(axis: tuple[int, int, int, int, int]) -> None:
    n = axis[0]
    assert taps(*axis) == sum(0 <= cell < n for window in positions(*axis) for cell in window)


def test_taps_of_a_huge_map_take_no_loop() -> None:
    n = 10**15
    assert taps(n, f=3, s=1, before=1, after=1) == 3 * n - 2


@settings(deadline=None)
@given(axis=axes(), n_out=st.integers(1, 20))
def test_input_size_is_the_smallest_that_gives_as_many_outputs(
    axis: tuple[int, int, int, int, int], n_out: int
) -> None:
    _, f, s, before, after = axis
    n = input_size(n_out, f, s, before, after)
    assert output_size(n, f, s, before, after) == n_out
    assert output_size(n - 1, f, s, before, after) == n_out - 1


def test_without_padding_both_sizes_are_the_lectures_formula() -> None:
    assert [output_size(n, f=3, s=2) for n in (3, 4, 5, 28)] == [(n - 3) // 2 + 1 for n in (3, 4, 5, 28)]
    assert [input_size(n_out, f=3, s=2) for n_out in (1, 2, 13)] == [3, 5, 27]


@settings(deadline=None)
@given(n=st.integers(1, 40), f=st.integers(1, 12), g=st.integers(1, 12), s=st.integers(1, 5))
def test_same_keeps_the_size_and_with_a_stride_divides_it(n: int, f: int, g: int, s: int) -> None:
    top, bottom, left, right = same_margins((f, g))
    assert output_size(n, f, 1, top, bottom) == output_size(n, g, 1, left, right) == n
    assert output_size(n, f, s, top, bottom) == -(-n // s)
    assert bottom - top == (f % 2 == 0)
    assert right - left == (g % 2 == 0)


def test_a_window_takes_rows_and_columns_apart() -> None:
    window = Window(size=(5, 2), stride=(2, 1), margins=(2, 1, 0, 1))
    assert window.output((10, 7, 3)) == (output_size(10, 5, 2, 2, 1), output_size(7, 2, 1, 0, 1)) == (5, 7)
    assert window.taps((10, 7, 3)) == taps(10, 5, 2, 2, 1) * taps(7, 2, 1, 0, 1) == (3 + 5 + 5 + 5 + 4) * 13


def test_a_window_that_does_not_fit_has_no_output_and_reads_nothing() -> None:
    window = Window(size=(3, 3), stride=(1, 1))
    assert min(window.output((2, 5, 1))) < 1
    assert window.taps((2, 5, 1)) == 0


@pytest.mark.parametrize(
    ("value", "expected"), [(3, (3, 3)), ((2, 5), (2, 5)), ([2, 5], (2, 5)), (np.int64(3), (3, 3)), ((4,), (4, 4))]
)
def test_a_pair_is_one_number_or_two(value: Any, expected: tuple[int, int]) -> None:
    assert pair(value, "stride") == expected


@pytest.mark.parametrize("value", [0, -1, (1, 0), (1, 2, 3), (), 1.5, (1.0, 2.0), "3", None, True])
def test_what_is_no_pair_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        pair(value, "stride")
    assert str(error.value) == f"stride must be a number or (rows, columns), each at least 1; got {value!r}."


@pytest.mark.parametrize(
    ("padding", "margins"),
    [
        ("valid", (0, 0, 0, 0)),
        ("same", (1, 2, 1, 1)),
        (0, (0, 0, 0, 0)),
        (2, (2, 2, 2, 2)),
        ((1, 2), (1, 1, 2, 2)),
        ((0, 2), (0, 0, 2, 2)),
        ((1, 2, 3, 0), (1, 2, 3, 0)),
        (np.array([1, 2]), (1, 1, 2, 2)),
    ],
)
def test_padding_in_its_long_form(padding: Any, margins: tuple[int, int, int, int]) -> None:
    assert margins_of(padding, (4, 3)) == margins


@pytest.mark.parametrize("padding", ["full", "SAME", -1, (1, -1), (1, 2, 3), (0, 0, 0, -1), 1.5, None, ()])
def test_what_is_no_padding_is_refused(padding: Any) -> None:
    with pytest.raises(ConfigError) as error:
        margins_of(padding, (3, 3))
    assert str(error.value) == (
        "padding must be valid, same, or zeros counted: a number, (rows, columns) or (top, bottom, left, right); "
        f"got {padding!r}."
    )  # fmt: skip

"""What is written behind --search and --fix."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage import Config, ConfigError
from convstage.search.choices import DEFAULTS, DROPOUT, FILTERS, SETTINGS, Choice, read_all, read_choice, read_value


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_that_can_be_searched_is_one_and_its_default_can_be_fixed(name: str) -> None:
    default = 64 if name == "batch_size" else getattr(Config(), name)
    text = ("off", "on")[default] if isinstance(default, bool) else str(default)
    assert read_value(name, text) == default


@pytest.mark.parametrize(("name", "text"), DEFAULTS.items(), ids=DEFAULTS)
def test_the_ranges_of_the_defaults_hold_the_defaults_of_a_training(name: str, text: str) -> None:
    choice = read_choice(name, text)
    usual = {FILTERS: 32, DROPOUT: 0.5, "batch_size": 64}
    assert choice.holds(usual.get(name) or getattr(Config(), name))


@given(st.floats(1e-6, 1.0), st.floats(1.001, 9))
def test_a_range_is_logarithmic_from_ten_times_on(low: float, factor: float) -> None:
    assert not read_choice("learning_rate", f"{low!r}..{low * factor!r}").log
    wide = read_choice("learning_rate", f"{low!r}..{low * 10.001!r}") if low <= 0.9 else None
    assert wide is None or wide.log


def test_the_grid_of_a_range_is_its_ends_and_its_middle() -> None:
    assert read_choice("rotate", "0..10").grid() == (0.0, 5.0, 10.0)
    low, middle, high = read_choice("learning_rate", "1e-4..1e-2").grid()
    assert (low, high) == (1e-4, 1e-2)
    assert math.isclose(middle, 1e-3)
    assert read_choice("filters", "4..5").grid() == (4, 5)
    assert read_choice("batch_size", "8|16").grid() == (8, 16)


def test_words_of_a_setting_need_not_be_listed() -> None:
    assert read_choice("balance", "").values == ("auto", "weights", "sampling", "off")
    assert read_choice("augment", "yes, no").values == (True, False)


def test_what_is_searched_anyway_is_left_out_where_it_is_fixed() -> None:
    names = [choice.name for choice in read_all({"weight-decay": "0,0.1", "rotate": "0..5"}, {"augment", "dropout"})]
    assert names == ["learning_rate", "batch_size", "weight_decay", "filters", "rotate"]
    assert [choice.name for choice in read_all({"rotate": "0..5"}, {"all"})] == ["rotate"]
    assert read_all({}, {"all"}) == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("learning_rat", "1..2", "learning_rat cannot be searched.\nDid you mean learning_rate?"),
        ("seed", "1,2", "seed cannot be searched.\nThese can be: learning_rate, batch_size"),
        ("learning_rate", "1e-2..1e-4", "learning_rate = 1e-2..1e-4: a range begins below its end."),
        ("learning_rate", "fast", "learning_rate = 'fast': expected numbers, as a range such as 1e-4..1e-2 or a list."),
        ("learning_rate", "", "learning_rate = '': expected numbers"),
        ("learning_rate", "nan", "learning_rate = 'nan': expected numbers"),
        ("learning_rate", "1..inf", "learning_rate = 'inf': expected numbers"),
        ("learning_rate", "1e-3..11", "learning_rate = 11.0: input should be less than or equal to 10"),
        ("batch_size", "1.5,2", "batch_size = '1.5': expected whole numbers"),
        ("batch_size", "16,16", "batch_size = 16,16: list every value once"),
        ("augment", "maybe", "augment = 'maybe': expected on or off"),
        ("augment", "0..1", "augment = 0..1: it has no ranges; list its values, as in augment=on,off."),
        ("flip", "sideways", "flip = 'sideways'"),
        ("filters", "0,8", "filters = 0: the first stage has 1 to 4,096 filters."),
        ("dropout", "0.5..1", "dropout = 1.0: a share of at least 0 and below 1."),
    ],
)
def test_mistakes_are_explained(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_choice(name, text)
    assert message in str(caught.value)


def test_what_is_fixed_is_one_value_and_is_not_searched() -> None:
    with pytest.raises(
        ConfigError, match="a setting is fixed to one value; --search batch_size=16,32 searches several"
    ):
        read_value("batch_size", "16,32")
    with pytest.raises(ConfigError, match=r"augment is to be searched \(all values\) and has a value, too."):
        read_all({"augment": ""}, {"augment"})


def test_a_choice_says_what_it_holds() -> None:
    assert Choice("x", (1, 2)).holds(2)
    assert not Choice("x", (1, 2)).holds(None)
    assert Choice("x", (), 0.5, 2.0).holds(0.5)
    assert not Choice("x", (), 0.5, 2.0).holds(2.1)

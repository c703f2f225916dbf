"""Other filters, and dropout: the same network but for those."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import ConfigError, Pattern, PatternError
from convstage.search.rewrite import has_dropout, has_free_filters, tidy, with_dropout, with_filters

LAYERS = st.sampled_from(["CONV", "CONV(5x5)", "CONV(6)", "CONV(k=7)", "CONV(s=1)", "RELU", "POOL(2, stride=1)"])


def chains(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chain = st.lists(inner, min_size=1, max_size=3).map(" -> ".join)
    return st.tuples(chain, st.integers(1, 3)).map(lambda parts: f"[{parts[0]}]*{parts[1]}")


PARTS = st.recursive(LAYERS, chains, max_leaves=6)
PATTERNS = (
    st.lists(PARTS, min_size=1, max_size=3)
    .map(lambda parts: f"INPUT -> {' -> '.join(parts)} -> CLASSIFIER")
    .filter(lambda text: fits(text))
)


def fits(text: str) -> bool:
    """Return whether the image is large enough: chains of chains may have dozens of poolings."""
    try:
        Pattern(text).plan("32x32x1", 2)
    except PatternError:
        return False
    return True


def layers(pattern: Pattern) -> list[tuple]:
    """Kind and settings of every layer; filters of convolutions apart."""
    plan = pattern.plan("32x32x1", 2)
    return [(row.kind, {**row.settings, "filters": None}, row.settings.get("filters")) for row in plan.rows]


@settings(max_examples=25, deadline=None)
@given(PATTERNS, st.sampled_from([1, 4, 12, 32, 64]))
def test_filters_begin_with_the_first_and_double_as_they_do_by_default(text: str, first: int) -> None:
    pattern = Pattern(text)
    before, after = layers(pattern), layers(with_filters(pattern, first))
    assert [layer[:2] for layer in before] == [layer[:2] for layer in after]
    pools = 0
    for (kind, _, was), (_, _, now) in zip(before, after, strict=True):
        if kind == "CONV":
            free = was == 32 << pools  # those that a pattern gives are below 32 here
            assert now == (first << pools if free else was)
        pools += kind == "POOL"
    # What was written out, or dealt out, is what it says: reading it again changes nothing.
    again = with_filters(pattern, first)
    assert layers(Pattern(str(again))) == after


@settings(max_examples=25, deadline=None)
@given(PATTERNS)
def test_tidying_changes_no_layer(text: str) -> None:
    assert layers(tidy(Pattern(text))) == layers(Pattern(text))
    assert "]*1" not in str(tidy(Pattern(text)))


@settings(max_examples=25, deadline=None)
@given(PATTERNS, st.sampled_from([0.0, 0.25, 0.5]))
def test_dropout_comes_before_the_classifier_and_changes_nothing_else(text: str, share: float) -> None:
    made = with_dropout(Pattern(text), share)
    kinds = [row.kind for row in made.plan("32x32x1", 2).rows]
    assert ("DROPOUT" in kinds) == (share > 0)
    if share:
        assert kinds.index("DROPOUT") == len(kinds) - 2 - (kinds[-2] == "FLATTEN")
        assert made.plan("32x32x1", 2).rows[kinds.index("DROPOUT")].settings == {"share": share}
    assert made.plan("32x32x1", 2).parameters == Pattern(text).plan("32x32x1", 2).parameters


def test_dropout_that_a_family_says_stays_and_that_which_it_leaves_open_is_set() -> None:
    said = Pattern("INPUT -> [FC -> DROPOUT(0.3)]*2 -> FC -> DROPOUT -> CLASSIFIER")
    assert str(with_dropout(said, 0.1)) == "INPUT -> [FC -> DROPOUT(0.3)]*2 -> FC -> DROPOUT(0.1) -> CLASSIFIER"
    assert has_dropout(said) and has_dropout(said, free=True)
    assert not has_dropout(Pattern("INPUT -> FC -> DROPOUT(0.3) -> CLASSIFIER"), free=True)


def test_a_pattern_that_ends_in_brackets_has_no_place_for_dropout() -> None:
    with pytest.raises(ConfigError, match="no dropout can be put before its classifier"):
        with_dropout(Pattern("INPUT -> [FC -> CLASSIFIER]*1"), 0.5)


@pytest.mark.parametrize(
    ("text", "free"),
    [("CONV", True), ("CONV(5x5, valid)", True), ("CONV(8)", False), ("CONV(5x5, 8)", False), ("CONV(k=8)", False),
     ("CONV(8|16)", False), ("FC", False)],
)  # fmt: skip
def test_whether_filters_are_left_open(text: str, free: bool) -> None:
    assert has_free_filters(Pattern(f"INPUT -> [{text} -> RELU]*N -> CLASSIFIER")) == free

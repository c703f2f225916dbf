import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from convstage import resampling
from convstage.resampling import RESAMPLES, intervals, number_groups, resamples, wilson


def mean_of(values: np.ndarray):
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def interval(values: np.ndarray, groups: np.ndarray | None = None, trials: dict | None = None) -> tuple[float, float]:
    groups = np.arange(len(values)) if groups is None else groups
    low, high = intervals(mean_of(values), {"mean": np.asarray(values.mean())}, groups, trials or {})["mean"]
    return float(low), float(high)


def test_resamples_draw_with_replacement() -> None:
    drawn = np.concatenate(list(resamples(np.arange(50))))
    assert drawn.shape == (RESAMPLES, 50)
    assert (drawn.sum(axis=1) == 50).all()
    # The counts of a draw of n with replacement have variance 1 - 1/n.
    assert drawn.var() == pytest.approx(1 - 1 / 50, rel=0.02)


def test_blocks_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = number_groups(["a", "b", "b", "c", "d"], 5)
    whole = np.concatenate(list(resamples(groups)))
    monkeypatch.setattr(resampling, "BLOCK_VALUES", 35)
    blocks = list(resamples(groups))
    assert len(blocks) > 100
    assert (np.concatenate(blocks) == whole).all()


def test_a_group_is_drawn_as_one() -> None:
    groups = number_groups(["b", "a", "b", "c"], 4)
    assert groups.tolist() == [1, 0, 1, 2]
    drawn = np.concatenate(list(resamples(groups)))
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_copies_in_one_group_tell_nothing_new() -> None:
    """Every image three times, in the group of its copies, gives the interval of every image once."""
    values = np.random.default_rng(0).random(40)
    assert interval(np.repeat(values, 3), np.repeat(np.arange(40), 3)) == pytest.approx(interval(values))
    low, high = interval(np.repeat(values, 3))
    assert high - low < 0.7 * np.subtract(*interval(values)[::-1])


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(0).normal(size=400)
    low, high = interval(values)
    reach = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.1 * reach)


def test_the_bias_is_corrected() -> None:
    """A figure that every resample raises, as a distance from zero: percentiles alone would lie above it."""
    values = np.random.default_rng(3).normal(size=100)

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"distance": np.abs((weights * values).reshape(len(weights), 10, 10).sum(axis=2)).sum(axis=1)}

    point = figures(np.ones((1, 100)))["distance"][0]
    drawn = np.concatenate([figures(weights)["distance"] for weights in resamples(np.arange(100))])
    low, high = intervals(figures, {"distance": np.asarray(point)}, np.arange(100), {})["distance"]
    assert np.mean(drawn) > 1.1 * point
    assert low < np.quantile(drawn, 0.025)
    assert low <= point <= high < np.quantile(drawn, 0.9)


@pytest.mark.parametrize("n", [1, 5, 60])
def test_at_the_bound_the_interval_is_the_binomial_one(n: int) -> None:
    trials = {"mean": np.asarray(float(n))}
    exact = stats.binomtest(n, n).proportion_ci(method="exact")
    assert interval(np.ones(n), trials=trials) == pytest.approx((exact.low, 1))
    assert interval(np.zeros(n), trials=trials) == pytest.approx((0, 1 - exact.low))


def test_what_is_undefined_has_no_interval() -> None:
    low, high = intervals(mean_of(np.ones(3)), {"mean": np.asarray(np.nan)}, np.arange(3), {})["mean"]
    assert np.isnan(low)
    assert np.isnan(high)


def test_several_figures_at_once_are_each_as_alone() -> None:
    values = np.random.default_rng(1).random((30, 2))

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"means": weights @ values / weights.sum(axis=1, keepdims=True)}

    low, high = intervals(figures, {"means": values.mean(axis=0)}, np.arange(30), {})["means"]
    for column in range(2):
        assert (low[column], high[column]) == pytest.approx(interval(values[:, column]))


@given(st.integers(1, 300), st.floats(0, 1))
def test_wilson_is_scipys(n: int, share: float) -> None:
    hits = round(n * share)
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)

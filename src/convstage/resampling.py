"""Bootstrap intervals, for any figures at once.

A resample is a vector of counts, one per image: how often it was drawn. Every figure is
a function of such weights (`weighted`), so that hundreds of resamples are a few sums
over one matrix. Images of one group (one patient, say) are drawn together, because they
tell the same thing again: the groups are resampled (cluster bootstrap, Davison and
Hinkley 1997, section 3.8).

Intervals are bias-corrected percentiles (Efron 1981; Efron and Tibshirani 1993, section
14.3). Plain percentiles are wrong for the calibration error, which every resample
raises.

A figure at its bound is where the bootstrap fails: whoever is right about five images of
five is right in every resample of them. There the bound comes from the exact binomial
interval (Clopper and Pearson 1934) of as many trials as independent images stand behind
the figure, which for n of n is (1 - level)/2 to the power 1/n. For a mean of values in 0..1 that are all 1,
such as an AUROC of 1, it is a bound as well: their mean is at least the share of ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

#: Resamples, level and seed of the intervals.
RESAMPLES, LEVEL, SEED = 2000, 0.95, 0
#: Values of a block of resamples; memory stays within a few times as much, for any number of images.
BLOCK_VALUES = 2_000_000
#: Sums in another order differ in the last digits; figures that differ by less count as equal.
ROUNDING = 1e-12

Floats = npt.NDArray[np.float64]
#: Weights of shape (resamples, images) -> figures by name, of shape (resamples,) or (resamples, several).
Figures = Callable[[Floats], Mapping[str, Floats]]
NORMAL = NormalDist()


def intervals(
    figures: Figures, points: Mapping[str, Floats], groups: npt.NDArray[np.int64], trials: Mapping[str, Floats]
) -> dict[str, tuple[Floats, Floats]]:
    """Return lower and upper bounds of figures.

    Parameters
    ----------
    figures : callable
        Weights of shape (resamples, n) to figures by name; NaN where a resample has none.
    points : dict of str to ndarray
        The figures of the images themselves, of shape () or (several,).
    groups : ndarray of int, shape (n,)
        Group of every image, numbered from 0; see `number_groups`.
    trials : dict of str to ndarray
        For figures in 0..1, the independent images behind each, shaped as `points`.

    Returns
    -------
    dict of str to (ndarray, ndarray)
        NaN where the figure is undefined. The bounds always hold the figure.
    """
    drawn = [figures(weights) for weights in resamples(groups)]
    bounds = {}
    for name, point in points.items():
        values = np.concatenate([part[name] for part in drawn]).reshape(RESAMPLES, -1)
        flat = np.atleast_1d(point)
        pairs = np.array([_corrected(values[:, place], value) for place, value in enumerate(flat)])
        low, high = np.minimum(pairs[:, 0], flat), np.maximum(pairs[:, 1], flat)
        if name in trials:
            exact = ((1 - LEVEL) / 2) ** (1 / np.maximum(np.atleast_1d(trials[name]), 1))
            low = np.where(flat > 1 - ROUNDING, exact, low)
            high = np.where(flat < ROUNDING, 1 - exact, high)
        bounds[name] = low.reshape(np.shape(point)), high.reshape(np.shape(point))
    return bounds


def _corrected(values: Floats, point: float) -> tuple[float, float]:
    """Return the bias-corrected percentiles of resampled values."""
    values = values[~np.isnan(values)]  # a resample without an image of the class says nothing
    if np.isnan(point) or not len(values):
        return np.nan, np.nan
    near = np.abs(values - point) < ROUNDING
    below = (((values < point) & ~near).sum() + near.sum() / 2) / len(values)
    bias = NORMAL.inv_cdf(float(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values))))
    tail = NORMAL.inv_cdf((1 + LEVEL) / 2)
    low, high = np.quantile(values, [NORMAL.cdf(2 * bias - tail), NORMAL.cdf(2 * bias + tail)])
    return float(low), float(high)


def resamples(groups: npt.NDArray[np.int64]) -> Iterator[Floats]:
    """Yield the weights of `RESAMPLES` resamples of the groups, in blocks of shape (some, n)."""
    random = np.random.default_rng(SEED)
    count = int(groups.max()) + 1
    block = max(1, BLOCK_VALUES // len(groups))
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = random.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield counts[:, groups].astype(np.float64)


def number_groups(groups: Sequence[str] | None, n: int) -> npt.NDArray[np.int64]:
    """Return the groups of n images as numbers from 0; without groups, every image is one."""
    if groups is None:
        return np.arange(n)
    return np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1].reshape(n).astype(np.int64)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the interval of a share, `hits` of `n`, of independent images (Wilson 1927).

    Examples
    --------
    >>> low, high = wilson(19, 20)
    >>> round(low, 2), round(high, 2)
    (0.76, 0.99)
    """
    z = NORMAL.inv_cdf((1 + LEVEL) / 2)
    centre = (hits + z * z / 2) / (n + z * z)
    reach = z / (n + z * z) * sqrt(hits * (n - hits) / n + z * z / 4)
    return max(0.0, centre - reach), min(1.0, centre + reach)

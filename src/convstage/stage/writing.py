"""Numbers and sums in writing, as receipts have them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import ConfigError
from .reference import Array


def written(value: float, decimals: int) -> str:
    """Write a number with as many decimals as it needs and may have: 1, 0.5, but 0.50 for 0.501."""
    if math.isfinite(value):
        # What floating point left beside a round number is not worth showing.
        tolerance = 1e-6 if round(value, decimals) else 1e-12
        for places in range(decimals + 1):
            rounded = round(value, places)
            if math.isclose(value, rounded, rel_tol=0, abs_tol=tolerance):
                return f"{rounded + 0.0:.{places}f}"  # + 0.0 makes -0.0 a plain 0
        if not round(value, decimals):  # would read as 0, which it is not
            return f"{value:.1g}"
    return f"{value:.{decimals}f}"


def guarded(text: str) -> str:
    """Put a negative number in parentheses, so that no two signs meet."""
    return f"({text})" if text.startswith("-") else text


def summands(values: Iterable[float], decimals: int, over: str = "") -> list[str]:
    """Write numbers that will be added, or their products; the first one needs no parentheses."""
    first, *others = (written(value, decimals) + over for value in values)
    return [first, *map(guarded, others)]


def products(values: Iterable[float], weights: Iterable[float], decimals: int) -> list[str]:
    """Write products that will be added, each as value×weight."""
    pairs = zip(summands(values, decimals), weights, strict=True)
    return [f"{value}×{guarded(written(weight, decimals))}" for value, weight in pairs]


def added(summands: Sequence[str], terms: int | None) -> str:
    """Write a sum of at most `terms` of its summands."""
    return " + ".join(abbreviated(summands, terms))


def abbreviated(parts: Sequence[str], terms: int | None) -> list[str]:
    """Return at most `terms` parts, with "…" in the middle for the others; all of them when it is None."""
    if terms is None or len(parts) <= terms:
        return list(parts)
    if terms < 2:
        raise ConfigError(f"terms must be at least 2, one for each end of the sum; got {terms}")
    return [*parts[: terms - terms // 2], "…", *parts[-(terms // 2) :]]


def numerators(values: Array, denominator: int) -> Array:
    """Return values as whole numbers over a denominator."""
    if denominator < 1:
        raise ConfigError(f"denominator must be at least 1; got {denominator}")
    scaled = values * denominator
    whole = np.round(scaled)
    # Filters in float32 are off their ninths by about 1e-8.
    for value in scaled[~np.isclose(scaled, whole, rtol=0, atol=1e-6)]:
        raise ConfigError(f"{value / denominator:g} is not a whole number over {denominator}: leave denominator out")
    return whole

"""The stage by its definition: convolution → non-linearity → pooling, cell by cell.

Every number of a map is computed by itself, in float64, in the words of the lecture:
lay the filter over a patch of the image, multiply cell by cell, add everything up.
This is slow, and meant to be: faster implementations are tested against it, and the
arithmetic that people see (`convstage.stage.receipt`) is this arithmetic.

Arrays are height × width × channels, and their names end in their axes: ``x_hwc`` is
an image, ``w_kfgc`` are K filters of f × g cells and C channels, ``y_hwk`` are their maps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from ..sizes import Padding, Pair, Window, margins_of, pair

Array = NDArray[np.float64]

P = ParamSpec("P")
R = TypeVar("R")


def quiet(function: Callable[P, R]) -> Callable[P, R]:
    """Let infinities and NaN go the way of IEEE arithmetic (inf × 0 is NaN) without a warning, as in torch."""

    @wraps(function)
    def silenced(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(invalid="ignore", over="ignore"):
            return function(*args, **kwargs)

    return silenced


# ------------------------------------------------------------------ convolution


@quiet
def cross_correlate(
    image: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = "valid",
) -> Array:
    """Slide filters over an image: every cell is the sum of patch × filter, plus the bias.

    This is what deep learning, torch included, calls "convolution". A mathematician's
    convolution turns the filter by 180 degrees first, see `convolve`. A network learns
    its filters, and would learn them turned: to it the two are the same.

    Parameters
    ----------
    image : array_like, shape (H, W) or (H, W, C)
        Image or feature maps.
    filters : array_like, shape (fh, fw), (fh, fw, C) or (K, fh, fw, C)
        One filter or several. A filter has as many channels as the image.
    bias : array_like, shape (K,), optional
        One number per filter, added to each cell of its map.
    stride : int or (int, int)
        Rows and columns from one patch to the next.
    padding : {"valid", "same"}, int, (rows, columns) or (top, bottom, left, right)
        Zeros around the image. "valid" is none. "same" keeps the image's size at stride
        1, and is as wide at any other stride; an even filter gets its extra row at the
        bottom and its extra column on the right.

    Returns
    -------
    ndarray, shape (H', W', K), or (H', W') for a filter of shape (fh, fw)
        ``n' = floor((n + p - f)/s) + 1``, where p counts the zeros of both sides.

    Examples
    --------
    >>> image = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    >>> cross_correlate(image, [[1, 0], [0, 10]])
    array([[51., 62.],
           [84., 95.]])
    >>> cross_correlate(image, np.ones((4, 3, 3, 1)), padding="same").shape
    (3, 3, 4)
    """
    problem = CrossCorrelation.of(image, filters, bias, stride, padding)
    y_hwk = np.empty(problem.shape)
    for row, column, k in np.ndindex(problem.shape):
        y_hwk[row, column, k] = problem.value(row, column, k)
    return y_hwk[:, :, 0] if np.ndim(filters) == 2 else y_hwk


def convolve(
    image: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = "valid",
) -> Array:
    """Convolve as mathematics does: turn the filters by 180 degrees, then `cross_correlate`.

    Turning is what makes convolution commutative and associative. Deep learning leaves
    it out and keeps the name; only filters that a half turn leaves unchanged give the
    same map either way. Parameters and result are those of `cross_correlate`.

    Examples
    --------
    >>> convolve([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, 10]])
    array([[15., 26.],
           [48., 59.]])
    """
    filters = _numbers(filters, "filters", (2, 3, 4))
    # Rows and columns turn; channels are no direction, they stay.
    turned = np.flip(filters, axis=(1, 2) if filters.ndim == 4 else (0, 1))
    return cross_correlate(image, turned, bias, stride=stride, padding=padding)


@dataclass(frozen=True, slots=True, eq=False)
class CrossCorrelation:
    """The arguments of a cross-correlation, checked and in their long form, and how one cell of it comes about.

    Attributes
    ----------
    padded_hwc : ndarray, shape (top + H + bottom, left + W + right, C)
        The image with its zeros.
    w_kfgc : ndarray, shape (K, fh, fw, C)
        The filters.
    bias_k : ndarray, shape (K,), or None
        The biases.
    window : Window
        The filter's size, its stride and the margins.
    shape : (int, int, int)
        Height, width and filters of the result.
    """

    padded_hwc: Array
    w_kfgc: Array
    bias_k: Array | None
    window: Window
    shape: tuple[int, int, int]

    @classmethod
    def of(
        cls, image: ArrayLike, filters: ArrayLike, bias: ArrayLike | None, stride: int | Pair, padding: Padding
    ) -> CrossCorrelation:
        """Check the arguments of `cross_correlate`; `ConfigError` says what does not fit."""
        x_hwc = _numbers(image, "image", (2, 3))
        x_hwc = x_hwc[:, :, None] if x_hwc.ndim == 2 else x_hwc
        w_kfgc = _numbers(filters, "filters", (2, 3, 4))
        w_kfgc = w_kfgc[:, :, None] if w_kfgc.ndim == 2 else w_kfgc
        w_kfgc = w_kfgc[None] if w_kfgc.ndim == 3 else w_kfgc

        number, height, width, channels = w_kfgc.shape
        if channels != x_hwc.shape[2]:
            raise ConfigError(f"filters have {_count(channels, 'channel')}, but the image has {x_hwc.shape[2]}")
        bias_k = None if bias is None else np.asarray(bias, np.float64).reshape(-1)
        if bias_k is not None and len(bias_k) != number:
            raise ConfigError(f"bias needs one number per filter, {number}; got {len(bias_k)}")

        top, bottom, left, right = margins = margins_of(padding, (height, width))
        padded_hwc = np.pad(x_hwc, ((top, bottom), (left, right), (0, 0)))
        window = Window((height, width), pair(stride, "stride"), margins)
        fits = window.output(x_hwc.shape)
        if min(fits) < 1:
            around = f", padded to {_size(padded_hwc)}" if any(margins) else ""
            raise ConfigError(f"a filter of {height}×{width} is larger than the image, {_size(x_hwc)}{around}")
        return cls(padded_hwc, w_kfgc, bias_k, window, (*fits, number))

    def patch(self, row: int, column: int) -> Array:
        """Return the part of the padded image that one cell of the maps reads, shape (fh, fw, C)."""
        return look(self.padded_hwc, row, column, self.window.size, self.window.stride)

    def value(self, row: int, column: int, k: int) -> float:
        """Return one cell of map `k`: the definition of convolution."""
        products = self.patch(row, column) * self.w_kfgc[k]
        return float(products.sum() + (0 if self.bias_k is None else self.bias_k[k]))


# --------------------------------------------------------------- non-linearity


_erf = np.vectorize(math.erf, otypes=[np.float64])

_definitions: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, 0.0),  # of NaN it is NaN, where "x if x > 0 else 0" would hide it
    "sigmoid": lambda x: np.asarray(1 / (1 + np.exp(-x))),
    "tanh": np.tanh,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),  # expm1(x) = exp(x) - 1, exact near 0
    "gelu": lambda x: np.asarray(x * (1 + _erf(x / math.sqrt(2))) / 2),
    "silu": lambda x: np.asarray(x / (1 + np.exp(-x))),
}
#: Every non-linearity by its name, the pattern's in lower case: arrays of any shape to arrays of that shape.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {name: quiet(f) for name, f in _definitions.items()}


def activate(x: Array, activation: str | None) -> Array:
    """Apply a non-linearity by its name; without one the values stay as they are."""
    if activation is None:
        return x
    if activation not in ACTIVATIONS:
        raise ConfigError(f"activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}")
    return ACTIVATIONS[activation](x)


# --------------------------------------------------------------------- pooling


def max_pool(maps: ArrayLike, size: int | Pair = 2, stride: int | Pair | None = None) -> Array:
    """Keep the largest value of every window; NaN, where there is one.

    Parameters
    ----------
    maps : array_like, shape (H, W) or (H, W, K)
        Feature maps; each is pooled by itself.
    size : int or (int, int)
        Height and width of the window.
    stride : int or (int, int), optional
        Rows and columns from one window to the next; the window's size when not given.

    Returns
    -------
    ndarray, shape (H', W') or (H', W', K)
        ``n' = floor((n - f)/s) + 1``: rows and columns that fill no window are left out.

    Examples
    --------
    >>> max_pool([[0, 9, 0], [0, 1, 0], [0, 3, 0]], size=2, stride=1)
    array([[9., 9.],
           [3., 3.]])
    """
    return _pool(maps, size, stride, lambda values: values[winner(values)])


def winners(maps: ArrayLike, size: int | Pair = 2, stride: int | Pair | None = None) -> NDArray[np.intp]:
    """Return which cell of its window gave each cell of `max_pool`, counted row by row from 0.

    The first of several maxima wins. Of several NaN the last wins, as in torch.
    Parameters are those of `max_pool`.

    Examples
    --------
    >>> winners([[0, 9, 0], [0, 1, 0], [0, 3, 0]], size=2, stride=1)
    array([[1, 0],
           [3, 2]])
    """
    return _pool(maps, size, stride, winner).astype(np.intp)


@quiet
def average_pool(maps: ArrayLike, size: int | Pair = 2, stride: int | Pair | None = None) -> Array:
    """Take the mean of every window. Parameters and shape of the result are those of `max_pool`.

    Examples
    --------
    >>> average_pool([[0, 9, 0], [0, 1, 0], [0, 3, 0]], size=2, stride=1)
    array([[2.5, 2.5],
           [1. , 1. ]])
    """
    return _pool(maps, size, stride, np.mean)


#: The kinds of pooling by the names that the layer pattern has for them.
POOLINGS: dict[str, Callable[[ArrayLike, int | Pair, int | Pair | None], Array]] = {
    "max": max_pool,
    "avg": average_pool,
}


def winner(values: Array) -> int:
    """Return the place of the largest of a row of values: the first maximum, but the last NaN."""
    missing = np.flatnonzero(np.isnan(values))
    return int(missing[-1] if missing.size else np.argmax(values))


def pool_window(maps: tuple[int, ...], size: int | Pair, stride: int | Pair | None) -> Window:
    """Return the checked pooling window over maps of the given shape."""
    height, width = pair(size, "pool size")
    window = Window((height, width), (height, width) if stride is None else pair(stride, "pool stride"))
    if min(window.output(maps)) < 1:
        raise ConfigError(f"a pooling window of {height}×{width} is larger than the map, {maps[0]}×{maps[1]}")
    return window


def _pool(maps: ArrayLike, size: int | Pair, stride: int | Pair | None, rule: Callable[[Array], Any]) -> Array:
    """Apply `rule` to the values of every window, listed row by row."""
    y = _numbers(maps, "maps", (2, 3))
    y_hwk = y[:, :, None] if y.ndim == 2 else y
    window = pool_window(y.shape, size, stride)
    pooled_hwk = np.empty((*window.output(y.shape), y_hwk.shape[2]))
    for row, column, k in np.ndindex(pooled_hwk.shape):
        pooled_hwk[row, column, k] = rule(look(y_hwk[:, :, k], row, column, window.size, window.stride).ravel())
    return pooled_hwk[:, :, 0] if y.ndim == 2 else pooled_hwk


# ----------------------------------------------------------------------- stage


@dataclass(frozen=True, slots=True, eq=False)
class StageMaps:
    """The maps of a stage, step by step.

    Attributes
    ----------
    before : ndarray, shape (H', W', K), or (H', W') for a filter of shape (fh, fw)
        After the convolution, before the non-linearity.
    after : ndarray, shape as `before`
        After the non-linearity.
    pooled : ndarray, shape (H'', W'', K) or (H'', W''), or None
        After the pooling, if the stage has one.
    """

    before: Array
    after: Array
    pooled: Array | None


def stage(
    image: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = "valid",
    activation: str | None = "relu",
    pool: int | Pair | None = None,
    pool_stride: int | Pair | None = None,
    pool_kind: str = "max",
) -> StageMaps:
    """Return all maps of one stage: convolution (`cross_correlate`) → non-linearity → pooling.

    Parameters
    ----------
    image, filters, bias, stride, padding
        As in `cross_correlate`.
    activation : str or None
        A name in `ACTIVATIONS`; None for a stage without non-linearity.
    pool : int or (int, int), optional
        Size of the pooling window; without it there is no pooling.
    pool_stride : int or (int, int), optional
        Its stride; its size when not given.
    pool_kind : {"max", "avg"}
        A name in `POOLINGS`.

    Examples
    --------
    >>> maps = stage([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, -1], [1, 0]], bias=-5, pool=2)
    >>> maps.before
    array([[-2., -1.],
           [ 1.,  2.]])
    >>> maps.pooled
    array([[2.]])
    """
    before = cross_correlate(image, filters, bias, stride=stride, padding=padding)
    after = activate(before, activation)
    pooling = POOLINGS.get(pool_kind)
    if pooling is None:
        raise ConfigError(f"pool kind must be one of {', '.join(POOLINGS)}; got {pool_kind!r}")
    return StageMaps(before, after, None if pool is None else pooling(after, pool, pool_stride))


# --------------------------------------------------------------------- helpers


def look(array: Array, row: int, column: int, size: Pair, stride: Pair) -> Array:
    """Return what a window sees at its position (row, column)."""
    top, left = row * stride[0], column * stride[1]
    return array[top : top + size[0], left : left + size[1]]


def _numbers(values: ArrayLike, name: str, axes: tuple[int, ...]) -> Array:
    array = np.ascontiguousarray(values, np.float64)
    if array.ndim not in axes or not array.size:
        *others, last = map(str, axes)
        raise ConfigError(f"{name} must have {', '.join(others)} or {last} axes, none empty; got shape {array.shape}")
    return array


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _size(image: Array) -> str:
    return f"{image.shape[0]}×{image.shape[1]}"

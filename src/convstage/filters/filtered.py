"""A filter at work: the image, the filter, and the maps that come of it, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import ConfigError
from ..sizes import Padding, Pair, Window
from ..stage.receipt import Cell, PoolReceipt, Receipt, pool_receipt, receipt
from ..stage.reference import POOLINGS, CrossCorrelation, activate, cross_correlate, pool_window
from ..text import shown, size
from .kernels import Kernel
from .values import Array, Levels, Values, read_values

Kind = Literal["max", "avg"]

#: Maps of so many cells are computed by the definition, cell by cell; larger ones by what is fast.
BY_DEFINITION = 4096


@dataclass(frozen=True, slots=True)
class Pooling:
    """How maps are pooled: what is kept of a window, and the window with its stride."""

    kind: Kind
    window: Window

    @property
    def name(self) -> str:
        """What people call it."""
        return "max pooling" if self.kind == "max" else "average pooling"

    @property
    def words(self) -> str:
        """Size and stride of the window in words."""
        return f"windows of {size(self.window.size)}, {_stride(self.window)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Filtered:
    """An image, a filter, and the maps that come of it.

    Attributes
    ----------
    image : Values
        The image as numbers.
    kernel : Kernel
        The filter as it was laid on, turned for a convolution.
    convolution : bool
        Whether the filter was turned by 180 degrees first; otherwise this is cross-correlation.
    window : Window
        The filter's size, its stride and the zeros around the image.
    map_hw : ndarray, shape (H', W')
        ``n' = floor((n + 2p - f)/s) + 1``.
    rectified_hw : ndarray, shape (H', W'), or None
        After ReLU, if it was asked for.
    pooled_hw : ndarray, shape (H'', W''), or None
        After pooling, if it was asked for.
    pooling : Pooling or None
        How.
    """

    image: Values
    kernel: Kernel
    convolution: bool
    window: Window
    map_hw: Array
    rectified_hw: Array | None
    pooled_hw: Array | None
    pooling: Pooling | None

    @property
    def denominator(self) -> int | None:
        """What the map's numbers are whole numbers over: 9 for the lecture's; None when that is no help."""
        over = self.kernel.denominator
        return over if self.image.denominator == 1 else None

    @property
    def steps(self) -> dict[str, Array]:
        """The maps by what made them, in order."""
        made = {"convolution" if self.convolution else "cross-correlation": self.map_hw}
        if self.rectified_hw is not None:
            made["ReLU"] = self.rectified_hw
        if self.pooled_hw is not None and self.pooling is not None:
            made[self.pooling.name] = self.pooled_hw
        return made

    @property
    def words(self) -> str:
        """Stride and padding in words."""
        top, bottom, left, right = self.window.margins
        padding = f"padding {top}" if top else "no padding"
        if not top == bottom == left == right:
            padding = f"padding {top} above, {bottom} below, {left} left, {right} right"
        return f"{_stride(self.window)}, {padding}"

    def receipt(self, cell: Cell) -> Receipt:
        """Return how a cell of the map came about, and what ReLU made of it; cells are counted from 0."""
        return receipt(self.image.values_hw, self.kernel.weights, cell=cell, **self._arguments)

    def pool_receipt(self, cell: Cell) -> PoolReceipt:
        """Return how a cell of the pooled map came about.

        Raises
        ------
        ConfigError
            There is no pooled map, or no such cell in it.
        """
        if self.pooling is None:
            raise ConfigError("the map was not pooled.")
        window = self.pooling.window
        return pool_receipt(
            self.image.values_hw, self.kernel.weights, cell=cell, pool=window.size, pool_stride=window.stride,
            pool_kind=self.pooling.kind, **self._arguments,
        )  # fmt: skip

    @property
    def _arguments(self) -> dict[str, Any]:
        activation = None if self.rectified_hw is None else "relu"
        return {"stride": self.window.stride, "padding": self.window.margins, "activation": activation}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        top, bottom, left, right = self.window.margins
        return {
            "image": {"name": self.image.name, "size": list(self.image.shape),
                      "black": self.image.black, "white": self.image.white},
            "kernel": {"name": self.kernel.name, "words": self.kernel.words, "text": self.kernel.text,
                       "weights": self.kernel.weights.tolist()},
            "convolution": self.convolution,
            "stride": list(self.window.stride),
            "padding": {"top": top, "bottom": bottom, "left": left, "right": right},
            "pooling": self.pooling and {
                "kind": self.pooling.kind,
                "size": list(self.pooling.window.size),
                "stride": list(self.pooling.window.stride),
            },
            "maps": [{"step": step, "size": list(map_hw.shape), "values": map_hw.tolist()}
                     for step, map_hw in self.steps.items()],
        }  # fmt: skip

    def __repr__(self) -> str:
        sizes = ", ".join(f"{step} {size(map_hw.shape)}" for step, map_hw in self.steps.items())
        return shown(f"<Filtered {self.image.name} by {self.kernel.name}: {sizes}>")

    def _repr_png_(self) -> bytes:
        """Show the sheet in a notebook."""
        from .panels import png
        from .sheet import sheet

        return png(sheet(self))


def apply(
    image: Values | str | Path | Image.Image | npt.ArrayLike,
    kernel: Kernel | str | npt.ArrayLike,
    *,
    stride: int | Pair = 1,
    padding: Padding = "valid",
    flip: bool = False,
    relu: bool = False,
    pool: Kind | None = None,
    pool_size: int | Pair = 2,
    pool_stride: int | Pair | None = None,
    levels: Levels | None = None,
) -> Filtered:
    """Lay a filter over an image.

    Parameters
    ----------
    image : Values, path, PIL image or array_like
        As in `convstage.filters.values.read_values`.
    kernel : Kernel, str or array_like
        A filter, its name in `KERNELS`, rows of numbers as text, or its weights, shape (fh, fw).
    stride, padding
        As in `convstage.stage.reference.cross_correlate`.
    flip : bool
        Turn the filter by 180 degrees first: a mathematician's convolution.
    relu : bool
        Whether ReLU follows.
    pool : {"max", "avg"}, optional
        What pooling follows.
    pool_size, pool_stride : int or (int, int)
        Its window; the stride is the size when not given.
    levels : {"plain", "signed"}, optional
        As in `read_values`.

    Returns
    -------
    Filtered
        Small maps are computed by the definition, cell by cell, large ones by `scipy.signal.correlate2d`.
        Where image and filter are fractions, as pictures and all named filters are, both compute with
        whole numbers and divide at the end: nothing is rounded before.

    Raises
    ------
    DataError, ConfigError
        The image cannot be read; a setting is impossible, or the filter larger than the image.

    Examples
    --------
    >>> nine = apply("nine", "loopy", relu=True, pool="max", pool_stride=1)
    >>> (9 * nine.map_hw).round().astype(int)
    array([[-1,  9, -1],
           [-5,  1, -3],
           [-3,  3, -3],
           [-5, -1, -5],
           [-3, -5, -3]])
    >>> nine.receipt((0, 0)).arithmetic(denominator=nine.denominator, terms=4)
    '(-1×1 + 1×1 + … + 1×1 + 1×1)/9 = -1/9 = -0.11'
    """
    if isinstance(image, Values) and levels is not None:
        raise ConfigError("the image has been read already; give its levels to read_values.")
    values = image if isinstance(image, Values) else read_values(image, levels=levels)
    laid = Kernel.of(kernel)
    laid = laid.turned() if flip else laid
    map_hw, window = _map(values, laid, stride, padding)
    rectified_hw = activate(map_hw, "relu") if relu else None
    pooled_hw, pooling = None, None
    if pool is not None:
        before = map_hw if rectified_hw is None else rectified_hw
        pooled_hw, pooling = _pooled(before, pool, pool_size, pool_stride)
    return Filtered(values, laid, flip, window, map_hw, rectified_hw, pooled_hw, pooling)


def whole_problem(values: Values, kernel: Kernel) -> tuple[Array, Array, int]:
    """Return an image and a filter as whole numbers, and what their products are over.

    Where they are no fractions with small denominators they stay as they are, over 1.
    """
    over = kernel.denominator
    if values.denominator is None or over is None:
        return values.values_hw, kernel.weights, 1
    return np.round(values.values_hw * values.denominator), np.round(kernel.weights * over), values.denominator * over


def _map(values: Values, kernel: Kernel, stride: int | Pair, padding: Padding) -> tuple[Array, Window]:
    image_hw, weights, over = whole_problem(values, kernel)
    problem = CrossCorrelation.of(image_hw, weights, None, stride, padding)
    if np.prod(problem.shape) <= BY_DEFINITION:
        map_hw = cross_correlate(image_hw, weights, stride=stride, padding=padding)
    else:
        from scipy.signal import correlate2d

        down, right = problem.window.stride
        map_hw = correlate2d(problem.padded_hwc[:, :, 0], weights, "valid")[::down, ::right]
    return map_hw / over + 0.0, problem.window  # + 0.0 makes -0.0 a plain 0


def _pooled(maps_hw: Array, kind: Kind, side: int | Pair, stride: int | Pair | None) -> tuple[Array, Pooling]:
    if kind not in POOLINGS:
        raise ConfigError(f"pool must be one of {', '.join(POOLINGS)}; got {kind!r}.")
    window = pool_window(maps_hw.shape, side, stride)
    pooling = Pooling(kind, window)
    if maps_hw.size <= BY_DEFINITION:
        return POOLINGS[kind](maps_hw, window.size, window.stride), pooling
    views = np.lib.stride_tricks.sliding_window_view(maps_hw, window.size)[:: window.stride[0], :: window.stride[1]]
    return (views.max(axis=(2, 3)) if kind == "max" else views.mean(axis=(2, 3))), pooling


def _stride(window: Window) -> str:
    down, right = window.stride
    return f"stride {down}" if down == right else f"stride {size(window.stride)}"

"""The stage as one function: convolution, then ReLU, then max pooling."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

from ..sizes import Margins, Padding, Pair, margins_of, output_size, pair
from .autograd import DEAD, FEW_CHANNELS
from .load import loaded

#: Who computes a stage: the compiled operator, the operator for all but the pooling, or torch's operators.
Way = Literal["kernel", "kernel, then pooling", "torch"]
#: The pooling window, and its step, that change nothing.
ONE_CELL = (1, 1)
#: Side of the square of cells that Winograd's algorithm makes at once.
TILE = 4


class Worth(NamedTuple):
    """When Winograd's algorithm is worth it: its time goes with tiles of 4×4 cells, torch's with the cells alone.

    Attributes
    ----------
    gain : float
        Torch's time for a full tile over Winograd's.
    filters : float
        The time that it takes to transform the filters at every call, in tiles.
    """

    gain: float
    filters: float

    def of(self, cells: tuple[int, int, int] | None) -> bool:
        """Return whether it is for so many cells."""
        if cells is None or min(cells) <= 0:
            return True
        images, high, wide = cells
        tiles = images * -(-high // TILE) * -(-wide // TILE)
        return self.gain * images * high * wide / TILE**2 >= tiles + self.filters


#: Of a map without a pooling of our own, trained and asked; of one that is asked, with windows of their own.
DENSE_TRAINED, DENSE_ASKED, POOLED_ASKED = Worth(1.1, 60), Worth(1.75, 90), Worth(2.4, 90)


def conv_relu_pool(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | Pair = 1,
    padding: Padding = "valid",
    pool: int | Pair | None = None,
    pool_stride: int | Pair | None = None,
) -> Tensor:
    """Convolve, keep what is positive, and keep the largest of every window.

    Equal to ``max_pool2d(relu(conv2d(x, weight, bias, …)), pool, pool_stride)``, value
    for value and gradient for gradient, ties, NaN and infinities included. As
    everywhere in deep learning, "convolution" is cross-correlation: the filter is not
    turned round.

    Parameters
    ----------
    x : Tensor, shape (N, C, H, W)
        Images or feature maps; fastest in memory format channels-last.
    weight : Tensor, shape (K, C, fh, fw)
        K filters.
    bias : Tensor, shape (K,), optional
        One number added to each filter's map.
    stride : int or (int, int)
        Step of the filter.
    padding : {"valid", "same"}, int, (rows, columns) or (top, bottom, left, right)
        Zeros around the map. "same" keeps its size at stride 1; an even filter then
        gets its extra row below and its extra column on the right.
    pool : int or (int, int), optional
        Size of the pooling window; without it there is no pooling.
    pool_stride : int or (int, int), optional
        Step of the pooling window; its size when not given.

    Returns
    -------
    Tensor, shape (N, K, H', W')
        With ``n' = floor((n + p - f)/s) + 1`` for the convolution and again, without
        padding, for the pooling.

    Examples
    --------
    >>> import torch
    >>> x, weight = torch.rand(1, 3, 28, 28), torch.rand(32, 3, 3, 3)
    >>> conv_relu_pool(x, weight, padding="same", pool=2).shape
    torch.Size([1, 32, 14, 14])
    """
    around = margins_of(padding, (weight.shape[2], weight.shape[3]))
    step = pair(stride, "stride")
    window = None if pool is None else pair(pool, "pool")
    window_step = window if pool_stride is None else pair(pool_stride, "pool_stride")
    record = torch.is_grad_enabled() and _any_gradient(x, weight, bias)
    applies = _kernel_applies(x, weight, bias, window)
    way = _way(x, weight, step, around, window, window_step, record) if applies else "torch"
    if way == "torch":
        y = F.relu_(conv2d(x, weight, bias, step, around))
        return y if window is None else F.max_pool2d(y, window, window_step)
    pooling = (window or ONE_CELL, window_step or ONE_CELL) if way == "kernel" else (ONE_CELL, ONE_CELL)
    y, _ = torch.ops.convstage.conv_relu_pool(x, weight, bias, step, around, *pooling, record)
    return cast(Tensor, y) if way == "kernel" or window is None else F.max_pool2d(y, window, window_step)


def fastest_way(
    weight: tuple[int, ...],
    step: Pair,
    window: Pair | None,
    window_step: Pair | None,
    record: bool,
    cells: tuple[int, int, int] | None = None,
) -> Way:
    """Return what is fastest for a shape, as ``benchmarks/shapes.py`` and ``benchmarks/tiles.py`` have measured it.

    Parameters
    ----------
    weight : (int, int, int, int)
        Filters, channels, height and width of a filter.
    step, window, window_step
        The filter's step, and the pooling's window and step; no window means no pooling.
    record : bool
        Whether winners are recorded, for the gradient.
    cells : (int, int, int), optional
        Images, and height and width of the map before the pooling. Without them they are taken to be many, or the
        filters to be transformed already.
    """
    filters, channels, *size = weight
    few = channels <= FEW_CHANNELS
    winograd = size == [3, 3] and step == (1, 1) and min(filters, channels) >= 16
    dense = DENSE_TRAINED if record else DENSE_ASKED
    if window is None or window == window_step == ONE_CELL:
        # Without a pooling there are no cells that need no gradient.
        if winograd:
            return "kernel" if dense.of(cells) and not (record and min(filters, channels) < 32) else "torch"
        return "kernel" if few and step == (1, 1) else "torch"
    overlap = window_step is not None and (window_step[0] < window[0] or window_step[1] < window[1])
    if winograd and overlap and (not record or window_step == ONE_CELL):
        # Winograd's tiles need windows of their own. With winners the direct algorithm is faster nevertheless,
        # as long as most cells are none: their gradients are left out.
        return "kernel, then pooling" if dense.of(cells) else "torch"
    if winograd and not record:
        return "kernel" if POOLED_ASKED.of(cells) else "torch"
    if not record and size[0] * size[1] >= 25 and (not few or max(step) >= 4):
        return "torch"  # dense work, which its generated code does at the processor's peak
    return "kernel"


def _way(
    x: Tensor, weight: Tensor, step: Pair, around: Margins, window: Pair | None, window_step: Pair | None, record: bool
) -> Way:
    """Return what is fastest, or of what has a gradient that does not depend on the threads, if torch is told so."""
    if record and torch.are_deterministic_algorithms_enabled():
        return "kernel"
    size, (top, bottom, left, right) = weight.shape[2:], around
    high = output_size(x.shape[2], size[0], step[0], top, bottom)
    wide = output_size(x.shape[3], size[1], step[1], left, right)
    return fastest_way(tuple(weight.shape), step, window, window_step, record, (x.shape[0], high, wide))


def _any_gradient(*tensors: Tensor | None) -> bool:
    return any(tensor is not None and tensor.requires_grad for tensor in tensors)


def _kernel_applies(x: Tensor, weight: Tensor, bias: Tensor | None, window: Pair | None) -> bool:
    """Return whether the compiled kernel is for it: float32 on the processor, a window that a byte can count."""
    given = (x, weight) if bias is None else (x, weight, bias)
    return (
        all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in given)
        and x.dim() == weight.dim() == 4
        and (window is None or window[0] * window[1] < DEAD)
        and forward_ad._current_level < 0  # tangents go through torch's operators, which know them
        and loaded()
    )


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int | Pair, around: Margins) -> Tensor:
    """Convolve with zeros `around` the map; torch's own convolution, sides may differ."""
    top, bottom, left, right = around
    if len(weight) == 1:  # torch refuses the gradient of a single filter in channels-last format for some shapes
        weight = weight.contiguous()
    even = top == bottom and left == right
    padding = (top, left) if even else (0, 0)
    if not even:
        x = F.pad(x, (left, right, top, bottom))
    step = pair(stride, "stride")
    if x.dim() == 4 and x.shape[1] == 1 and x.shape[3] + 2 * padding[1] - weight.shape[3] < step[1]:
        # One column is left of one channel: torch 2.13 takes wrong numbers if it lies as in channels-last format.
        x = x.squeeze(1).unsqueeze(1)
    return F.conv2d(x, weight, bias, step, padding)

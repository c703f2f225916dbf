"""The compiled operator as autograd and the compiler of torch see it: shapes without data, and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

from ..sizes import output_size

#: A winner byte that says: nothing in this window was above zero.
DEAD = 255
#: Inputs of up to so many channels have a kernel of their own for the weight gradient.
FEW_CHANNELS = 4


def register() -> None:
    """Register shapes and gradients of the operators; the library must have been loaded."""
    library.register_fake("convstage::conv_relu_pool", _shapes)
    library.register_fake("convstage::conv_relu_pool_weight_backward", _weight_shapes)
    library.register_fake("convstage::conv_relu_pool_input_backward", _input_shapes)
    library.register_fake("convstage::conv_relu_pool_unpool", _unpooled_shape)
    library.register_autograd("convstage::conv_relu_pool", _backward, setup_context=_remember)


def _shapes(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    pool: list[int],
    pool_stride: list[int],
    record: bool,
) -> tuple[Tensor, Tensor]:
    n = x.shape[0]
    high, wide = _map(x.shape, weight.shape, stride, padding)
    shape = (
        weight.shape[0],
        output_size(high, pool[0], pool_stride[0]),
        output_size(wide, pool[1], pool_stride[1]),
    )
    y = x.new_empty((n, *shape)).to(memory_format=torch.channels_last)
    winner = x.new_empty((n if record else 0, *shape), dtype=torch.uint8).to(memory_format=torch.channels_last)
    return y, winner


def _weight_shapes(
    gradient: Tensor,
    winner: Tensor,
    x: Tensor,
    size: list[int],
    *_: list[int],
) -> tuple[Tensor, Tensor]:
    filters = gradient.shape[1]
    weight = x.new_empty((filters, x.shape[1], *size)).to(memory_format=torch.channels_last)
    return weight, x.new_empty((filters,))


def _input_shapes(
    gradient: Tensor,
    winner: Tensor,
    weight: Tensor,
    size: list[int],
    *_: list[int],
) -> Tensor:
    return gradient.new_empty(size).to(memory_format=torch.channels_last)


def _unpooled_shape(
    gradient: Tensor, winner: Tensor, size: list[int], pool: list[int], pool_stride: list[int]
) -> Tensor:
    return gradient.new_empty((*gradient.shape[:2], *size)).to(memory_format=torch.channels_last)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, bias, *windows, record = inputs
    ctx.windows = windows
    ctx.has_bias = bias is not None
    ctx.recorded = record
    ctx.save_for_backward(x, weight, output[1])


def _backward(ctx: Any, gradient: Tensor, _winner: Tensor) -> tuple[Tensor | None, ...]:
    if not ctx.recorded:
        raise RuntimeError("convstage::conv_relu_pool keeps what its gradient needs with record=True only")
    x, weight, winner = ctx.saved_tensors
    ops, windows = torch.ops.convstage, ctx.windows
    dx_wanted, dw_wanted, db_wanted = ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.needs_input_grad[2]
    # Without a pooling every live cell is a winner: lists of them have no advantage over torch's dense products,
    # unless the input has few channels, which those are slow at.
    listed = list(windows[2]) != [1, 1] or x.shape[1] <= FEW_CHANNELS
    strided = max(windows[0]) > 1
    dx = dw = db = None
    if (dw_wanted or db_wanted) and listed:
        dw, db = ops.conv_relu_pool_weight_backward(gradient, winner, x, weight.shape[2:], *windows)
    rest = [dx_wanted and strided, dw_wanted and not listed, db_wanted and not listed]
    if dx_wanted and not strided:
        shape = x.shape
        if not any(rest):
            # The input is no longer needed, and its gradient is as large: it finds the place free.
            del x
            ctx.maybe_clear_saved_tensors()
        dx = ops.conv_relu_pool_input_backward(gradient, winner, weight, shape, *windows)
    if any(rest):
        size = _map(x.shape, weight.shape, *windows[:2])
        dense = ops.conv_relu_pool_unpool(gradient, winner, size, *windows[2:])
        dense_dx, dense_dw, dense_db = dense_backward(dense, x, weight, windows, rest)
        dx, dw, db = (dx if dense_dx is None else dense_dx), (dw if listed else dense_dw), (db if listed else dense_db)
    return (dx, dw if dw_wanted else None, db if ctx.has_bias and db_wanted else None, *(None,) * 5)


def dense_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, windows: list[list[int]], wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return torch's own gradients of a convolution: of the input, the weights and the biases."""
    stride, (top, bottom, left, right), *_ = windows
    even = top == bottom and left == right
    padded = x if even else torch.nn.functional.pad(x, (left, right, top, bottom))
    padding = [top, left] if even else [0, 0]
    dx, dw, db = torch.ops.aten.convolution_backward(
        gradient, padded, weight, [weight.shape[0]], stride, padding, [1, 1], False, [0, 0], 1, wanted
    )
    if not even and dx is not None:
        dx = dx[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return dx, dw, db


def _map(x: torch.Size, weight: torch.Size, stride: list[int], padding: list[int]) -> tuple[int, int]:
    """Return height and width of the map after the convolution."""
    top, bottom, left, right = padding
    return (
        output_size(x[2], weight[2], stride[0], top, bottom),
        output_size(x[3], weight[3], stride[1], left, right),
    )

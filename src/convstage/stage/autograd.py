"""The compiled operator as autograd and the compiler of torch see it: shapes without data, and gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, library

#: A winner byte that says: nothing in this window was above zero.
DEAD = 255


def register() -> None:
    """Register shapes and gradients of the operators; the library must have been loaded."""
    library.register_fake("convstage::conv_relu_pool", _shapes)
    library.register_fake("convstage::conv_relu_pool_weight_backward", _weight_shapes)
    library.register_fake("convstage::conv_relu_pool_input_backward", _input_shapes)
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
    n, _, h, w = x.shape
    top, bottom, left, right = padding
    high = (h + top + bottom - weight.shape[2]) // stride[0] + 1
    wide = (w + left + right - weight.shape[3]) // stride[1] + 1
    shape = (weight.shape[0], (high - pool[0]) // pool_stride[0] + 1, (wide - pool[1]) // pool_stride[1] + 1)
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


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, bias, *windows, record = inputs
    y, winner = output
    ctx.windows = windows
    ctx.has_bias = bias is not None
    ctx.pooled = record
    ctx.plain = list(windows[2]) == list(windows[3]) == [1, 1]
    # A stage without pooling needs no winners: its own output says what is alive.
    ctx.save_for_backward(x, weight, winner if record else y)


def _backward(ctx: Any, gradient: Tensor, _winner: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, kept = ctx.saved_tensors
    wanted = ctx.needs_input_grad
    if not ctx.pooled and not ctx.plain:
        raise RuntimeError("convstage::conv_relu_pool keeps what its gradient needs with record=True only")
    if not ctx.pooled:
        masked = torch.ops.aten.threshold_backward(gradient, kept, 0)
        gradients = dense_backward(masked, x, weight, ctx.windows, [wanted[0], wanted[1], wanted[2]])
        return (*gradients, *(None,) * 5)
    dx = dw = db = None
    stride = ctx.windows[0]
    if wanted[1] or wanted[2]:
        ops = torch.ops.convstage
        dw, db = ops.conv_relu_pool_weight_backward(gradient, kept, x, weight.shape[2:], *ctx.windows)
    if wanted[0] and max(stride) == 1:
        dx = torch.ops.convstage.conv_relu_pool_input_backward(gradient, kept, weight, x.shape, *ctx.windows)
    elif wanted[0]:
        dense = unpool(gradient, kept, x.shape, weight.shape, *ctx.windows)
        dx = dense_backward(dense, x, weight, ctx.windows, [True, False, False])[0]
    return (dx, dw if wanted[1] else None, db if ctx.has_bias and wanted[2] else None, *(None,) * 5)


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


def unpool(
    gradient: Tensor,
    winner: Tensor,
    x: torch.Size,
    weight: torch.Size,
    stride: list[int],
    padding: list[int],
    pool: list[int],
    pool_stride: list[int],
) -> Tensor:
    """Return the gradient before the pooling: every winner's in its place, zero elsewhere."""
    n, filters, rows, columns = gradient.shape
    high = (x[2] + padding[0] + padding[1] - weight[2]) // stride[0] + 1
    wide = (x[3] + padding[2] + padding[3] - weight[3]) // stride[1] + 1
    place = winner.long()
    row = torch.arange(rows).view(-1, 1) * pool_stride[0] + place // pool[1]
    column = torch.arange(columns) * pool_stride[1] + place % pool[1]
    alive = winner != DEAD
    cell = torch.where(alive, row * wide + column, 0).flatten(2)
    dense = gradient.new_zeros((n, filters, high * wide))
    dense.scatter_add_(2, cell, torch.where(alive, gradient, 0).flatten(2))
    return dense.view(n, filters, high, wide)

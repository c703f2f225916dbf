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
    library.register_autograd("convstage::conv_relu_pool_unpool", _unpool_backward, setup_context=_remember_winner)


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
    _check_devices(x, weight, bias)
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
    _check_devices(gradient, winner, x)
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
    _check_devices(gradient, winner, weight)
    return gradient.new_empty(size).to(memory_format=torch.channels_last)


def _unpooled_shape(
    gradient: Tensor, winner: Tensor, size: list[int], pool: list[int], pool_stride: list[int]
) -> Tensor:
    _check_devices(gradient, winner)
    return gradient.new_empty((*gradient.shape[:2], *size)).to(memory_format=torch.channels_last)


def _check_devices(*tensors: Tensor | None) -> None:
    """Refuse tensors with and without data in one call: there would be a result without anything in it."""
    devices = sorted({str(tensor.device) for tensor in tensors if tensor is not None})
    if len(devices) > 1:
        raise RuntimeError(f"convstage: tensors of one device are needed; got {' and '.join(devices)}")


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
    # Somebody differentiates the gradient again: operators that have gradients themselves.
    again = torch.is_grad_enabled()
    # Without a pooling every live cell is a winner: lists of them have no advantage over torch's dense products,
    # unless the input has few channels, which those are slow at, or the number of threads must not matter.
    dense_is_fast = list(windows[2]) == [1, 1] and x.shape[1] > FEW_CHANNELS
    always_ours = not again and torch.are_deterministic_algorithms_enabled()
    listed = not again and (not dense_is_fast or always_ours)
    strided = again or max(windows[0]) > 1
    dx = dw = db = None
    if (dw_wanted or db_wanted) and listed:
        dw, db = ops.conv_relu_pool_weight_backward(gradient, winner, x, weight.shape[2:], *windows)
    rest = [dx_wanted and strided and not always_ours, dw_wanted and not listed, db_wanted and not listed]
    if dx_wanted and strided and always_ours:
        size = _map(x.shape, weight.shape, *windows[:2])
        dx = strided_input_gradient(ops.conv_relu_pool_unpool(gradient, winner, size, *windows[2:]), x, weight, windows)
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
    if dw_wanted and dw is not None and dw.stride() != weight.stride():
        # What adds up gradients, and what sends them to other ranks, wants them to lie as the weights do.
        dw = torch.empty_like(weight).copy_(dw)
    return (dx, dw if dw_wanted else None, db if ctx.has_bias and db_wanted else None, *(None,) * 5)


def _remember_winner(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, winner, size, *ctx.windows = inputs
    ctx.size = size
    ctx.save_for_backward(winner)


def _unpool_backward(ctx: Any, dense: Tensor) -> tuple[Tensor | None, ...]:
    """Take every winner's value out of a map: what `unpool` puts there, the other way round."""
    (winner,) = ctx.saved_tensors
    width, (pool, step) = ctx.size[1], ctx.windows
    dead = winner == DEAD
    place = winner.long().masked_fill(dead, 0)
    row = place // pool[1] + step[0] * torch.arange(winner.shape[2])[:, None]
    column = place % pool[1] + step[1] * torch.arange(winner.shape[3])
    picked = dense.flatten(2).gather(2, (row * width + column).flatten(2)).view(winner.shape)
    return picked.masked_fill(dead, 0), *(None,) * 4


def strided_input_gradient(gradient: Tensor, x: Tensor, weight: Tensor, windows: list[list[int]]) -> Tensor:
    """Return the input's gradient by the operator for stride 1: with zeros between the cells of the map's gradient.

    Torch's is faster, but for some shapes its bits depend on the number of threads.
    """
    stride, (top, bottom, left, right), *_ = windows
    extents = [(n - 1) * s + 1 for n, s in zip(gradient.shape[2:], stride, strict=True)]
    spread = gradient.new_zeros((*gradient.shape[:2], *extents))
    spread[:, :, :: stride[0], :: stride[1]] = gradient
    # Rows and columns at the end that no filter has reached; of the padding first.
    sides = zip(x.shape[2:], weight.shape[2:], stride, (top + bottom, left + right), strict=True)
    unread = [(n + around - f) % s for n, f, s, around in sides]
    below, beside = max(0, unread[0] - bottom), max(0, unread[1] - right)
    padding = (top, max(0, bottom - unread[0]), left, max(0, right - unread[1]))
    size = (*x.shape[:2], x.shape[2] - below, x.shape[3] - beside)
    if min(size[2:]) <= 0:  # the filters have seen zeros only
        return torch.zeros_like(x)
    first = torch.zeros_like(spread, dtype=torch.uint8)
    dx = torch.ops.convstage.conv_relu_pool_input_backward(spread, first, weight, size, (1, 1), padding, (1, 1), (1, 1))
    return torch.nn.functional.pad(dx, (0, beside, 0, below))


def dense_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, windows: list[list[int]], wanted: list[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return torch's own gradients of a convolution: of the input, the weights and the biases."""
    stride, (top, bottom, left, right), *_ = windows
    even = top == bottom and left == right
    padded = x if even else torch.nn.functional.pad(x, (left, right, top, bottom))
    padding = [top, left] if even else [0, 0]
    if len(weight) == 1:  # torch refuses a single filter in channels-last format for some shapes
        weight = weight.contiguous()
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

"""A chain of layers, convolution → (batch norm) → ReLU → (max pooling), and how it runs as one operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..sizes import Margins, Pair, output_size, same_margins
from ..stage import Convolution, conv_relu_pool

#: What hooks are kept in, by `torch.nn.Module`.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Pooling(NamedTuple):
    """Max pooling as `torch.nn.functional.max_pool2d` takes it."""

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)
    rounds_up: bool = False

    def is_plain(self, high: int, wide: int) -> bool:
        """Whether all windows on a map lie inside it, so that the operator has them."""
        over = [(n - f) % s for n, f, s in zip((high, wide), self.size, self.stride, strict=True)]
        fits = high >= self.size[0] and wide >= self.size[1]
        return self.padding == (0, 0) and fits and not (self.rounds_up and any(over))

    def of(self, x: Tensor) -> Tensor:
        """Return the pooled maps; by a name, since the compiler of torch 2.10 cannot call a named tuple."""
        return F.max_pool2d(x, self.size, self.stride, self.padding, ceil_mode=self.rounds_up)


@dataclass  # not frozen: the compiler of torch 2.10 does not see the fields of one that is
class Chain:
    """Layers that follow one another; what a function does has no module.

    Attributes
    ----------
    conv : Conv2d
    norm : BatchNorm2d or None
    relu : ReLU or None
        None where a function is called.
    pool : MaxPool2d, Pooling or None
        None where there is none.
    """

    conv: nn.Conv2d
    norm: nn.BatchNorm2d | None = None
    relu: nn.ReLU | None = None
    pool: nn.MaxPool2d | Pooling | None = None

    @property
    def modules(self) -> list[nn.Module]:
        """Those of its layers that are modules."""
        return [layer for layer in (self.conv, self.norm, self.relu, self.pool) if isinstance(layer, nn.Module)]

    def __call__(self, x: Tensor) -> Tensor:
        """Return its output, in whatever memory format it comes; torch's own layers run where the operator cannot."""
        if any(has_hooks(layer) for layer in self.modules) or not _is_folded(self.norm):
            return self.apart(x)
        conv = self.conv
        weight, bias = conv.weight, conv.bias
        if self.norm is not None:
            weight, bias = folded(weight, bias, self.norm)
        pool = pooling(self.pool) if isinstance(self.pool, nn.MaxPool2d) else self.pool
        margins = margins_of_conv(conv)
        stride = (conv.stride[0], conv.stride[1])
        inside = pool is not None and pool.is_plain(*_map(x, weight, stride, margins))
        y = conv_relu_pool(
            x,
            weight,
            bias,
            stride=stride,
            padding=margins,
            pool=pool.size if inside and pool else None,
            pool_stride=pool.stride if inside and pool else None,
        )
        return y if pool is None or inside else pool.of(y)

    def apart(self, x: Tensor) -> Tensor:
        """Return its output layer by layer, as torch computes it."""
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        x = F.relu(x) if self.relu is None else self.relu(x)
        if isinstance(self.pool, Pooling):
            return self.pool.of(x)
        return x if self.pool is None else self.pool(x)


def run(
    x: Tensor,
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d | None,
    relu: nn.ReLU | None,
    pool: nn.MaxPool2d | Pooling | tuple[Any, ...] | None,
) -> Tensor:
    """Run a chain; what a rewritten `forward` calls."""
    # A traced graph knows plain tuples only.
    return Chain(conv, norm, relu, Pooling(*pool) if isinstance(pool, tuple) else pool)(x)


def as_before(y: Tensor, x: Tensor) -> Tensor:
    """Return `y` in the memory format that torch's own layers would give it, which is the one of their input `x`.

    What follows may depend on it: a `view` works in one of the two only.
    """
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        return y
    return y.contiguous()


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody wants to be told when the module runs; then it must run by itself."""
    return any(getattr(module, name, None) for name in HOOKS)


def folded(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return filters and biases that do what the convolution and a batch norm in evaluation mode do together.

    The norm is the same affine function for every cell of a map (Ioffe and Szegedy, "Batch Normalization", 2015,
    section 3.1).
    """
    assert norm.running_mean is not None and norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean if bias is None else bias - norm.running_mean
    shift = shift * scale
    return weight * scale[:, None, None, None], shift if norm.bias is None else shift + norm.bias


def pooling(layer: nn.MaxPool2d) -> Pooling:
    """Return the window of a pooling layer."""
    return Pooling(two(layer.kernel_size), two(layer.stride), two(layer.padding), layer.ceil_mode)


def two(value: Any) -> Pair:
    """Return a number for rows and one for columns, of one for both or of a list, as torch takes them."""
    rows, columns = tuple(value) * (1 if len(value) == 2 else 2) if isinstance(value, list | tuple) else (value, value)
    return int(rows), int(columns)


def margins_of_conv(conv: nn.Conv2d) -> Margins:
    """Return the zeros around a convolution's map: top, bottom, left, right."""
    if isinstance(conv, Convolution):
        return conv.margins
    if isinstance(conv.padding, str):
        return same_margins((conv.kernel_size[0], conv.kernel_size[1])) if conv.padding == "same" else (0, 0, 0, 0)
    rows, columns = conv.padding
    return rows, rows, columns, columns


def _is_folded(norm: nn.BatchNorm2d | None) -> bool:
    """Whether a norm is a fixed function of its input: in training it is one of the whole batch."""
    return norm is None or (not norm.training and norm.running_mean is not None)


def _map(x: Tensor, weight: Tensor, stride: Pair, margins: Margins) -> Pair:
    top, bottom, left, right = margins
    return (
        output_size(x.shape[-2], weight.shape[2], stride[0], top, bottom),
        output_size(x.shape[-1], weight.shape[3], stride[1], left, right),
    )

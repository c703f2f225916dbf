"""The fully connected layer, with the faster of the two matrix libraries that torch brings along.

On a processor `torch.nn.functional.linear` multiplies float32 with its BLAS. Torch's
oneDNN, which convolutions use, is 20% to 50% faster at these shapes (benchmarks/linear.py),
forward and backward; torch reaches it through the operator that its own compiler uses.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

#: a, b, bias, … -> a bᵀ + bias; not every torch has it.
PRODUCT = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


class FullyConnected(nn.Linear):
    """`torch.nn.Linear`, the same in everything but time."""

    def forward(self, x: Tensor) -> Tensor:
        if not _applies(x, self.weight):
            return super().forward(x)
        return cast(Tensor, _Linear.apply(x, self.weight, self.bias))  # type: ignore[no-untyped-call]


def _applies(x: Tensor, weight: Tensor) -> bool:
    """Return whether it is a float32 matrix on the processor, nobody traces, and this torch has the operator."""
    return (
        x.dim() == 2
        and len(x) > 0
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == weight.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and PRODUCT is not None
    )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return a bᵀ + bias, for a and b of any strides."""
    return cast(Tensor, PRODUCT(a, b, bias, "none", [], ""))  # type: ignore[misc]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _product(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        if torch.is_grad_enabled():  # somebody differentiates the gradient again
            return gradient @ weight, gradient.t() @ x, gradient.sum(0)
        return (
            _product(gradient, weight.t()) if wanted[0] else None,
            _product(gradient.t(), x.t()) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


def _flops(a: torch.Size, b: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * a.numel() * b[0]


if PRODUCT is not None:  # torch's counter of operations knows its own linear layers only
    register_flop_formula(PRODUCT)(_flops)


__all__ = ["FullyConnected"]

"""The modules of a network that torch does not have: the stage, and how its maps become a vector."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..sizes import Margins, Pair, pair
from .op import conv2d, conv_relu_pool


class Convolution(nn.Conv2d):
    """`torch.nn.Conv2d` that knows its padding side by side, in `margins`: top, bottom, left, right."""

    def __init__(self, channels: int, filters: int, size: Pair, stride: Pair, margins: Margins) -> None:
        even = margins[0] == margins[1] and margins[2] == margins[3]
        super().__init__(channels, filters, size, stride, (margins[0], margins[2]) if even else 0)
        self.margins = margins

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, self.stride, self.margins)  # type: ignore[arg-type]


class Stage(nn.Sequential):
    """A convolution and what belongs to it, up to the pooling: an ordinary `Sequential`.

    Its layers are its children, so that any of them can be run or looked at alone.
    Where it begins with convolution → ReLU (→ max pooling), the forward pass runs these
    as the one operator `convstage.stage.conv_relu_pool`, and what follows layer by layer.

    Attributes
    ----------
    fused : int
        How many of its layers are the one operator: 3, 2 or none.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        kinds = tuple(type(layer) for layer in self)
        begins = [kinds[:count] == FUSED[:count] for count in (3, 2)]
        self.fused = 3 if begins[0] else 2 if begins[1] else 0

    @property
    def window(self) -> tuple[Pair, Pair]:
        """Size and stride of the fused pooling's window; a window of one cell where there is none."""
        if self.fused < 3:
            return (1, 1), (1, 1)
        pool: Any = self[2]
        return pair(pool.kernel_size, "pool"), pair(pool.stride, "pool_stride")

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        if self.fused:
            conv: Any = layers[0]
            pool: Any = layers[2] if self.fused == len(FUSED) else None
            x = conv_relu_pool(
                x,
                conv.weight,
                conv.bias,
                stride=conv.stride,
                padding=conv.margins,
                pool=pool and pool.kernel_size,
                pool_stride=pool and pool.stride,
            )
        for layer in layers[self.fused :]:
            x = layer(x)
        return x


#: What the operator does, in this order; the pooling may be missing.
FUSED = (Convolution, nn.ReLU, nn.MaxPool2d)


class FlattenRows(nn.Module):
    """(N, C, H, W) → (N, H·W·C): row by row, cell by cell, the channels of a cell together.

    The order of the lecture's height × width × channels. In memory format channels-last
    it is the order that the numbers have already, so that nothing is copied.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)

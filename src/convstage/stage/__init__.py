"""The stage: convolution → non-linearity → pooling, as one operator and by its definition."""

from .load import Implementation, active
from .modules import Convolution, FlattenRows, Stage
from .op import conv_relu_pool

__all__ = ["Convolution", "FlattenRows", "Implementation", "Stage", "active", "conv_relu_pool"]

"""Filters at work: kernels made by hand, an image they are laid on, the maps, and the matrix behind it."""

from .filtered import Filtered, Pooling, apply
from .kernels import KERNELS, Kernel, parse_kernel
from .proof import Proof, prove
from .values import Values, read_values

__all__ = [
    "KERNELS",
    "Filtered",
    "Kernel",
    "Pooling",
    "Proof",
    "Values",
    "apply",
    "parse_kernel",
    "prove",
    "read_values",
]

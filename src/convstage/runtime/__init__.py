"""Networks in ONNX files, run by ONNX Runtime; needs no torch. `convstage.export` writes the files."""

from .classifier import OnnxClassifier, from_bytes, open_onnx
from .description import FORMAT, describe, sealed
from .structure import OPERATORS

__all__ = ["FORMAT", "OPERATORS", "OnnxClassifier", "describe", "from_bytes", "open_onnx", "sealed"]

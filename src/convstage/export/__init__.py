"""A run as one ONNX file with its preprocessing, checked against the run; `convstage.runtime` reads the files."""

from .make import Exported, write_onnx
from .nodes import BUILDERS

__all__ = ["BUILDERS", "Exported", "write_onnx"]

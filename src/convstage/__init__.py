"""convstage: convolutional networks on your own images, on the machine you have.

A layer is three stages, convolution → non-linearity → pooling; stages stack into a
hierarchy of learned features; fully connected layers and a classifier end it.

>>> from convstage import Pattern
>>> plan = Pattern("INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER").plan("28x28x1", classes=10)
>>> plan.parameters
421642
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import Comparison, compare
    from .config import Config
    from .cross_validation import CrossValidation, crossval
    from .errors import (
        ConfigError,
        ConvstageError,
        DataError,
        PatternError,
        RunError,
        TrainingError,
        TrainingStopped,
        WriteError,
    )
    from .estimator import ConvNetClassifier
    from .evaluation import evaluate
    from .explain import Evidence, evidence
    from .export import Exported, write_onnx
    from .fusion import fuse, fusions, unfuse
    from .learned import Features, features
    from .pattern import Family, Pattern, Plan
    from .predict import Classifier, Prediction, load
    from .report import write_report
    from .run import Run
    from .runtime import OnnxClassifier
    from .training import resume, train
    from .walkthrough import Walk, walk

__version__ = version("convstage")

#: Public name -> module. Imported on first use: planning a pattern needs no torch, and `--help` needs nothing.
_HOMES = {
    "Classifier": "predict",
    "Comparison": "comparison",
    "Config": "config",
    "ConfigError": "errors",
    "ConvNetClassifier": "estimator",
    "ConvstageError": "errors",
    "CrossValidation": "cross_validation",
    "DataError": "errors",
    "Evidence": "explain",
    "Exported": "export",
    "Family": "pattern",
    "Features": "learned",
    "OnnxClassifier": "runtime",
    "Pattern": "pattern",
    "PatternError": "errors",
    "Plan": "pattern",
    "Prediction": "predict",
    "Run": "run",
    "RunError": "errors",
    "TrainingError": "errors",
    "TrainingStopped": "errors",
    "Walk": "walkthrough",
    "WriteError": "errors",
    "compare": "comparison",
    "crossval": "cross_validation",
    "evaluate": "evaluation",
    "evidence": "explain",
    "features": "learned",
    "fuse": "fusion",
    "fusions": "fusion",
    "load": "predict",
    "resume": "training",
    "train": "training",
    "unfuse": "fusion",
    "walk": "walkthrough",
    "write_onnx": "export",
    "write_report": "report",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""scikit-learn: a network as an estimator, `ConvNetClassifier`."""

from .classifier import ConvNetClassifier

__all__ = ["ConvNetClassifier"]

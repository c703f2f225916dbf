"""What a trained network has learned to see: `features`."""

from .hierarchy import Features, FilterFeature, LayerFeatures, Patch, Synthetic
from .make import features

__all__ = ["Features", "FilterFeature", "LayerFeatures", "Patch", "Synthetic", "features"]

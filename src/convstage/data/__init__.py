"""Images in: formats, decoding, cache, splits, augmentation."""

from .augment import Augmentation
from .dataset import Dataset, load_dataset, open_source, restore_dataset, to_audit
from .formats import FORMATS
from .geometry import choose_geometry, parse_size
from .preprocess import Geometry, ImageLike, Standardisation
from .readable import read_images
from .samples import SAMPLES

__all__ = [
    "FORMATS",
    "SAMPLES",
    "Augmentation",
    "Dataset",
    "Geometry",
    "ImageLike",
    "Standardisation",
    "choose_geometry",
    "load_dataset",
    "open_source",
    "parse_size",
    "read_images",
    "restore_dataset",
    "to_audit",
]

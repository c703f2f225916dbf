"""BASELINES: hand-made features into a small network, what image recognition was before features were learned.

Somebody decides what is looked for in an image, histograms of gradients for instance
(Dalal and Triggs 2005); only what comes behind is learned. A convolutional network has to beat that on
the same images. To add a baseline, write a function from one image to its features and put
it in `BASELINES`.

The small network gets what the others get: their training images in their order, also
varied (`COPIES` versions, since features are made once), and the best epoch by the
validation part. It has scikit-learn's Adam at a constant rate. Rare classes are drawn more
often where the others give them weights in the loss.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from .config import Config
from .data import Augmentation, Dataset, Standardisation
from .data.pixel_rows import PixelRows
from .errors import ConfigError
from .figures import decision_points
from .recipe import balance
from .step import Steps
from .terminal import track
from .text import size

#: Units of the one hidden layer, and its L2 penalty.
HIDDEN, PENALTY = 128, 1e-2
#: Varied copies of the training images beside the images themselves; fewer where their features need more memory.
COPIES, MOST_VALUES = 4, 2**27
#: Orientations of a histogram; cells are squares, about so many along the side of an image.
ORIENTATIONS, CELLS = 9, 8
#: Of larger images, the baseline `pixels` sees a picture reduced to at most this side.
SIDE = 32
#: So many images are varied at once.
BATCH = 256

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Baseline:
    """Hand-made features.

    Attributes
    ----------
    name : str
    describe : callable
        Height, width and channels of an image to the features in words.
    features : callable
        One image of uint8, shape (height, width, channels), to its features, shape (k,).
    """

    name: str
    describe: Callable[[Shape], str]
    features: Callable[[Pixels], npt.NDArray[np.floating]]

    def of(self, images: Iterable[Pixels]) -> Features:
        """Return the features of images, shape (n, k)."""
        return np.stack([self.features(image).astype(np.float32) for image in images])


def cell_side(height: int, width: int) -> int:
    """Return the side of a histogram's cell: about `CELLS` along the image's side, two at least along the shorter.

    Examples
    --------
    >>> cell_side(28, 28), cell_side(160, 160), cell_side(8, 8), cell_side(3, 3)
    (4, 20, 2, 1)
    """
    usual = max(2, round(sqrt(height * width) / CELLS))
    return max(1, min(usual, min(height, width) // 2))


def hog_features(pixels: Pixels) -> npt.NDArray[np.floating]:
    """Return the histograms of oriented gradients of one image (Dalal and Triggs 2005)."""
    from skimage.feature import hog

    cell = cell_side(*pixels.shape[:2])
    block = (min(2, pixels.shape[0] // cell), min(2, pixels.shape[1] // cell))
    return np.asarray(
        hog(
            pixels,
            orientations=ORIENTATIONS,
            pixels_per_cell=(cell, cell),
            cells_per_block=block,
            block_norm="L2-Hys",
            channel_axis=2,
        )
    )


def _hog_words(shape: Shape) -> str:
    cell = cell_side(*shape[:2])
    return f"histograms of oriented gradients, {ORIENTATIONS} orientations in cells of {size((cell, cell))} pixels"


def pixel_features(pixels: Pixels) -> npt.NDArray[np.floating]:
    """Return the pixels of one image; of a large one, the means of squares of them."""
    from skimage.transform import downscale_local_mean

    factor = _reduced(pixels.shape[:2])
    return np.asarray(downscale_local_mean(pixels, (factor, factor, 1))).ravel()  # type: ignore[no-untyped-call]


def _reduced(sides: tuple[int, ...]) -> int:
    return -(-max(sides) // SIDE)


def _pixel_words(shape: Shape) -> str:
    factor = _reduced(shape[:2])
    return "the pixels" + (f", means of {size((factor, factor))}" if factor > 1 else "")


BASELINES = {
    baseline.name: baseline
    for baseline in (Baseline("hog", _hog_words, hog_features), Baseline("pixels", _pixel_words, pixel_features))
}


def find_baseline(name: str) -> Baseline:
    """Return a baseline by its name.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in BASELINES:
        raise ConfigError(f"there is no baseline {name!r}.\nBaselines are {', '.join(BASELINES)}.")
    return BASELINES[name]


@dataclass(frozen=True)
class FeatureClassifier:
    """Hand-made features, and the small network that was trained on them.

    Attributes
    ----------
    baseline : Baseline
    scaler, network
        scikit-learn's; features are standardised first.
    epochs, best_epoch : int
        How many epochs it was trained for, and after which of them it was best.
    seconds : float
        Wall time of making the training images' features and of all steps; validation is not in it.
    """

    baseline: Baseline
    scaler: StandardScaler
    network: MLPClassifier
    epochs: int
    best_epoch: int
    seconds: float

    @property
    def features(self) -> int:
        """Number of features of an image."""
        return int(self.network.coefs_[0].shape[0])

    @property
    def multiply_adds(self) -> int:
        """Multiplications of the small network for one image; those for its features are not counted."""
        return sum(int(weights.size) for weights in self.network.coefs_)

    @property
    def parameters(self) -> int:
        """Weights and biases of the small network."""
        return self.multiply_adds + sum(int(biases.size) for biases in self.network.intercepts_)

    def describe(self, image: Shape) -> dict[str, Any]:
        """Return what it is and how it was trained as plain data, for images of some height, width and channels."""
        return {
            "what": f"{self.baseline.describe(image)}: {self.features:,} features into {HIDDEN} hidden units",
            "features": self.features,
            "hidden": HIDDEN,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
        }

    def probabilities(self, pixels: Pixels | PixelRows) -> Floats:
        """Return the probabilities, shape (n, classes), of pixels (n, height, width, channels)."""
        features = self.scaler.transform(self.baseline.of(_each(pixels)))
        return np.asarray(self.network.predict_proba(features), np.float64)


def train_baseline(baseline: Baseline, dataset: Dataset, config: Config) -> FeatureClassifier:
    """Train a small network on hand-made features; the same seed gives the same one.

    Parameters
    ----------
    baseline : Baseline
        Which features.
    dataset : Dataset
        Its training part is learned, its validation part chooses the epoch.
    config : Config
        Seed, epochs, batch size, augmentation, `monitor` and `patience` are used.
    """
    if balance(dataset.counts("train"), config.balance) == "weights":
        config = config.model_copy(update={"balance": "sampling"})
    steps = Steps(dataset, config, torch.device("cpu"))
    began = time.perf_counter()
    versions = _versions(baseline, dataset, config, steps)
    scaler = StandardScaler(copy=False)
    for version in versions:
        scaler.partial_fit(version)
    versions = [scaler.transform(version) for version in versions]
    seconds = time.perf_counter() - began

    rows = dataset.rows("val")
    checked, truth = scaler.transform(baseline.of(_each(dataset.pixels.take(rows)))), dataset.labels[rows]
    network = MLPClassifier((HIDDEN,), alpha=PENALTY, random_state=np.random.RandomState(config.seed))
    classes = np.arange(len(dataset.classes))
    best, best_epoch, epoch, weights = [-np.inf, -np.inf], 0, 0, {}
    while epoch < config.epochs and epoch - best_epoch < config.patience:
        began = time.perf_counter()
        for batch in steps.batches(epoch):
            places = np.searchsorted(steps.rows, batch)
            network.set_params(batch_size=len(batch))
            network.partial_fit(versions[epoch % len(versions)][places], dataset.labels[batch], classes=classes)
        seconds += time.perf_counter() - began
        epoch += 1
        rank = _rank(truth, np.asarray(network.predict_proba(checked), np.float64), config.monitor)
        if rank > best:
            best, best_epoch = rank, epoch
            weights = deepcopy({name: getattr(network, name) for name in ("coefs_", "intercepts_")})
    vars(network).update(weights)
    return FeatureClassifier(baseline, scaler, network, epoch, best_epoch, seconds)


def _versions(baseline: Baseline, dataset: Dataset, config: Config, steps: Steps) -> list[Features]:
    """Return the features of the training images as they are, then of varied copies of them."""
    pixels = dataset.pixels.take(steps.rows)
    first = baseline.features(pixels[0])
    possible = min(COPIES, config.epochs - 1, MOST_VALUES // (len(pixels) * first.size) - 1)
    copies = 0 if steps.augment == Augmentation() else max(0, possible)
    images = chain(_each(pixels), *(_varied(pixels, dataset, config, steps, copy) for copy in range(1, copies + 1)))
    total = len(pixels) * (copies + 1)
    return np.split(baseline.of(track(images, f"Features: {baseline.name}", total)), copies + 1)


def _each(pixels: Pixels | PixelRows) -> Iterator[Pixels]:
    """Yield images one by one; of memory-mapped ones no more is read."""
    return (pixels[row] for row in range(len(pixels)))


def _varied(pixels: PixelRows, dataset: Dataset, config: Config, steps: Steps, copy: int) -> Iterator[Pixels]:
    """Yield a varied copy of every image."""
    random = torch.Generator().manual_seed(config.seed * (COPIES + 1) + copy)
    for start in range(0, len(pixels), BATCH):
        x_nchw = steps.augment(dataset.standardisation(pixels[start : start + BATCH]), random)
        yield from _pixels(x_nchw, dataset.standardisation)


def _pixels(x_nchw: torch.Tensor, standardisation: Standardisation) -> Pixels:
    """Return network input as the pixels that it would come from."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (standardisation.mean, standardisation.std))
    shares = (x_nchw * std + mean).clamp(0, 1)
    return np.asarray((shares * 255).round().byte().permute(0, 2, 3, 1).numpy())


def _rank(truth: npt.NDArray[np.int64], probabilities: Floats, monitor: str) -> list[float]:
    """Return what the best epoch has most of: the figure that is monitored, then the likelihood."""
    classes = probabilities.shape[1]
    likelihood = np.log(np.maximum(probabilities[np.arange(len(truth)), truth], np.finfo(np.float32).tiny)).mean()
    points = decision_points(truth, probabilities.argmax(axis=1), classes)
    return [float(likelihood if monitor == "loss" else points[monitor]), float(likelihood)]

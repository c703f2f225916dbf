"""The networks that are measured, their cost, and the weights and images that all sides share."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

#: A layer: ("conv", filters) with filters of 3×3 and padding "same", ("relu",), ("pool",) of 2×2, ("fc", units).
Layer = tuple[str] | tuple[str, int]


@dataclass(frozen=True)
class Network:
    """A network, its image (height, width, channels) and the batch that it is measured with."""

    pattern: str
    layers: tuple[Layer, ...]
    image: tuple[int, int, int]
    batch: int

    @property
    def classes(self) -> int:
        return int(self.layers[-1][-1])

    def learned(self) -> Iterator[tuple[str, tuple[int, ...], int]]:
        """Yield kind, weight shape and multiply-adds per image of every layer that learns.

        Shapes are those of PyTorch: (filters, channels, 3, 3) and (units, inputs).
        """
        height, width, channels = self.image
        inputs = 0
        for kind, *size in self.layers:
            if kind == "conv":
                shape: tuple[int, ...] = (size[0], channels, 3, 3)
                channels = size[0]
                yield kind, shape, prod(shape) * height * width
            elif kind == "pool":
                height, width = height // 2, width // 2
            elif kind == "fc":
                shape = (size[0], inputs or height * width * channels)
                inputs = size[0]
                yield kind, shape, prod(shape)

    @property
    def last_map(self) -> tuple[int, int, int]:
        """Channels, height and width of what is flattened."""
        poolings = self.layers.count(("pool",))
        filters = [layer[1] for layer in self.layers if layer[0] == "conv"]
        return filters[-1], self.image[0] >> poolings, self.image[1] >> poolings

    def flops(self, task: str) -> int:
        """Return floating-point operations per image, a multiply-add counted as two.

        Training is the forward pass, the gradient of every weight, and the gradient of
        every layer's input but the image's; all of them dense, as a definition.
        """
        costs = [2 * multiply_adds for _, _, multiply_adds in self.learned()]
        return 3 * sum(costs) - costs[0] if task == "train" else sum(costs)


def _stage(*filters: int) -> tuple[Layer, ...]:
    return (*(layer for k in filters for layer in (("conv", k), ("relu",))), ("pool",))


def _hidden(units: int) -> tuple[Layer, ...]:
    return ("fc", units), ("relu",)


NETWORKS = {
    "P2": Network(
        "INPUT -> CONV(32) -> RELU -> FC(128) -> RELU -> CLASSIFIER",
        (("conv", 32), ("relu",), *_hidden(128), ("fc", 10)),
        (28, 28, 1),
        256,
    ),
    "P3": Network(
        "INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(128) -> RELU -> CLASSIFIER",
        (*_stage(32), *_stage(64), *_hidden(128), ("fc", 10)),
        (28, 28, 1),
        256,
    ),
    "P3x": Network(
        "INPUT -> [CONV(32|32|64|128) -> RELU -> POOL]*4 -> FC(128) -> RELU -> CLASSIFIER",
        (*_stage(32), *_stage(32), *_stage(64), *_stage(128), *_hidden(128), ("fc", 2)),
        (224, 224, 1),
        32,
    ),
    "P4": Network(
        "INPUT -> [CONV(32|64|128) -> RELU -> CONV(32|64|128) -> RELU -> POOL]*3 -> FC(256) -> RELU -> FC(128) -> RELU "
        "-> CLASSIFIER",
        (*_stage(32, 32), *_stage(64, 64), *_stage(128, 128), *_hidden(256), *_hidden(128), ("fc", 10)),
        (32, 32, 3),
        128,
    ),
}

#: AdamW (Loshchilov and Hutter 2019) as all sides have it.
RATE, DECAY, BETAS, EPSILON = 3e-4, 0.01, (0.9, 0.999), 1e-8


@dataclass(frozen=True)
class Shared:
    """What every side starts from: weights and biases in PyTorch's layout, images (N, C, H, W), labels."""

    weights: list[tuple[np.ndarray, np.ndarray]]
    images: np.ndarray
    labels: np.ndarray


def draw(network: Network, seed: int = 0) -> Shared:
    """Draw weights after He et al. (2015), biases not zero so that a lost one shows, images and labels."""
    random = np.random.default_rng(seed)
    weights = []
    for _, shape, _ in network.learned():
        weight = random.standard_normal(shape, np.float32) * np.float32((2 / prod(shape[1:])) ** 0.5)
        weights.append((weight, random.standard_normal(shape[0], np.float32) * np.float32(0.01)))
    height, width, channels = network.image
    images = random.standard_normal((network.batch, channels, height, width), np.float32)
    return Shared(weights, images, random.integers(0, network.classes, network.batch))


def store(shared: Shared, path: Path) -> None:
    """Write what all sides start from."""
    tensors = {f"{kind}{i}": value for i, pair in enumerate(shared.weights) for kind, value in zip("wb", pair)}  # noqa: B905
    np.savez(path, images=shared.images, labels=shared.labels, **tensors)


def read(path: str) -> Shared:
    """Read what `store` has written."""
    with np.load(path) as stored:
        pairs = [(stored[f"w{i}"], stored[f"b{i}"]) for i in range((len(stored.files) - 2) // 2)]
        return Shared(pairs, stored["images"], stored["labels"])


def channels_last(network: Network, shared: Shared) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the weights for frameworks whose maps are (N, H, W, C): filters (3, 3, C, K), matrices (inputs, units).

    Flattening such a map lets channels go by first, so that the first matrix's inputs
    are put in that order.
    """
    weights = []
    flattened = False
    for weight, bias in shared.weights:
        if weight.ndim == 4:
            weights.append((np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), bias))
            continue
        matrix = weight if flattened else by_rows(weight, network)
        flattened = True
        weights.append((np.ascontiguousarray(matrix.T), bias))
    return weights


def by_rows(weight: np.ndarray, network: Network) -> np.ndarray:
    """Return the first matrix (units, C·H·W) with its inputs in the order (H, W, C)."""
    return weight.reshape(-1, *network.last_map).transpose(0, 2, 3, 1).reshape(weight.shape)

"""The training recipe: default pattern, optimizer, schedule, balance of the classes. ``docs/training.md`` says why."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .optimizer import AdamW

#: The default pattern pools until the longer side is at most this.
LAST_MAP = 10
#: Images up to this side are trained in batches of 64, larger ones of 32.
SMALL_SIDE = 64
#: Share of all steps in which the learning rate rises, and what is left of it at the end.
WARM_UP, FINAL_SHARE = 0.05, 0.01
#: Classes count as unbalanced when the largest has more images than this times the smallest.
UNBALANCED = 1.5


def default_pattern(height: int, width: int) -> str:
    """Return the pattern for an image size: stages until the map is small, then one hidden layer.

    Examples
    --------
    >>> default_pattern(28, 28)
    'INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(128) -> RELU -> DROPOUT(0.5) -> CLASSIFIER'
    """
    possible = int(math.log2(min(height, width)))
    wanted = math.ceil(math.log2(max(height, width) / LAST_MAP)) if max(height, width) > LAST_MAP else 1
    stages = max(0, min(wanted, possible, 6))
    head = "FC(128) -> RELU -> DROPOUT(0.5) -> CLASSIFIER"
    if not stages:
        return f"INPUT -> CONV(32) -> RELU -> {head}"
    # Large images start narrow: their first maps are where nearly all the work is.
    filters = [32, 32, 64, 128, 128, 128] if stages > 3 else [32, 64, 128]
    values = "|".join(map(str, filters[:stages]))
    return f"INPUT -> [CONV({values}) -> RELU -> POOL]*{stages} -> {head}"


def default_batch(height: int, width: int) -> int:
    """Return the images of a training step for an image size."""
    return 64 if max(height, width) <= SMALL_SIDE else 32


def make_optimizer(network: nn.Module, weight_decay: float) -> AdamW:
    """Return AdamW (Loshchilov and Hutter 2019); weights decay, biases and normalisation do not."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return AdamW([(weights, weight_decay), (others, 0.0)])


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the rate of a step: a linear rise, then half a cosine down (Loshchilov and Hutter 2017).

    A function of the position alone, so that there is no schedule state to save.
    """
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * share)))


def balance(counts: npt.NDArray[np.int64], choice: str) -> str:
    """Return how rare classes get their weight, ``off``, ``weights`` or ``sampling``; ``auto`` looks at the counts."""
    if choice != "auto":
        return choice
    return "weights" if counts.max() > UNBALANCED * counts.min() else "off"


def class_weights(counts: npt.NDArray[np.int64]) -> Tensor:
    """Return a weight per class for the loss, in inverse proportion to its images."""
    return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)


def balanced_order(
    rows: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return n of n images in random order, as many of every class.

    Of a class with more images than places, some are left out, others in every epoch; of
    one with fewer, all are taken once before one is taken again.

    Parameters
    ----------
    rows, labels : ndarray of int, shape (n,)
        The images and their classes.
    random : Generator
        Source of all randomness.
    """
    classes = np.unique(labels)
    shares = np.array_split(np.arange(len(rows)), len(classes))
    drawn = []
    for label, share in zip(random.permutation(classes), shares, strict=True):
        of_class = rows[labels == label]
        turns = -(-len(share) // len(of_class))
        drawn.append(np.concatenate([random.permutation(of_class) for _ in range(turns)])[: len(share)])
    return random.permutation(np.concatenate(drawn))

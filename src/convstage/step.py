"""One step of training: which images, how they are varied, and the gradient of their loss.

Everything random (order, augmentation, dropout) is a function of the seed and the
position, epoch and step, so that there is no random state to save.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from .config import Config
from .data import Augmentation, Dataset
from .network import Network
from .optimizer import AdamW
from .recipe import balance, balanced_order, class_weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step has found: mean loss, length of the gradient before it was shortened, images that were right."""

    loss: float
    norm: float
    correct: int

    @property
    def is_finite(self) -> bool:
        """Whether the step may be taken."""
        return math.isfinite(self.loss + self.norm)


class Steps:
    """The steps of a training; made of its settings and its training images, the same for every epoch.

    Parameters
    ----------
    dataset : Dataset
        The images.
    config : Config
        Settings, with a batch size.
    where : torch.device
        Where to compute.

    Attributes
    ----------
    rows : ndarray of int
        The training images.
    count : int
        Steps of an epoch.
    """

    def __init__(self, dataset: Dataset, config: Config, where: torch.device) -> None:
        assert config.batch_size is not None
        self.dataset, self.config, self.where = dataset, config, where
        self.rows = dataset.rows("train")
        self.count = -(-len(self.rows) // config.batch_size)
        self.labels = torch.from_numpy(dataset.labels)
        counts = dataset.counts("train")
        self.balance = balance(counts, config.balance)
        self.weight = class_weights(counts).to(where) if self.balance == "weights" else None
        self.augment = _augmentation(config)

    def batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the images of every step of an epoch."""
        random = np.random.default_rng((self.config.seed, epoch))
        if self.balance == "sampling":
            order = balanced_order(self.rows, self.dataset.labels[self.rows], random)
        else:
            order = random.permutation(self.rows)
        return np.array_split(order, self.count)  # of nearly one size: batch norm cannot do with a last one of 1

    def gradient(
        self, network: Network, optimizer: AdamW, batch: npt.NDArray[np.int64], epoch: int, step: int
    ) -> Outcome:
        """Leave the gradient of a batch's loss in the network's parameters, shortened to the length allowed."""
        seed = _seed(self.config.seed, epoch, step)
        torch.manual_seed(seed)  # for dropout
        x = self.dataset.standardisation(self.dataset.pixels[batch])
        x = self.augment(x, torch.Generator().manual_seed(seed)).to(self.where)
        y = self.labels[batch].to(self.where)

        logits = network(x)
        loss = F.cross_entropy(logits, y, self.weight, label_smoothing=self.config.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.config.clip_norm)
        return Outcome(loss.item(), norm.item(), int((logits.detach().argmax(1) == y).sum()))


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _augmentation(config: Config) -> Augmentation:
    if not config.augment:
        return Augmentation()
    names = ("shift", "rotate", "zoom", "brightness", "contrast", "flip")
    return Augmentation(**{name: getattr(config, name) for name in names})

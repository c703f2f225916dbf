"""One step of training: which images, how they are varied, and the gradient of their loss.

Everything random (order, augmentation, dropout) is a function of the seed and the
position, epoch and step, so that there is no random state to save. Where several processes
train together, each computes its share of a step, and together they do what one would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .data import Augmentation, Dataset
from .distributed import Share
from .errors import ConfigError
from .optimizer import AdamW
from .recipe import balance, balanced_order, class_weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step has found: mean loss, length of the gradient before it was shortened, images that were right.

    Where several processes train, loss and images are this one's part of the sum over all.
    """

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
    share : Share, optional
        Which images of a step are this process's; all of them unless it says otherwise.

    Attributes
    ----------
    rows : ndarray of int
        The training images.
    count : int
        Steps of an epoch.

    Raises
    ------
    ConfigError
        There are more processes than images in a step.
    """

    def __init__(self, dataset: Dataset, config: Config, where: torch.device, share: Share | None = None) -> None:
        assert config.batch_size is not None
        self.dataset, self.config, self.where = dataset, config, where
        self.share = share or Share()
        self.rows = dataset.rows("train")
        self.count = -(-len(self.rows) // config.batch_size)
        if (size := self.share.world.size) > (smallest := len(self.rows) // self.count):
            raise ConfigError(
                f"batch_size = {config.batch_size}: of the {len(self.rows)} training images "
                f"a step has {smallest}, too few for {size} processes: each needs one at least.\n"
                "Raise --batch-size, which counts the images of all processes, or start fewer."
            )
        self.labels = torch.from_numpy(dataset.labels)
        self.weights = None if dataset.weights is None else torch.from_numpy(dataset.weights).float()
        counts = dataset.counts("train")
        self.balance = balance(counts, config.balance)
        self.weight = class_weights(counts).to(where) if self.balance == "weights" else None
        self.augment = _augmentation(config)

    def batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the images of every step of an epoch, those of all processes."""
        random = np.random.default_rng((self.config.seed, epoch))
        if self.balance == "sampling":
            order = balanced_order(self.rows, self.dataset.labels[self.rows], random)
        else:
            order = random.permutation(self.rows)
        batches = self.dataset.batches(order, self.count, random)
        self.dataset.expect(batch[self.share.world.share(len(batch))] for batch in batches)
        return batches

    def gradient(
        self, network: nn.Module, optimizer: AdamW, batch: npt.NDArray[np.int64], epoch: int, step: int
    ) -> Outcome:
        """Leave the gradient of a batch's loss in the network's parameters, shortened to the length allowed.

        Parameters
        ----------
        network : Module
            Images to logits; where several processes train, what `replicate` makes of the
            network, so that the gradient is that of the whole batch.
        optimizer : AdamW
            It forgets the gradient before.
        batch : ndarray of int
            The images of the step, of all processes.
        epoch, step : int
            The position.
        """
        seed = _seed(self.config.seed, epoch, step)
        _seed_dropout(seed, self.where)
        part = self.share.take(len(batch))
        x = self.dataset.standardisation(self.dataset.pixels[batch[part]])
        x = self.augment(x, torch.Generator().manual_seed(seed), part, len(batch)).to(self.where)
        y = self.labels[batch].to(self.where)

        logits = network(x)
        weights = None if self.weights is None else self.weights[batch[part]].to(self.where)
        loss = self._loss(logits, y, part, weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.config.clip_norm)
        correct = int((logits.detach().argmax(1) == y[part]).sum())
        return Outcome(loss.item() / self.share.world.size, norm.item(), correct)

    def _loss(self, logits: Tensor, labels: Tensor, part: slice, weights: Tensor | None = None) -> Tensor:
        """Return the loss of this process's images, so that its mean over all processes is that of the batch.

        Parameters
        ----------
        logits : Tensor, shape (n, classes)
            Of this process's images.
        labels : Tensor of int, shape (N,)
            Of all images of the step.
        part : slice
            Which of them are this process's.
        weights : Tensor, shape (n,), optional
            What the losses of this process's images are multiplied by.
        """
        smoothing, size = self.config.label_smoothing, self.share.world.size
        if size == 1 and weights is None:
            return F.cross_entropy(logits, labels, self.weight, label_smoothing=smoothing)
        whole = len(labels) if self.weight is None else self.weight[labels].sum()
        reduction = "sum" if weights is None else "none"
        loss = F.cross_entropy(logits, labels[part], self.weight, reduction=reduction, label_smoothing=smoothing)
        return (loss if weights is None else (loss * weights).sum()) * (size / whole)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _seed_dropout(seed: int, where: torch.device) -> None:
    if where.type == "cpu":
        # The same as `torch.manual_seed`, without the calls it queues for devices that nobody uses, each with a trace
        # of the stack: those take up to half a millisecond.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def _augmentation(config: Config) -> Augmentation:
    if not config.augment:
        return Augmentation()
    names = ("shift", "rotate", "zoom", "brightness", "contrast", "flip")
    return Augmentation(**{name: getattr(config, name) for name in names})

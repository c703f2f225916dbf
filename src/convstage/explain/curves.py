"""Deletion and insertion: whether the network's answer follows what a map points to.

Petsiuk, Das and Saenko 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models", section 4.
Details are taken out of the image part by part, those that speak most for the class first, and put into a
blurred one in the same order; the mean of the score on the way is compared with that of random orders.

Other than in the paper, the score is looked at and not the probability, which stays at 100% for long where a
network is sure; and blocks are blurred, with soft edges, where there pixels become grey. Single pixels, grey and
sharp edges are something that a network has never seen: on synthetic radiographs they raised the score of
disease by themselves, so that putting back the true lesions seemed worse than putting back anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from .question import Question
from .result import Evidence

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Blocks along the longer side, shares of them that are taken, random orders to compare with, and their seed.
BLOCKS, STEPS, ORDERS, SEED = 16, 12, 20, 0


@dataclass(frozen=True, eq=False)
class Curve:
    """How the score changes while details are taken out of an image, or put back.

    Attributes
    ----------
    shares, scores : ndarray of float64, shape (steps + 1,)
        Share of the blocks that have been changed, and the score then.
    random : ndarray of float64, shape (orders,)
        Mean scores of random orders.
    falls : bool
        Whether a smaller mean is better: deletion.
    """

    shares: Floats
    scores: Floats
    random: Floats
    falls: bool

    @property
    def mean(self) -> float:
        """Mean of the score on the way: the area under the curve."""
        return float(_means(self.shares, self.scores))

    @property
    def gain(self) -> float:
        """How much better it is than the random orders on average; negative when it is worse."""
        difference = float(self.random.mean()) - self.mean
        return difference if self.falls else -difference

    @property
    def beaten(self) -> int:
        """Random orders that it is better than."""
        return int(np.sum(self.random > self.mean if self.falls else self.random < self.mean))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        random = {"mean": float(self.random.mean()), "spread": float(self.random.std()), "orders": len(self.random)}
        return {
            "shares": self.shares.tolist(),
            "scores": self.scores.tolist(),
            "mean": self.mean,
            "random": random,
            "gain": self.gain,
            "beaten": self.beaten,
        }


class Blocks:
    """The blocks of an image, and what the network says when the details of some are gone.

    Parameters
    ----------
    question : Question

    Attributes
    ----------
    grid : (int, int)
        Rows and columns of blocks.
    random : ndarray of float64, shape (orders, 2)
        Mean scores of random orders, for deletion and insertion.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        longer = max(question.size)
        rows, columns = (max(1, round(min(BLOCKS, longer) * side / longer)) for side in question.size)
        self.grid = rows, columns
        self._taken: Ints = np.rint(np.linspace(0, rows * columns, STEPS + 1)).astype(np.int64)
        random = np.random.default_rng(SEED)
        orders = [random.permutation(rows * columns) for _ in range(ORDERS)]
        self.random: Floats = np.array([_means(self.shares, self.scores(order)) for order in orders])

    @property
    def shares(self) -> Floats:
        """Share of the blocks that is changed at each step."""
        return self._taken / (self.grid[0] * self.grid[1])

    def order(self, map_hw: Floats) -> Ints:
        """Return the blocks, those with the largest mean of a map first."""
        means = F.adaptive_avg_pool2d(torch.from_numpy(map_hw)[None], self.grid)
        return np.argsort(-means.numpy().ravel(), kind="stable")

    def scores(self, order: Ints) -> Floats:
        """Return the score while blocks are blurred, and while they come back, shape (2, steps + 1)."""
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        first = rank < self._taken[:, None]
        shares = np.concatenate([first, ~first]).reshape(-1, 1, *self.grid)
        batch = self.question.batch
        parts = [torch.from_numpy(shares[start : start + batch]) for start in range(0, len(shares), batch)]
        logits = np.concatenate([self.question.logits_of(self._blurred(part)) for part in parts])
        return self.question.scores_of(logits).reshape(2, -1)

    def _blurred(self, blocks: Tensor) -> Tensor:
        """Return the image with some blocks blurred, shape (n, channels, height, width); edges between are soft."""
        sharp, blurred = self.question.x_nchw, self.question.blurred_nchw
        share = F.interpolate(blocks.to(sharp), self.question.size, mode="bilinear", align_corners=False)
        return torch.lerp(sharp, blurred, share)

    def curves(self, evidence: Evidence) -> tuple[Curve, Curve]:
        """Return deletion and insertion in the order of a map as it is shown."""
        deletion, insertion = self.scores(self.order(evidence.smooth_hw))
        return (
            Curve(self.shares, deletion, self.random[:, 0], falls=True),
            Curve(self.shares, insertion, self.random[:, 1], falls=False),
        )


def _means(shares: Floats, scores: Floats) -> Floats:
    """Return the mean of curves over the shares, along the last axis, by trapezoids."""
    return np.asarray(((scores[..., 1:] + scores[..., :-1]) / 2) @ np.diff(shares))

"""One pass over images: what excites every filter most, and what it does on each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..data.pixel_rows import PixelRows
from ..pattern.layers import Activation
from ..pattern.plan import Plan, Row
from ..predict import Classifier, batch_for
from ..terminal import track

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: What stands between a convolution and its non-linearity and goes cell by cell.
PASSED = ("BN", "DROPOUT")


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the filters of a convolution are looked at.

    Attributes
    ----------
    conv : Row
        The convolution.
    before : Row
        The last layer before the non-linearity: the convolution itself or its normalisation.
    after : Row
        The non-linearity; `before` where there is none ahead of the next pooling or convolution.
    """

    conv: Row
    before: Row
    after: Row


def readings(plan: Plan) -> list[Reading]:
    """Return where the filters of each convolution are looked at: behind its non-linearity, if it has one.

    Examples
    --------
    >>> from convstage import Pattern
    >>> plan = Pattern("INPUT(8x8x1) -> CONV(2) -> BN -> RELU -> CONV(2) -> POOL -> CLASSIFIER(2)").plan()
    >>> [(reading.before.name, reading.after.name) for reading in readings(plan)]
    [('stage1.bn', 'stage1.relu'), ('stage2.conv', 'stage2.conv')]
    """
    found = []
    for index, row in enumerate(plan.rows):
        if row.kind != "CONV":
            continue
        before = row
        for follower in plan.rows[index + 1 :]:
            if follower.kind not in PASSED:
                break
            before = follower
        after = follower if isinstance(follower.layer, Activation) else before
        found.append(Reading(row, before, after))
    return found


class Tally:
    """What the filters of one layer did on the images so far; its size does not depend on their number.

    Attributes
    ----------
    values : ndarray, shape (K, kept)
        The strongest values of each filter, of different images, the largest first; -inf
        where there were fewer images. Of equal ones the first image's comes first.
    rows : ndarray of int, shape (K, kept)
        The images they are from.
    cells : ndarray of int, shape (K, kept, 2)
        Row and column of the cell, the first of equal ones.
    high, low : ndarray, shape (K,)
        The largest and the smallest value of all cells of all images.
    images : ndarray of int, shape (classes,)
        How many images of each class there were.
    positive : ndarray of int, shape (K,)
        In how many images some cell is above zero.
    """

    def __init__(self, filters: int, classes: int, kept: int) -> None:
        self.values = np.full((filters, kept), -np.inf)
        self.rows = np.full((filters, kept), -1, np.int64)
        self.cells = np.zeros((filters, kept, 2), np.int64)
        self.high = np.full(filters, -np.inf)
        self.low = np.full(filters, np.inf)
        self.images = np.zeros(classes, np.int64)
        self.positive = np.zeros(filters, np.int64)
        self._sums = np.zeros((classes, filters))
        self._squares = np.zeros(filters)

    def add(self, maps: Tensor, rows: Ints, labels: Ints) -> None:
        """Count some more images in.

        Parameters
        ----------
        maps : Tensor, shape (N, K, H, W) or (N, K)
            The layer's output.
        rows, labels : ndarray of int, shape (N,)
            Which images these are, and their classes.
        """
        maps = maps if maps.ndim == 4 else maps[:, :, None, None]
        peaks, means = (one.double().cpu().numpy() for one in (maps.amax((2, 3)), maps.mean((2, 3))))
        self.high = np.maximum(self.high, peaks.max(0))
        self.low = np.minimum(self.low, maps.amin((0, 2, 3)).double().cpu().numpy())
        self.positive += (peaks > 0).sum(0)
        self.images += np.bincount(labels, minlength=len(self.images))
        np.add.at(self._sums, labels, means)
        self._squares += (means**2).sum(0)
        self._keep(maps, peaks, rows)

    def _keep(self, maps: Tensor, peaks: Floats, rows: Ints) -> None:
        """Put the new values among the strongest; only of those that stay is the cell looked for."""
        kept = self.values.shape[1]
        values = np.concatenate([self.values, peaks.T], axis=1)
        order = np.argsort(-values, axis=1, kind="stable")[:, :kept]
        every = np.arange(len(values))[:, None]
        all_rows = np.concatenate([self.rows, np.tile(rows, (len(values), 1))], axis=1)
        old = np.take_along_axis(self.cells, np.minimum(order, kept - 1)[:, :, None], axis=1)
        self.values, self.rows, self.cells = values[every, order], all_rows[every, order], old
        for number, places in enumerate(order - kept):
            (new,) = np.nonzero(places >= 0)
            if len(new):
                chosen = maps[torch.from_numpy(places[new]), number].cpu().numpy()
                cells = chosen.reshape(len(new), -1).argmax(1)
                self.cells[number, new] = np.stack(np.unravel_index(cells, chosen.shape[1:]), axis=1)

    @property
    def class_means(self) -> Floats:
        """Each filter's mean over all cells of a class's images, shape (classes, K); NaN where it has none."""
        counts = np.where(self.images, self.images, np.nan)
        return np.asarray(self._sums / counts[:, None])

    @property
    def told(self) -> Floats:
        """Share of the variance between images that lies between classes, 0..1, shape (K,).

        Of each filter's mean over an image: Fisher's correlation ratio, which is 1 when the
        class alone says it, and 0 when all classes have the same mean.
        """
        count = self.images.sum()
        mean = self._sums.sum(0) / count
        total = self._squares - count * mean**2
        between = np.nansum(self.images[:, None] * (self.class_means - mean) ** 2, axis=0)
        # Below what rounding leaves of a constant there is no variance to have a share of.
        varies = total > 1e-9 * np.maximum(self._squares, 1e-30)
        return np.where(varies, np.clip(between / np.where(varies, total, 1), 0, 1), 0.0)


def scan(classifier: Classifier, pixels: PixelRows, labels: Ints, layers: Sequence[Row], kept: int) -> dict[str, Tally]:
    """Put images through a network, a batch at a time, and count what the filters of some layers do.

    Of a batch no more than two layers' outputs are kept at once.

    Parameters
    ----------
    classifier : Classifier
    pixels : PixelRows, shape (n, height, width, channels)
    labels : ndarray of int, shape (n,)
    layers : sequence of Row
        Layers whose outputs are counted.
    kept : int
        How many of the strongest values are kept.

    Returns
    -------
    dict of str to Tally
        By the layer's name.
    """
    plan, network = classifier.plan, classifier.network
    tallies = {row.name: Tally(row.output[-1], len(classifier.classes), kept) for row in layers}
    size = batch_for(plan)
    batches = range(0, len(pixels), size)
    device = next(network.parameters()).device
    with torch.inference_mode():
        for start in track(batches, "Looking for what excites the filters", len(batches), "batches"):
            x = classifier.standardisation(pixels[start : start + size]).to(device)
            rows = np.arange(start, start + len(x))
            for row in plan.rows[1:]:
                x = network.get_submodule(row.name)(x)
                if row.name in tallies:
                    tallies[row.name].add(x, rows, labels[rows])
    return tallies

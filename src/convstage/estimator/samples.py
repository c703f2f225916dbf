"""Labelled images in memory and their weights, as a data set to train on.

Training is a function of the images, not of how they were handed over: images that are
the same, with the same label, are one image with the sum of their weights; those of
weight zero are not there; and the order of the rows makes no difference. A weight of 2
is therefore exactly a row that is there twice.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..data import Dataset, Geometry, Standardisation
from ..data.pixel_rows import Images, PixelRows
from ..data.split import TRAIN, split
from ..errors import DataError

#: Images that are in memory as float64 at a time while they are measured.
AT_ONCE = 64
#: A channel whose values differ by less than this share of their mean is constant, but for rounding.
ROUNDING = 1e-9

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Numbers(Standardisation):
    """A `Standardisation` of any numbers; mean and standard deviation are of the values divided by 255."""

    def __call__(self, pixels: Array) -> Tensor:
        """Return images (n, height, width, channels) as network input (n, channels, height, width)."""
        if pixels.dtype == np.uint8:
            return Standardisation.__call__(self, pixels)
        # In float64, so that nothing is lost of small differences between large numbers.
        x = (pixels / np.float64(255) - np.array(self.mean)) / np.array(self.std)
        return torch.from_numpy(x.astype(np.float32)).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Samples:
    """The different images of a training, in an order that is that of their contents.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Where each is in the array of all.
    labels : ndarray of int, shape (m,)
    weights : ndarray of float, shape (m,)
        Sums over those that are the same.
    sha256 : list of str, length m
        Of the values.
    """

    rows: Ints
    labels: Ints
    weights: Floats
    sha256: list[str]

    @classmethod
    def of(cls, images: Array, labels: Ints, weights: Floats) -> Samples:
        """Return the different ones among images of shape (n, …) whose weight is not zero."""
        found: dict[tuple[str, int], tuple[int, list[float]]] = {}
        for row in np.flatnonzero(weights).tolist():
            key = hashlib.sha256(np.ascontiguousarray(images[row]).data).hexdigest(), int(labels[row])
            found.setdefault(key, (row, []))[1].append(float(weights[row]))
        ordered = sorted(found)
        return cls(
            rows=np.array([found[key][0] for key in ordered], np.int64),
            labels=np.array([label for _, label in ordered], np.int64),
            # The exact sum, so that it does not depend on the order, either.
            weights=np.array([math.fsum(found[key][1]) for key in ordered]),
            sha256=[sha256 for sha256, _ in ordered],
        )


def in_memory(images: Array, samples: Samples, classes: tuple[str, ...], *, val: float | None, seed: int) -> Dataset:
    """Return a data set of images in memory, of which no copy is made.

    Parameters
    ----------
    images : ndarray, shape (n, height, width, channels)
        Of any numbers.
    samples : Samples
        Those to train with.
    classes : tuple of str
        Names of the classes.
    val : float, optional
        Share of the images for the validation part, stratified by class; without it there is none.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    DataError
        A class has too few images for two parts, or values are too large.
    """
    parts = np.full(len(samples.rows), TRAIN)
    if val is not None:
        try:
            # Images that are the same, with different labels, must not be in both parts.
            given = [None] * len(parts)
            parts = split(samples.labels, given, classes, val=val, test=0.0, seed=seed, groups=samples.sha256)
        except DataError as error:
            raise DataError(f"{error}\nOr fit with early_stopping=False, which needs no validation part.") from None
    pixels = PixelRows(cast(Images, images), samples.rows)
    trained = np.flatnonzero(parts == TRAIN)
    names = [str(row) for row in samples.rows.tolist()]
    return Dataset(
        source="X",
        classes=classes,
        pixels=pixels,
        labels=samples.labels,
        names=names,
        sha256=samples.sha256,
        groups=names,
        parts=parts,
        unreadable=[],
        notes=[],
        geometry=Geometry(images.shape[1], images.shape[2], "colour" if images.shape[3] == 3 else "grey"),
        standardisation=measure(pixels.take(trained), samples.weights[trained]),
        weights=_relative(samples.weights, trained),
    )


def measure(images: PixelRows, weights: Floats) -> Numbers:
    """Return the weighted mean and standard deviation of each channel.

    Parameters
    ----------
    images : PixelRows, shape (n, height, width, channels)
    weights : ndarray of float, shape (n,)

    Raises
    ------
    DataError
        Their squares are beyond float64.
    """
    starts = range(0, len(images), AT_ONCE)
    weights = weights / weights.sum()

    def mean_of(center: Floats | float, power: int) -> Floats:
        total = np.zeros(images.shape[3])
        for start in starts:
            part = images[start : start + AT_ONCE] / np.float64(255) - center
            total += weights[start : start + AT_ONCE] @ (part**power).mean(axis=(1, 2))
        return total

    with np.errstate(over="ignore", invalid="ignore"):
        mean = mean_of(0.0, 1)
        std = np.sqrt(mean_of(mean, 2))
    if not np.isfinite(std).all():
        raise DataError("X has values that are too large: their squares are beyond float64.\nScale them first.")
    # A channel without any contrast carries nothing; dividing by its zero would carry NaN.
    std = np.where(std > ROUNDING * np.abs(mean), std, 1.0)
    return Numbers(tuple(mean.tolist()), tuple(std.tolist()))


def _relative(weights: Floats, trained: Ints) -> Floats | None:
    """Return weights whose mean over the training part is 1; None where all are the same."""
    if np.ptp(weights) == 0:
        return None
    return np.asarray(weights / weights[trained].mean())

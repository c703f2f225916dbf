"""The shift test: how often a classifier is still right when its test images are moved by a few pixels.

An object that lies a little further left is the same object. A fully connected layer learns
every place anew; a convolution looks for its features everywhere, and pooling forgives where
exactly they are. How much of that a classifier has learned, its accuracy on shifted images
tells (compare Zhang 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from .data.pixel_rows import PixelRows
from .figures import figure
from .resampling import intervals, number_groups
from .shifts import Shift, shifted

#: Images are moved so far, in pixels; by 0 they are as they are.
DISTANCES = (0, 1, 2, 3, 4)
#: So many images are moved at once.
BATCH = 256

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
#: Pixels (n, height, width, channels) to class numbers (n,).
Predict = Callable[[npt.NDArray[np.uint8]], Labels]


def directions(distance: int) -> tuple[Shift, ...]:
    """Return where images are moved to, in pixels down and right: up, down, left and right.

    Examples
    --------
    >>> directions(2), directions(0)
    (((-2, 0), (2, 0), (0, -2), (0, 2)), ((0, 0),))
    """
    return ((-distance, 0), (distance, 0), (0, -distance), (0, distance)) if distance else ((0, 0),)


def shift_test(
    predict: Predict,
    pixels: npt.NDArray[np.uint8] | PixelRows,
    labels: Labels,
    distances: Sequence[int] = DISTANCES,
) -> Floats:
    """Ask a classifier about images that are moved, and tell how often it is right about each.

    Parameters
    ----------
    predict : callable
        Pixels of shape (n, height, width, channels) to class numbers of shape (n,).
    pixels : ndarray of uint8, shape (n, height, width, channels)
        What comes in at an edge repeats the edge; see `convstage.shifts.shifted`.
    labels : ndarray of int, shape (n,)
        The true classes.
    distances : sequence of int
        How far they are moved, in pixels.

    Returns
    -------
    ndarray, shape (distances, n)
        Of each image, the share of the directions in which it was recognised.

    Examples
    --------
    Dark on the left, bright on the right; a classifier that looks at one column loses it.

    >>> images = np.tile(np.uint8([0, 0, 9, 9]), (1, 4, 1))[..., None]
    >>> shift_test(lambda x: (x[:, 0, 2, 0] > 0).astype(int), images, np.array([1]), [0, 1])
    array([[1.  ],
           [0.75]])
    """
    right = np.zeros((len(distances), len(labels)))
    for start in range(0, len(labels), BATCH):
        block, truth = pixels[start : start + BATCH], labels[start : start + BATCH]
        for row, distance in enumerate(distances):
            views = shifted(block, directions(distance))
            right[row, start : start + BATCH] = np.mean([predict(view) == truth for view in views], axis=0)
    return right


def shift_figures(right: Floats, groups: Sequence[str] | None = None) -> list[dict[str, float] | None]:
    """Return the accuracy at every distance, with its bootstrap interval.

    Parameters
    ----------
    right : ndarray, shape (distances, n)
        As `shift_test` returns it.
    groups : sequence of str, length n, optional
        Images of one group are resampled together.

    Returns
    -------
    list of dict
        ``{"value", "low", "high"}`` of each distance.
    """
    numbers = number_groups(groups, right.shape[1])

    def accuracy(weights: Floats) -> dict[str, Floats]:
        return {"accuracy": weights @ right.T / weights.sum(axis=1, keepdims=True)}

    points = {"accuracy": right.mean(axis=1)}
    independent = {"accuracy": np.full(len(right), numbers.max() + 1.0)}
    bounds = intervals(accuracy, points, numbers, independent)["accuracy"]
    return [figure(points["accuracy"], bounds, place) for place in range(len(right))]

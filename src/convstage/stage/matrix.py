"""A convolution written out as the matrix that it is: one row for each output, one column for each input.

A fully connected layer multiplies its input with a matrix whose every entry is a weight of its
own. A convolution does the same with a matrix that is nearly empty, because an output reads its
patch only (sparse connectivity), and in which few numbers return again and again, because all
patches share one filter (shared weights). See Goodfellow, Bengio and Courville, "Deep Learning",
2016, section 9.2, and Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
arXiv:1603.07285, section 4.1. With stride 1 it is a block Toeplitz matrix of Toeplitz blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConfigError
from ..sizes import Padding, Pair, Shape
from .reference import CrossCorrelation

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: A matrix with more places than this is not written out: it would fill the memory and show nothing.
MAX_CONNECTIONS = 10_000_000


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What a convolution connects and learns, beside a fully connected layer between the same shapes.

    Biases are not counted.

    Attributes
    ----------
    inputs, outputs : int
        Numbers of the image and of all maps: columns and rows of the matrix.
    weights : int
        Numbers in all filters: what the convolution learns, whatever the size of the image.
    connections : int
        Places of the matrix that are filled: how many inputs all outputs read together. Padding is
        not an input. It is what `Row.connections` of a plan says.
    """

    inputs: int
    outputs: int
    weights: int
    connections: int

    @property
    def dense_connections(self) -> int:
        """Connections of a fully connected layer, and its weights: each has one of its own."""
        return self.inputs * self.outputs


def connectivity(
    filters: ArrayLike, image_shape: Shape, *, stride: int | Pair = 1, padding: Padding = "valid"
) -> Connectivity:
    """Count what a convolution connects; the matrix is not made for it.

    Parameters
    ----------
    filters, stride, padding
        As in `convstage.stage.reference.cross_correlate`.
    image_shape : (int, int) or (int, int, int)
        Height, width and channels of the image.

    Examples
    --------
    >>> counts = connectivity(np.ones((3, 3)), (7, 5))
    >>> counts
    Connectivity(inputs=35, outputs=15, weights=9, connections=135)
    >>> counts.dense_connections
    525
    """
    problem, shape = _problem(filters, image_shape, stride, padding)
    connections = problem.window.taps(shape) * shape[2] * problem.shape[2]
    return Connectivity(prod(shape), prod(problem.shape), problem.w_kfgc.size, connections)


def places(filters: ArrayLike, image_shape: Shape, *, stride: int | Pair = 1, padding: Padding = "valid") -> csr_array:
    """Return which weight stands where in the matrix of a convolution.

    Parameters
    ----------
    filters, image_shape, stride, padding
        As in `connectivity`.

    Returns
    -------
    scipy.sparse.csr_array of int64, shape (outputs, inputs)
        The number of the weight, from 1 on, as the filters' numbers follow one another; 0 where
        nothing is connected. Outputs and inputs follow one another row by row, cell by cell, the
        channels of a cell together.

    Raises
    ------
    ConfigError
        The arguments do not fit, or the matrix is too large to write out.

    Examples
    --------
    >>> places(np.ones((1, 2)), (1, 4)).toarray()
    array([[1, 2, 0, 0],
           [0, 1, 2, 0],
           [0, 0, 1, 2]])
    """
    from scipy.sparse import csr_array

    problem, (height, width, channels) = _problem(filters, image_shape, stride, padding)
    counts = connectivity(filters, image_shape, stride=stride, padding=padding)
    if counts.connections > MAX_CONNECTIONS:
        raise ConfigError(
            f"the matrix of {counts.outputs:,} × {counts.inputs:,} would have {counts.connections:,} connections, and "
            f"more than {MAX_CONNECTIONS:,} are not written out.\nTake a smaller image."
        )
    number, filter_height, filter_width, _ = problem.w_kfgc.shape
    top, _, left, _ = problem.window.margins
    down, right = problem.window.stride
    # One axis for each number that names a product: output row, column, map; filter row, column, channel.
    axes = (*problem.shape, filter_height, filter_width, channels)
    y, x, k, i, j, c = np.indices(axes, sparse=True)
    row, column = y * down - top + i, x * right - left + j
    inside = np.broadcast_to((row >= 0) & (row < height) & (column >= 0) & (column < width), axes)
    output = np.broadcast_to((y * problem.shape[1] + x) * number + k, axes)[inside]
    pixel = np.broadcast_to((row * width + column) * channels + c, axes)[inside]
    weight = np.broadcast_to(((k * filter_height + i) * filter_width + j) * channels + c + 1, axes)[inside]
    return csr_array((weight, (output, pixel)), shape=(counts.outputs, counts.inputs))


def as_matrix(
    filters: ArrayLike, image_shape: Shape, *, stride: int | Pair = 1, padding: Padding = "valid"
) -> csr_array:
    """Write a convolution out as the matrix that it is.

    Multiplied with the image as one column of numbers it gives the maps as one column. Its transpose
    is what takes gradients back from the maps to the image ("transposed convolution").

    Parameters
    ----------
    filters, image_shape, stride, padding
        As in `connectivity`.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (outputs, inputs)
        In the order of `places`. A weight of 0 is a connection, too: it is stored.

    Raises
    ------
    ConfigError
        The arguments do not fit, or the matrix is too large to write out.

    Examples
    --------
    >>> matrix = as_matrix([[1, -1]], (1, 4))
    >>> matrix.toarray()
    array([[ 1., -1.,  0.,  0.],
           [ 0.,  1., -1.,  0.],
           [ 0.,  0.,  1., -1.]])
    >>> matrix @ [5, 5, 7, 4]
    array([ 0., -2.,  3.])
    """
    return filled(places(filters, image_shape, stride=stride, padding=padding), filters)


def filled(which: csr_array, filters: ArrayLike) -> csr_array:
    """Put weights where `places` says that they stand.

    Parameters
    ----------
    which : scipy.sparse.csr_array of int64, shape (outputs, inputs)
        From `places`, for filters of the same shape.
    filters : array_like
        The weights.

    Returns
    -------
    scipy.sparse.csr_array of float64, shape (outputs, inputs)
    """
    from scipy.sparse import csr_array

    weights = np.asarray(filters, np.float64).ravel()
    return csr_array((weights[which.data - 1], which.indices, which.indptr), shape=which.shape)


def _problem(
    filters: ArrayLike, image_shape: Shape, stride: int | Pair, padding: Padding
) -> tuple[CrossCorrelation, tuple[int, int, int]]:
    """Check the arguments as the definition does; return them, and height, width and channels of the image."""
    problem = CrossCorrelation.of(np.zeros(image_shape), filters, None, stride, padding)
    height, width, channels = (*image_shape, 1)[:3]
    return problem, (height, width, channels)

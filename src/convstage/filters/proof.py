"""The proof that a convolution is a matrix: written out, counted, multiplied, compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..stage.matrix import MAX_CONNECTIONS, Connectivity, connectivity, filled, places
from .filtered import Filtered, whole_problem

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """A convolution as a matrix.

    Attributes
    ----------
    counts : Connectivity
        What it connects and learns.
    places : scipy.sparse.csr_array, shape (outputs, inputs), or None
        Which weight stands where, from 1 on; None where the matrix is too large to write out.
    difference : float or None
        The largest difference between the map and the matrix times the pixels.
    """

    counts: Connectivity
    places: csr_array | None
    difference: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the difference as plain data."""
        counts = self.counts
        return {
            "rows": counts.outputs,
            "columns": counts.inputs,
            "weights": counts.weights,
            "connections": counts.connections,
            "dense_weights": counts.dense_connections,
            "dense_connections": counts.dense_connections,
            "largest_difference": self.difference,
        }


def prove(filtered: Filtered) -> Proof:
    """Write the convolution out as a matrix, multiply it with the pixels, and compare.

    Where image and filter are fractions both sides are computed with whole numbers, so that the
    difference is 0 and not a matter of rounding.

    Examples
    --------
    >>> from .filtered import apply
    >>> proof = prove(apply("nine", "loopy"))
    >>> proof.counts.connections, proof.counts.dense_connections, proof.difference
    (135, 525, 0.0)
    """
    image_hw, weights, over = whole_problem(filtered.image, filtered.kernel)
    window = filtered.window
    counts = connectivity(weights, image_hw.shape, stride=window.stride, padding=window.margins)
    if counts.connections > MAX_CONNECTIONS:
        return Proof(counts, None, None)
    which = places(weights, image_hw.shape, stride=window.stride, padding=window.margins)
    map_hw = (filled(which, weights) @ image_hw.ravel()).reshape(filtered.map_hw.shape) / over
    return Proof(counts, which, float(np.abs(map_hw - filtered.map_hw).max()))

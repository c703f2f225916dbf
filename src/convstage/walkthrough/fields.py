"""The receptive field of a cell: which part of the image its value depends on, clipped to the image.

From windows, strides and paddings alone, layer by layer downwards (Araujo, Norris and Sim, "Computing
Receptive Fields of Convolutional Neural Networks", Distill 2019); what lies in a layer's padding is cut off
at that layer, for it depends on nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..pattern.plan import Row
from ..sizes import Region, clipped
from .receipts import Place


def area_before(row: Row, area: Region) -> Region:
    """Return which part of its input a layer reads for a part of its output map.

    Parameters
    ----------
    row : Row
        A layer from map to map.
    area : (range, range)
        Rows and columns of its output.

    Returns
    -------
    (range, range)
        Rows and columns of its input, without padding. Where the stride is larger than the window, rows
        in between are not read.
    """
    if row.window is None:
        return area
    return clipped(row.window.reads(area), row.input)


def receptive_field(rows: Sequence[Row], index: int, cell: Place) -> Region:
    """Return which rows and columns of the image one cell depends on.

    Parameters
    ----------
    rows : sequence of Row
        Of a plan.
    index : int
        Of the layer among them.
    cell : tuple of int
        Row, column and filter of a map, or the place in a vector.

    Examples
    --------
    >>> from convstage import Pattern
    >>> rows = Pattern("INPUT(28x28x1) -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER(2)").plan().rows
    >>> [row.name for row in rows[4:7]]
    ['stage2.conv', 'stage2.relu', 'stage2.pool']
    >>> receptive_field(rows, 6, (0, 3, 0))
    (range(0, 7), range(9, 19))
    """
    whole = range(rows[0].output[0]), range(rows[0].output[1])
    while len(rows[index].output) == 1:
        row = rows[index]
        if row.layer.reads_all:
            return whole
        if row.layer.makes_vector:
            cell = tuple(map(int, np.unravel_index(cell[0], row.input)))
        index -= 1
    area = range(cell[0], cell[0] + 1), range(cell[1], cell[1] + 1)
    for row in reversed(rows[1 : index + 1]):
        area = area_before(row, area)
    return area

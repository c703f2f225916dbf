"""What one cell of a layer sees: its receptive field, and its value computed from that alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from ..pattern.plan import Plan, Row
from ..sizes import NO_MARGINS, Pair, Region, Window, clipped

if TYPE_CHECKING:
    from torch import Tensor

    from ..network import Network

#: What a layer that goes cell by cell reads for one cell: that cell.
CELL = Window((1, 1), (1, 1), NO_MARGINS)


@dataclass(frozen=True, slots=True)
class Field:
    """The receptive field of one cell, layer by layer down to the image.

    Attributes
    ----------
    layers : tuple of Row
        The layers that the cell's value goes through, the first behind the image first.
    reads : tuple of (range, range)
        Rows and columns that each of these layers reads of the map below it; what lies
        outside of that map is its zero padding.
    frame : (range, range)
        Rows and columns of the image, and beyond it, as if no map had an edge: of the same
        size for every cell of a layer, `Row.receptive_field`.
    """

    layers: tuple[Row, ...]
    reads: tuple[Region, ...]
    frame: Region

    @property
    def inside(self) -> Region:
        """Rows and columns of the image that the value depends on.

        At an edge this can be less than what the frame and the image share: rows that a
        pooling leaves over are seen by no cell, but a layer above pads where they would be.
        """
        return clipped(self.reads[0], self.layers[0].input)

    @property
    def values(self) -> int:
        """How many values the maps that `run` goes through have, for one image."""
        return sum(
            len(rows) * len(columns) * row.input[2]
            for row, (rows, columns) in zip(self.layers, self.reads, strict=True)
        )

    @property
    def multiply_adds(self) -> int:
        """How many multiplications, each with its addition, `run` does for one image."""
        total = 0
        for row, read in zip(self.layers, self.reads, strict=True):
            if row.kind == "CONV" and row.window is not None:
                cells = Window(row.window.size, row.window.stride).output((len(read[0]), len(read[1])))
                total += prod(cells) * row.weights
        return total

    def run(self, network: Network, x: Tensor) -> Tensor:
        """Return the cell's values, all filters, from the part of the image inside the field.

        Equal to the cell in the network's own output, for a few of its multiplications.

        Parameters
        ----------
        network : Network
            In evaluation mode.
        x : Tensor, shape (N, C, rows, columns)
            Standardised pixels of `inside`.

        Returns
        -------
        Tensor, shape (N, K)
        """
        from torch.nn import functional as F

        for row, read in zip(self.layers, self.reads, strict=True):
            module: Any = network.get_submodule(row.name)
            if row.kind == "CONV":
                x = F.pad(x, _beyond(read, row.input))
                x = F.conv2d(x, module.weight, module.bias, module.stride)
            else:
                x = module(x)
        return x.flatten(1)


def field_of(plan: Plan, layer: str, cell: Pair) -> Field:
    """Return the receptive field of a cell of a layer's map.

    Parameters
    ----------
    plan : Plan
    layer : str
        Name of a layer whose output is a map, such as ``stage2.conv``.
    cell : (int, int)
        Row and column.

    Examples
    --------
    >>> from convstage import Pattern
    >>> plan = Pattern("INPUT(8x8x1) -> [CONV(2) -> RELU -> POOL]*2 -> CLASSIFIER(2)").plan()
    >>> field = field_of(plan, "stage2.conv", (0, 1))
    >>> field.frame
    (range(-3, 5), range(-1, 7))
    >>> field.inside
    (range(0, 5), range(0, 7))
    """
    layers = layers_up_to(plan, layer)
    here = frame = (range(cell[0], cell[0] + 1), range(cell[1], cell[1] + 1))
    reads: list[Region] = []
    for row in reversed(layers):
        window = row.window or CELL
        here, frame = window.reads(clipped(here, row.output)), window.reads(frame)
        reads.insert(0, here)
    return Field(layers, tuple(reads), frame)


def layers_up_to(plan: Plan, layer: str) -> tuple[Row, ...]:
    """Return the layers between the image and the output of `layer`, which is the last of them."""
    names = [row.name for row in plan.rows]
    return plan.rows[1 : names.index(layer) + 1]


def _beyond(region: Region, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """Return how much of a region lies beyond a map's edges: left, right, top, bottom."""
    (rows, columns), (height, width) = region, shape[:2]
    return (
        max(0, -columns.start),
        max(0, columns.stop - width),
        max(0, -rows.start),
        max(0, rows.stop - height),
    )

"""The matrix of a convolution as a picture: each weight of the filter in a colour of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..pictures import Picture, plot_style
from ..text import count, size
from .filtered import Filtered
from .kernels import Kernel
from .numbers import over, written
from .panels import ABOVE, BELOW, DPI, GAP, GREY, HEAD, INK, SIDE, Panel, draw_head, draw_panel
from .proof import Proof
from .sheet import image_panel, map_panels, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from scipy.sparse import csr_array

#: A larger matrix is drawn as so many points: each shows a block of it.
POINTS = 900
#: Rows and columns of the corner that is enlarged; a matrix that has no more is drawn as it is.
CORNER = (24, 60)
#: Paul Tol's muted colours, which people of all colour vision can tell apart (personal.sron.nl/~pault).
COLOURS = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499")
#: Inches of the whole sheet, of a matrix that has no room for numbers, and of the words at the end.
WIDTH, WHOLE, WORDS = 3 * SIDE + 4 * GAP, 5.4, 0.9


def matrix_sheet(filtered: Filtered, proof: Proof) -> Figure:
    """Draw a convolution as the matrix that it is: image, filter and map above, the matrix below.

    Each weight of the filter has a colour, in the filter and wherever it stands in the matrix;
    white is no connection. Of a large matrix a corner is enlarged.

    Parameters
    ----------
    filtered : Filtered
        From `apply`.
    proof : Proof
        From `prove`.

    Raises
    ------
    ConfigError
        The matrix was too large to write out.
    """
    from matplotlib.figure import Figure

    if proof.places is None:
        raise ConfigError(f"a matrix with {count(proof.counts.connections)} connections is not drawn.")
    palette = _colours(proof.counts.weights)
    panels = [image_panel(filtered.image), _kernel(filtered.kernel, palette), map_panels(filtered)[0]]
    below = _matrices(filtered.kernel, proof.places, palette)
    height = HEAD + ABOVE + SIDE + BELOW + sum(ABOVE + _high(panel, side) for panel, side in below) + WORDS
    with plot_style():
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
        draw_head(figure, title(filtered.kernel), filtered.words)
        top = height - HEAD
        for number, panel in enumerate(panels):
            draw_panel(figure, panel, (GAP + number * (SIDE + GAP), top - ABOVE - SIDE), SIDE)
        top -= ABOVE + SIDE + BELOW
        for panel, side in below:
            draw_panel(figure, panel, (GAP, top - ABOVE - side), side)
            top -= ABOVE + _high(panel, side)
        for number, line in enumerate(sentences(proof)):
            figure.text(GAP / WIDTH, (0.6 - 0.2 * number) / height, line, fontsize=8, color=INK if number else GREY)
    return figure


def sentences(proof: Proof) -> list[str]:
    """Return what the counts and the comparison say, in lines."""
    counts = proof.counts
    share = counts.connections / counts.dense_connections
    lines = [
        "A row for each cell of the map, a column for each pixel, both row by row. White is no connection.",
        f"{count(counts.weights)} distinct weights, {count(counts.connections)} connections ({100 * share:.3g}%); "
        f"a fully connected layer has {count(counts.dense_connections)} of both.",
    ]
    if proof.difference is not None:
        lines.append(f"Largest difference between matrix × pixels and the map: {difference(proof.difference)}.")
    return lines


def difference(value: float) -> str:
    """Return a difference between two maps as people read it.

    Examples
    --------
    >>> difference(0.0), difference(2.3e-16)
    ('0', '2e-16 (rounding)')
    """
    return "0" if value == 0 else f"{value:.0e} (rounding)"


def _colours(weights: int) -> Picture:
    """Return a colour for each weight, behind white for no connection, shape (weights + 1, 3)."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if weights <= len(COLOURS):
        shares = np.array([to_rgb(colour) for colour in COLOURS[:weights]])
    else:
        shares = colormaps["viridis"](np.linspace(0, 1, weights))[:, :3]
    return np.vstack([np.full((1, 3), 255), np.round(255 * shares)]).astype(np.uint8)


def _kernel(kernel: Kernel, palette: Picture) -> Panel:
    note = ", ".join(filter(None, [size(kernel.shape), over(kernel.denominator or 1)]))
    return Panel("filter, each weight in a colour", note, palette[1:].reshape(*kernel.shape, 3), written(kernel))


def _matrices(kernel: Kernel, places: csr_array, palette: Picture) -> list[tuple[Panel, float]]:
    """Return the matrix, and of a large one a corner, too, each with the length of its longer side."""
    rows, columns = places.shape
    name, full = "the convolution as a matrix", f"{rows:,} × {columns:,}"
    corner = places[: CORNER[0], : CORNER[1]].toarray()
    is_whole = corner.shape == places.shape
    if not is_whole:  # with a stride its lower rows may be filled only further to the right
        corner = corner[: 1 + int(np.flatnonzero(corner.any(axis=1)).max(initial=0))]
    side = WIDTH - 2 * GAP if corner.shape[0] <= corner.shape[1] else WHOLE
    flat = ["", *(text for row in written(kernel) for text in row)]
    numbers = [[flat[place] for place in row] for row in corner]
    if is_whole:
        return [(Panel(name, full, palette[corner], numbers), side)]
    note = f"its first {corner.shape[0]} rows and {corner.shape[1]} columns"
    return [
        (Panel(name, full, palette[_points(places)]), WHOLE),
        (Panel("the upper left corner", note, palette[corner], numbers), side),
    ]


def _points(places: csr_array) -> npt.NDArray[np.int64]:
    """Return a matrix as at most `POINTS` × `POINTS` numbers of weights: of a block, one that is in it."""
    coordinates = places.tocoo()
    rows, columns = places.shape
    longer = max(rows, columns)
    shrink = max(1.0, longer / POINTS)
    points = np.zeros((max(1, round(rows / shrink)), max(1, round(columns / shrink))), np.int64)
    down = coordinates.row.astype(np.int64) * points.shape[0] // rows
    right = coordinates.col.astype(np.int64) * points.shape[1] // columns
    points[down, right] = coordinates.data
    return points


def _high(panel: Panel, side: float) -> float:
    rows, columns, _ = panel.picture.shape
    return float(side * rows / max(rows, columns))

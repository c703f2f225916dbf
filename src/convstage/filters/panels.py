"""Panels on a sheet: matrices as pictures with their numbers in them, and what a colour means below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..pictures import Picture, Scale, plot_style, thumbnail

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .numbers import Written

INK, GREY, MARK = "#222222", "#666666", "#E69F00"
#: Inches: the square that a matrix is fitted into, the space around it, the lines above and below it, and the
#: head of a sheet.
SIDE, GAP, ABOVE, BELOW, HEAD = 2.7, 0.3, 0.55, 0.5, 0.6
#: Inches that a frame may stand out of its matrix.
REACH = 0.07
DPI = 160
#: Points: numbers that would have to be smaller are left out.
SMALLEST, LARGEST = 4.6, 11.0
#: Pixels: larger pictures are brought to this side, which is more than the panel has.
DETAIL = 900

#: Top, left, height and width, in cells.
Place = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A matrix as a picture.

    Attributes
    ----------
    title, note : str
        Above it.
    picture : ndarray of uint8, shape (height, width, 3)
        One pixel for each cell.
    numbers : list of lists of str, or None
        Written into the cells where there is room for them.
    scale : Scale or None
        What the colours mean, drawn below.
    marks : tuple of (int, int, int, int)
        Top, left, height and width of cells with a frame around them; they may reach into the padding.
    """

    title: str
    note: str
    picture: Picture
    numbers: Written | None = None
    scale: Scale | None = None
    marks: tuple[Place, ...] = ()


def draw_panels(rows: Sequence[Sequence[Panel]], title: str, words: str) -> Figure:
    """Return a figure with a title, a line of words and panels in rows."""
    from matplotlib.figure import Figure

    columns = max(map(len, rows))
    width = columns * SIDE + (columns + 1) * GAP
    high = ABOVE + SIDE + BELOW
    height = HEAD + len(rows) * high + GAP / 2
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    draw_head(figure, title, words)
    for number, row in enumerate(rows):
        bottom = height - HEAD - (number + 1) * high + BELOW
        for place, panel in enumerate(row):
            draw_panel(figure, panel, (GAP + place * (SIDE + GAP), bottom), SIDE)
    return figure


def draw_head(figure: Figure, title: str, words: str) -> None:
    """Write the head of a sheet."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    figure.text(GAP / width, 1 - 0.3 / height, title, fontsize=11, fontweight="bold", color=INK)
    figure.text(GAP / width, 1 - 0.5 / height, words, fontsize=8, color=GREY)


def draw_panel(figure: Figure, panel: Panel, corner: tuple[float, float], side: float) -> None:
    """Draw a panel into a square of `side` inches whose lower left corner is given in inches."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    rows, columns = panel.picture.shape[:2]
    cell = side / max(rows, columns)
    left, bottom = corner
    # The matrix keeps its proportions and hangs below its title.
    box = (left / width, (bottom + side - rows * cell) / height, columns * cell / width, rows * cell / height)
    axes = figure.add_axes(box)
    paint(axes, panel, cell * 72)
    figure.text(left / width, (bottom + side + 0.27) / height, panel.title, fontsize=9, fontweight="bold", color=INK)
    figure.text(left / width, (bottom + side + 0.1) / height, panel.note, fontsize=7, color=GREY)
    if panel.scale is not None:
        _bar(figure, panel.scale, (left, bottom + side - rows * cell - 0.22), min(side, max(columns * cell, 1.2)))


def paint(axes: Axes, panel: Panel, points: float) -> None:
    """Paint a panel's picture, numbers and marks into axes whose cells are so many points high and wide."""
    from matplotlib.patches import Rectangle

    rows, columns = panel.picture.shape[:2]
    shown = panel.picture if max(rows, columns) <= DETAIL else thumbnail(panel.picture, DETAIL)
    axes.imshow(shown, interpolation="nearest", extent=(0, columns, rows, 0), aspect="auto")
    axes.set(xticks=[], yticks=[], xlim=(0, columns), ylim=(rows, 0))
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, color=GREY)
    if panel.numbers is not None:
        _write(axes, panel, points)
    # A frame shows that it reaches into the padding, but not so far that it leaves the sheet.
    reach = REACH * 72 / points
    for top, left, height, width in panel.marks:
        upper, lower = max(top, -reach), min(top + height, rows + reach)
        start, end = max(left, -reach), min(left + width, columns + reach)
        frame = Rectangle((start, upper), end - start, lower - upper, fill=False, edgecolor=MARK, linewidth=2)
        frame.set_clip_on(False)
        axes.add_patch(frame)


def font_size(numbers: Written, points: float) -> float | None:
    """Return the size of the largest numbers that fit into cells of so many points; None where none can be read."""
    longest = max(len(line) for row in numbers for text in row for line in text.split("\n"))
    # A digit is 0.64 of the font's size wide; a line is 1.2 of it high.
    lines = max(text.count("\n") + 1 for row in numbers for text in row)
    fits = min(points / (0.64 * longest + 0.6), points / (1.2 * lines + 0.3), LARGEST)
    return fits if fits >= SMALLEST else None


def png(figure: Figure) -> bytes:
    """Return a figure as the content of a PNG file."""
    buffer = io.BytesIO()
    with plot_style():
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _write(axes: Axes, panel: Panel, points: float) -> None:
    numbers = panel.numbers or []
    font = font_size(numbers, points)
    if font is None:
        return
    light = panel.picture @ np.array([0.299, 0.587, 0.114]) > 140
    for row, texts in enumerate(numbers):
        for column, text in enumerate(texts):
            colour = INK if light[row, column] else "white"
            axes.text(
                column + 0.5, row + 0.5, text, fontsize=font, color=colour, ha="center", va="center", linespacing=1.1
            )


def _bar(figure: Figure, scale: Scale, corner: tuple[float, float], length: float) -> None:
    """Draw what the colours mean, with the numbers at its ends."""
    width, height = (float(inches) for inches in figure.get_size_inches())
    left, bottom = corner
    axes = figure.add_axes((left / width, bottom / height, length / width, 0.1 / height))
    axes.imshow(scale.bar(1, 256), aspect="auto", extent=(0, 1, 0, 1))
    axes.set_axis_off()
    ends = {0.0: scale.low, 1.0: scale.high} | ({0.5: 0.0} if scale.signed and scale.high > 0 else {})
    for share, value in ends.items():
        align = {0.0: "left", 0.5: "center", 1.0: "right"}[share]
        figure.text(
            (left + share * length) / width, (bottom - 0.14) / height, f"{value:.3g}",
            fontsize=7, color=GREY, ha=align,
        )  # fmt: skip

"""The architecture picture of a plan: volumes that shrink and deepen, then vectors, then the classes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ..pictures import check_drawing, plot_style, save_figure, svg
from .volumes import (
    CAPTION,
    LINE,
    ROW_WIDTH,
    SIZE,
    UNIT,
    Column,
    Cuboid,
    Font,
    Measure,
    Point,
    Scale,
    break_rows,
    group,
    length_of,
    unit_places,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .plan import Plan

#: Okabe and Ito's palette, which people of all colour vision can tell apart; data that no layer computes is grey.
COLOURS = {
    "INPUT": "#D5D8DC",
    "CONV": "#56B4E9",
    "BN": "#F0E442",
    "ACTIVATION": "#0072B2",
    "POOL": "#009E73",
    "GAP": "#009E73",
    "FLATTEN": "#D5D8DC",
    "FC": "#E69F00",
    "DROPOUT": "#8C8C8C",
    "CLASSIFIER": "#CC79A7",
}
#: A kind without a colour of its own; the caption names it.
OTHER = "#FFFFFF"
LEGEND = {
    "CONV": "convolution",
    "BN": "batch normalisation",
    "ACTIVATION": "activation",
    "POOL": "pooling",
    "FC": "fully connected",
    "DROPOUT": "dropout",
    "CLASSIFIER": "classifier",
}
INK, GREY = "#222222", "#8A8A8A"

TITLE, KEY = Font(9, "bold"), Font(7.5)
MARGIN = 0.2
DPI = 200
#: Lines at each end of full connections.
FAN = 5


def draw(plan: Plan, path: str | Path) -> Path:
    """Draw the architecture as a picture for a paper.

    Maps are volumes, height × width × channels; vectors are bars. What a layer does
    to its input stands under what comes out. A long network goes over several rows,
    and of one with more than 40 volumes the middle is left out.

    Parameters
    ----------
    plan : Plan
        What to draw, from `Pattern.plan`.
    path : str or Path
        Where to write it. The suffix is the format: ``.svg`` (its text stays text),
        ``.png`` or ``.pdf``. The same plan always gives the same bytes.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        Another suffix.
    DataError
        The file cannot be written.
    """
    check_drawing(path)
    with plot_style():
        figure = _figure(plan)
    return save_figure(figure, path, plan.pattern)


def as_svg(plan: Plan) -> str:
    """Return the same picture as the text of an SVG element, for a page."""
    with plot_style():
        return svg(_figure(plan))


def _figure(plan: Plan) -> Figure:
    """Return the picture as a matplotlib figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)  # gives the figure a renderer, which knows how wide a text is
    sheet = _Sheet(plan, _measure(made))
    made.set_size_inches(sheet.width, sheet.height)
    axes = made.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, sheet.width), ylim=(-sheet.height, 0))
    sheet.paint(axes)
    return made


def _measure(made: Figure) -> Measure:
    def width(text: str, font: Font) -> float:
        artist = made.text(0, 0, text, fontsize=font.size, fontweight=font.weight)
        extent = artist.get_window_extent()
        artist.remove()
        return extent.width / DPI

    return width


class _Sheet:
    """All that the picture shows, laid out; (0, 0) is the upper left corner."""

    def __init__(self, plan: Plan, measure: Measure) -> None:
        scale = Scale(plan)
        self.columns = [Column(block, scale.cuboids(block), measure) for block in group(plan)]
        self.rows = break_rows(self.columns)
        self.title = (
            f"{len(plan.rows):,} layers · {plan.parameters:,} parameters"
            f" · {plan.multiply_adds:,} multiply-adds per image"
        )
        kinds = {"POOL" if box.kind == "GAP" else box.kind for column in self.columns for box in column.boxes}
        self.keys = _legend([kind for kind in LEGEND if kind in kinds], measure)
        lines = [length_of(row) for row in self.rows]
        keys = [sum(width for _, width in row) for row in self.keys]
        self.width = max(*lines, *keys, measure(self.title, TITLE)) + 2 * MARGIN
        self.floors = self._place(max(lines))
        self.height = -self.floors[-1] + len(self.keys) * LINE * KEY.size * 1.4 + MARGIN

    def _place(self, length: float) -> list[float]:
        """Put every column in its place, all rows equally long; return where each row ends."""
        y = -MARGIN - LINE * TITLE.size - 0.15
        floors: list[float] = []
        for row in self.rows:
            reach = max(column.reach for column in row)
            y -= reach + LINE * SIZE.size + 0.1
            x, space = (self.width - length) / 2, (length - length_of(row)) / len(row)
            for column in row:
                column.width += space
                column.x, column.y = x + column.width / 2, y
                x += column.width
            # Lines of full connections run between the bars, so that labels there stay below all of them.
            bars = [column for column in row if len(column.block.shape) == 1]
            for column in bars:
                column.drop = max(bar.drop for bar in bars)
            y -= max(column.drop + LINE * CAPTION.size * len(column.captions) for column in row) + 0.25
            floors.append(y)
        return floors

    def paint(self, axes: Axes) -> None:
        """Draw everything, from the back to the front."""
        _write(axes, (self.width / 2, -MARGIN - LINE * TITLE.size * 0.75), self.title, TITLE)
        for row in self.rows:
            for column in row:
                _paint_column(axes, column)
            for before, after in pairwise(row):
                _paint_link(axes, before, after)
        for upper, lower, floor in zip(self.rows, self.rows[1:], self.floors, strict=False):
            _paint_turn(axes, upper, lower[0], floor + 0.13)
        y = self.floors[-1]
        for keys in self.keys:
            y -= LINE * KEY.size * 1.4
            _paint_legend(axes, keys, (self.width - sum(width for _, width in keys)) / 2, y + 0.06)


def _legend(kinds: list[str], measure: Measure) -> list[list[tuple[str, float]]]:
    """Return rows of (kind, width with swatch and space), none longer than a row of volumes may be."""
    rows: list[list[tuple[str, float]]] = [[]]
    for kind in kinds:
        width = measure(LEGEND[kind], KEY) + 0.45
        if sum(used for _, used in rows[-1]) + width > ROW_WIDTH:
            rows.append([])
        rows[-1].append((kind, width))
    return rows


def _paint_column(axes: Axes, column: Column) -> None:
    for box in column.boxes:
        _paint_box(axes, box)
    if column.block.kind == "CLASSIFIER":
        _paint_units(axes, column.boxes[0], column.block.shape[0])
    if column.block.left_out:
        _write(axes, (column.x, column.y - 0.05), "· · ·", TITLE)
    _write(axes, (column.x, column.y + column.reach + 0.07), column.label, SIZE)
    for number, line in enumerate(column.captions, start=1):
        _write(axes, (column.x, column.y - column.drop - number * LINE * CAPTION.size), line, CAPTION)


def _paint_box(axes: Axes, box: Cuboid) -> None:
    from matplotlib.patches import Polygon

    colour = COLOURS.get(box.kind, OTHER)
    edge = _mixed(colour, "#000000", 0.55)
    for face, light in ((box.front, 0.0), (box.top, 0.55), (box.side, 0.25)):
        shade = _mixed(colour, "#FFFFFF", light)
        axes.add_patch(Polygon(face, facecolor=shade, edgecolor=edge, linewidth=0.5, joinstyle="round", zorder=2))


def _paint_units(axes: Axes, box: Cuboid, units: int) -> None:
    from matplotlib.patches import Circle

    places, dots = unit_places(box, units)
    circles = [(place, 0.4 * UNIT, "white") for place in places] + [(place, 0.012, INK) for place in dots]
    for place, radius, colour in circles:
        axes.add_patch(Circle(place, radius, facecolor=colour, edgecolor=INK, linewidth=0.5, zorder=3))


def _paint_link(axes: Axes, before: Column, after: Column) -> None:
    if after.block.kind in ("FC", "CLASSIFIER") and len(before.block.shape) == 1 and not before.block.left_out:
        _paint_fan(axes, before.boxes[-1], after.boxes[0])
    else:
        _paint_arrow(axes, before.exit, after.entry)


def _paint_fan(axes: Axes, before: Cuboid, after: Cuboid) -> None:
    """Draw lines from many places to many places: every unit reads every value."""
    x = before.side[0][0] + before.slant[0] / 2
    start = before.bottom + before.slant[1] / 2
    for here in range(FAN):
        for there in range(FAN):
            ends = (start + before.height * (here + 0.5) / FAN, after.bottom + after.height * (there + 0.5) / FAN)
            axes.plot((x, after.left), ends, color=GREY, linewidth=0.35, zorder=1)


def _paint_arrow(axes: Axes, start: Point, end: Point) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=6, shrinkA=0, shrinkB=1, linewidth=0.8, color=INK, zorder=2.5
        )
    )


def _paint_turn(axes: Axes, upper: list[Column], first: Column, y: float) -> None:
    """Lead from the end of a row, between the rows, to the first volume of the next."""
    right = upper[-1].x + upper[-1].width / 2
    left = first.x - first.width / 2
    start = upper[-1].exit
    xs, ys = (start[0], right, right, left, left), (start[1], start[1], y, y, first.y)
    axes.plot(xs, ys, color=INK, linewidth=0.8, solid_joinstyle="round", zorder=2.5)
    _paint_arrow(axes, (left, first.y), first.entry)


def _paint_legend(axes: Axes, keys: list[tuple[str, float]], x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    for kind, width in keys:
        colour = COLOURS[kind]
        edge = _mixed(colour, "#000000", 0.55)
        axes.add_patch(Rectangle((x + 0.1, y), 0.14, 0.09, facecolor=colour, edgecolor=edge, linewidth=0.5))
        _write(axes, (x + 0.29, y), LEGEND[kind], KEY, "left")
        x += width


def _write(axes: Axes, place: Point, text: str, font: Font, align: str = "center") -> None:
    if text:
        axes.text(
            *place, text, fontsize=font.size, fontweight=font.weight, color=INK, ha=align, va="baseline", zorder=4
        )


def _mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share of another one in it."""
    parts = (
        round(int(colour[at : at + 2], 16) * (1 - share) + int(other[at : at + 2], 16) * share) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02X}" for part in parts)

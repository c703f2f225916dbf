"""The plots of a report, as SVG: told apart by colour and by dash, without any name from the data in them.

Colours are Okabe and Ito's, which people of all colour vision can tell apart. Names stand
in the page's own legends: a class may be called by what no font of a plot has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ..pictures import inline, plot_style, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = npt.NDArray[np.float64]

#: Colour, and dash in widths of the line.
STYLES: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("#0072B2", ()),
    ("#D55E00", (5, 2)),
    ("#009E73", (1.5, 1.5)),
    ("#CC79A7", (7, 2, 1.5, 2)),
    ("#E69F00", (9, 2)),
    ("#56B4E9", (3, 1.5)),
    ("#6B6B6B", (5, 1.5, 1.5, 1.5, 1.5, 1.5)),
)
REST = "#C4C8CE"
INK, GRID = "#222222", "#DDDDDD"
#: Inches.
WIDTH, HEIGHT = 4.6, 3.3
LINE = 1.8
#: What lies around the axes; said here, because to have it found takes as long as the drawing.
MARGINS = {"left": 0.14, "right": 0.97, "bottom": 0.14, "top": 0.96}
#: A curve has so many points at most, and all curves of a plot together; each has the fewest at least.
POINTS, ALL_POINTS, FEWEST = 200, 20_000, 20


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line of a plot; without a place in `STYLES` it is one of the rest."""

    x: Floats
    y: Floats
    style: int | None


def swatch(style: int | None) -> dict[str, Any]:
    """Return colour and dash of a line as SVG names them, for a legend in the page."""
    colour, dash = (REST, ()) if style is None else STYLES[style]
    return {"colour": colour, "dash": " ".join(f"{2 * length:g}" for length in dash)}


def lines(
    name: str,
    curves: Iterable[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    mark: float | None = None,
    top: float | None = None,
) -> Markup:
    """Return a plot of a few named lines over whole numbers, such as epochs.

    Parameters
    ----------
    name : str
        Of the plot; its parts are called after it, so that several can be in one page.
    curves : iterable of (str, sequence, sequence)
        What each is, its x and its y.
    x, y : str
        What the axes are.
    mark : float, optional
        Where a line stands, the best epoch.
    top : float, optional
        Where the y axis ends.
    """
    from matplotlib.ticker import MaxNLocator

    with _plot(name) as (axes, made):
        if mark is not None:
            axes.axvline(mark, color=INK, linewidth=1, linestyle=(0, (2, 2)), label="kept")
        for place, (label, xs, ys) in enumerate(curves):
            colour, dash = STYLES[place]
            marker = ("o", "s", "^")[place % 3]
            axes.plot(
                xs, ys, color=colour, linestyle=_dash(dash), linewidth=LINE, label=label,
                marker=marker, markersize=3.5, markevery=max(1, len(xs) // 15),
            )  # fmt: skip
        axes.set(xlabel=x, ylabel=y)
        axes.set_ylim(0, top)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=8)
    return made[0]


def squares(name: str, curves: Sequence[Curve], *, x: str, y: str, steps: bool = False, chance: bool = False) -> Markup:
    """Return a plot of curves from 0 to 1 on both axes, the rest behind the others.

    In steps, a value holds from the point before up to its own, as the sum that is the average precision takes it.
    """
    with _plot(name, HEIGHT + 0.3, HEIGHT) as (axes, made):
        if chance:
            axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        for curve in sorted(curves, key=lambda curve: (curve.style is not None, -(curve.style or 0))):
            colour, dash = (REST, ()) if curve.style is None else STYLES[curve.style]
            axes.plot(
                *_thinned(curve, len(curves)), color=colour, linestyle=_dash(dash),
                linewidth=1 if curve.style is None else LINE, drawstyle="steps-pre" if steps else "default",
            )  # fmt: skip
        axes.set(xlabel=x, ylabel=y, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return made[0]


def reliability(name: str, bins: Sequence[dict[str, float]], confidence: Floats) -> Markup:
    """Return how often predictions are right over how probable they were, and below how many there are of each."""
    from matplotlib.figure import Figure

    with plot_style():
        figure = Figure(figsize=(HEIGHT + 0.3, HEIGHT + 0.9))
        room = dict(MARGINS, bottom=0.12, left=0.17)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1), gridspec_kw=room)
        for axes in (upper, lower):
            _plain(axes)
        upper.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
        middle, share = (np.array([one[key] for one in bins]) for key in ("probability", "right"))
        reach = np.array([[one["right"] - one["low"], one["high"] - one["right"]] for one in bins]).T
        colour = STYLES[0][0]
        upper.errorbar(
            middle, share, yerr=np.clip(reach, 0, None), color=colour, marker="o", markersize=4, linewidth=LINE,
            elinewidth=1, capsize=2,
        )  # fmt: skip
        upper.set(ylabel="share that is right", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        lower.hist(confidence, bins=20, range=(0, 1), color=colour)
        lower.set(xlabel="probability of the prediction", ylabel="images")
        return inline(name, svg(figure))


@contextmanager
def _plot(name: str, width: float = WIDTH, height: float = HEIGHT) -> Iterator[tuple[Axes, list[Markup]]]:
    """Give axes to draw on, and a list that holds the SVG afterwards."""
    from matplotlib.figure import Figure

    made: list[Markup] = []
    with plot_style():
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(gridspec_kw=MARGINS)
        _plain(axes)
        yield axes, made
        made.append(inline(name, svg(figure)))


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _dash(dash: tuple[float, ...]) -> Any:
    return (0, dash) if dash else "solid"


def _thinned(curve: Curve, curves: int) -> tuple[Floats, Floats]:
    """Return a curve with as many points as one of so many may have."""
    most = int(np.clip(ALL_POINTS // curves, FEWEST, POINTS))
    kept = np.unique(np.linspace(0, len(curve.x) - 1, most).round().astype(int))
    return curve.x[kept], curve.y[kept]

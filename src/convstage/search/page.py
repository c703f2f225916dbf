"""The leaderboard as a page that needs no other file, with what trials cost against how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ..pages import page
from ..pictures import inline, plot_style, svg
from ..report.overview import data_name
from ..report.plots import GRID, INK, MARGINS, STYLES
from ..show_comparison import duration
from ..text import count
from .leaderboard import choices_words
from .say import TITLES, counts_line, value_words, words

#: Inches.
WIDTH, HEIGHT = 7.2, 3.8

Row = Mapping[str, Any]


def leaderboard_page(found: Mapping[str, Any], data: str) -> str:
    """Return the page.

    Parameters
    ----------
    found : dict
        As `convstage.search.result.result` returns it.
    data : str
        Where the images are.
    """
    monitor = found["monitor"]
    costs = (("multiply_adds", "multiply-adds per image"), ("parameters", "parameters"))
    ranked = [row for row in found["trials"] if row["rank"] is not None]
    return page(
        "leaderboard",
        study=found["study"],
        data=None,
        data_name=data_name(data),
        title=TITLES[monitor],
        counts=counts_line(found),
        words=words(found),
        plots=[{"title": title, "svg": cost_plot(name, ranked, title, monitor)} for name, title in costs if ranked],
        rows=[_line(row, monitor) for row in found["trials"]],
        family=found["family"],
        searched={**found["letters"], **found["searched"]},
        epochs=found["epochs"],
    )


def cost_plot(name: str, ranked: Sequence[Row], title: str, monitor: str) -> Markup:
    """Return a plot of the validation figure over what a network costs, the front as a line.

    Parameters
    ----------
    name : {"multiply_adds", "parameters"}
        The cost.
    ranked : sequence of dict
        Trials that are done.
    title : str
        Of the axis.
    monitor : str
        The figure.
    """
    from matplotlib.figure import Figure

    scale = 1.0 if monitor == "loss" else 100.0
    with plot_style():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots(gridspec_kw=MARGINS | {"left": 0.1})
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        for row in ranked:
            told = (row["figures"] or {}).get(monitor)
            if told is not None:
                axes.plot([row[name]] * 2, [scale * told["low"], scale * told["high"]], color=GRID, linewidth=1.2)
        groups = (
            ("other trials", "o", STYLES[5][0], [row for row in ranked if not row["default"] and row["rank"] != 1]),
            ("default recipe", "s", STYLES[1][0], [row for row in ranked if row["default"]]),
            ("winner", "D", STYLES[2][0], [row for row in ranked if row["rank"] == 1]),
        )
        front = sorted(_front(ranked, name), key=lambda row: row[name])
        axes.step(
            [row[name] for row in front], [scale * row["value"] for row in front], where="post", color=INK,
            linewidth=1, linestyle=(0, (4, 2)), label="as good as any for its cost",
        )  # fmt: skip
        for label, marker, colour, rows in groups:
            if rows:
                values = [scale * row["value"] for row in rows]
                axes.plot(
                    [row[name] for row in rows], values, marker, color=colour, markeredgecolor=INK, label=label,
                    markersize=6, markeredgewidth=0.6,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set(xlabel=title, ylabel=f"validation {TITLES[monitor]}{'' if monitor == 'loss' else ', %'}")
        axes.legend(frameon=False, fontsize=8, loc="upper right" if monitor == "loss" else "lower right")
        return inline(f"cost-{name.replace('_', '-')}", svg(figure))


def _front(ranked: Sequence[Row], name: str) -> list[Row]:
    """Return the trials than which no cheaper one is as good: rank by rank, those that cost less than all before."""
    front: list[Row] = []
    for row in ranked:
        if not front or row[name] < min(one[name] for one in front):
            front.append(row)
    return front


def _line(row: Row, monitor: str) -> dict[str, Any]:
    """Return a trial as the template shows it."""
    seconds = row["seconds_per_epoch"]
    return {
        **row,
        "value": value_words(row, monitor),
        "parameters": "" if row["parameters"] is None else count(row["parameters"]),
        "multiply_adds": "" if row["multiply_adds"] is None else count(row["multiply_adds"]),
        "seconds": "" if seconds is None else duration(seconds),
        "choices": choices_words(row),
    }

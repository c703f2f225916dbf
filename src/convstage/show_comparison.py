"""A comparison on the terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .show import figure_words
from .terminal import output
from .text import count, shown

#: Narrower terminals get the shifts in a table of their own.
WIDE = 120

HEAD = Markup('<th style="text-align: right; padding-left: 1em">{}</th>')
FIGURE = Markup('<td style="text-align: right; white-space: nowrap; padding-left: 1em">{}</td>')
ROW = Markup(
    '<tr><th scope="row" style="text-align: left">{}</th>'
    '<td style="text-align: left; min-width: 14em"><code>{}</code></td>{}</tr>'
)
WHERE = Markup("<p><b><bdi>{}</bdi></b></p>")
LINE = Markup("<p>{}</p>")
TABLE = Markup(
    '<div style="overflow-x: auto"><table><caption><bdi>{}</bdi></caption><thead><tr>{}</tr></thead>'
    "<tbody>{}</tbody></table></div>"
)


def show_comparison(metrics: dict[str, Any]) -> None:
    """Print what is compared, the figures side by side, and which is better than the first."""
    console = output()
    _say(console, _title(metrics))
    for side in metrics["sides"]:
        _say(console, f"{side['name']:<{_width(metrics)}}  {side['what']}")
    columns = _columns(metrics)
    shifts = slice(4, 4 + len(metrics["distances"]) - 1)
    if console.width >= WIDE:
        console.print(_table(columns))
    else:
        console.print(_table(columns[: shifts.start] + columns[shifts.stop :]))
        console.print(_table(columns[:1] + columns[shifts]))
    for line in [*difference_lines(metrics), "", *notes(metrics)]:
        _say(console, line)


def as_html(metrics: dict[str, Any] | None, path: Path) -> str:
    """Return the same as HTML, for Jupyter; of a comparison that is not done yet only where it is."""
    where = WHERE.format(path)
    if metrics is None:
        return shown(where + LINE.format("Not all trainings are done yet."))
    columns = _columns(metrics)
    head = Markup("<th></th><th>what</th>") + _joined(HEAD.format(title) for title, _ in columns[1:])
    body = _joined(
        ROW.format(side["name"], side["what"], _joined(FIGURE.format(cells[place]) for _, cells in columns[1:]))
        for place, side in enumerate(metrics["sides"])
    )
    lines = _joined(LINE.format(line) for line in [*difference_lines(metrics), *notes(metrics)])
    return shown(where + TABLE.format(_title(metrics), head, body) + lines)


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def difference_lines(metrics: dict[str, Any]) -> list[str]:
    """Return in words which sides are better than the first, and by how much.

    Examples
    --------
    >>> accuracy = {"value": 0.021, "low": 0.009, "high": 0.033}
    >>> found = {"conclusion": "clearly better", "accuracy": accuracy, "images": 750, "groups": 750}
    >>> sides = [{"name": "1", "difference": None}, {"name": "hog", "difference": found}]
    >>> print(*difference_lines({"sides": sides, "seeds": [0]}))
    hog is clearly better than 1: accuracy +2.1 points (+0.9 to +3.3) on the same 750 images
    """
    first, *others = metrics["sides"]
    seeds = "" if len(metrics["seeds"]) == 1 else f" of {len(metrics['seeds'])} seeds"
    lines = []
    for side in others:
        found = side["difference"]
        verb = {
            "clearly better": "is clearly better than",
            "clearly worse": "is clearly worse than",
            "not told apart": "is not told apart from",
            "too few images to tell": "cannot be told, by so few images, from",
        }[found["conclusion"]]
        points = [100 * found["accuracy"][part] for part in ("value", "low", "high")]
        lines.append(
            f"{side['name']} {verb} {first['name']}: accuracy {points[0]:+.1f} points "
            f"({points[1]:+.1f} to {points[2]:+.1f}) on the same {found['images']:,} images{seeds}"
        )
    return lines


def notes(metrics: dict[str, Any]) -> list[str]:
    """Return how the figures were measured."""
    seeds = len(metrics["seeds"])
    figures = "" if seeds == 1 else f"Mean ± standard deviation over {seeds} seeds. "
    threads = f"{metrics['threads']} thread{'' if metrics['threads'] == 1 else 's'}"
    return [
        f"{figures}Shifted by so many pixels: mean of up, down, left and right. "
        f"In parentheses: {metrics['intervals']}.",
        "Training time is that of all steps, without validation and tests; for a baseline, with that of its features, "
        f"whose multiply-adds are not counted. {metrics['processor']}, {threads}.",
    ]


def _title(metrics: dict[str, Any]) -> str:
    seeds = len(metrics["seeds"])
    return (
        f"{metrics['images']:,} test images{'' if seeds == 1 else f' for each of {seeds} seeds'} of {metrics['data']}"
    )


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Examples
    --------
    >>> duration(0.26), duration(41.7), duration(200), duration(7320)
    ('0.3 s', '42 s', '3 min 20 s', '2 h 2 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _say(console: Console, text: str) -> None:
    """Print a line as it is: patterns and names hold brackets, which rich takes for markup."""
    console.print(text, markup=False, soft_wrap=True)


def _width(metrics: dict[str, Any]) -> int:
    return max(len(side["name"]) for side in metrics["sides"])


def _columns(metrics: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return title and cells of every column."""
    sides = metrics["sides"]
    far = metrics["distances"]
    return [
        ("", [side["name"] for side in sides]),
        ("parameters", [count(side["parameters"]) for side in sides]),
        ("multiply-adds", [count(side["multiply_adds"]) for side in sides]),
        ("accuracy", [_accuracy(side, 0, interval=True) for side in sides]),
        *((f"shifted by {far[place]}", [_accuracy(side, place) for side in sides]) for place in range(1, len(far))),
        ("training time", [_time(side) for side in sides]),
    ]


def _accuracy(side: dict[str, Any], place: int, interval: bool = False) -> str:
    """Return the accuracy at a distance: of one seed with its interval, of several with their spread."""
    if side["over_seeds"]:
        spread = side["over_seeds"]["shifts"][place]
        return f"{100 * spread['mean']:.1f}% ± {100 * spread['std']:.1f}"
    figure = side["per_seed"][0]["shifts"][place]
    return figure_words("accuracy", figure) if interval else f"{100 * figure['value']:.1f}%"


def _time(side: dict[str, Any]) -> str:
    told = side["over_seeds"] or side["per_seed"][0]
    epochs = f"{round(told['epochs'], 1):g}"
    return f"{duration(told['seconds'])}, {epochs} epoch{'' if epochs == '1' else 's'}"


def _table(columns: list[tuple[str, list[str]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, (title, _) in enumerate(columns):
        table.add_column(title, justify="right" if place else "left", no_wrap=bool(place))
    for row in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*map(Text, row))
    return table

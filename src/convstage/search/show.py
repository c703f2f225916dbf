"""The leaderboard on the terminal, and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from rich import box
from rich.table import Table
from rich.text import Text

from ..show_comparison import duration
from ..terminal import output
from ..text import count
from ..text import shown as shown_text
from .leaderboard import choices_words
from .say import TITLES, counts_line, value_words, words

#: So many trials are shown; the files have all.
SHOWN = 20


def show_leaderboard(found: Mapping[str, Any], shown: int = SHOWN) -> None:
    """Print the leaderboard, who has won, and what that is worth."""
    console = output()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in _columns(found):
        left = title in ("state", "pattern and settings")
        table.add_column(title, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for row in found["trials"][:shown]:
        table.add_row(*map(Text, cells(row, found["monitor"])))
    console.print(f"{found['study']}: {counts_line(found)}", markup=False, soft_wrap=True)
    console.print(table)
    if len(found["trials"]) > shown:
        console.print(f"and {len(found['trials']) - shown} more in leaderboard.csv", markup=False)
    for line in words(found):
        console.print(line, markup=False, soft_wrap=True)


def _columns(found: Mapping[str, Any]) -> list[str]:
    figure = f"val {TITLES[found['monitor']]}"
    costs = ["parameters", "multiply-adds", "per epoch", "epochs"]
    return ["rank", "trial", figure, *costs, "state", "pattern and settings"]


def cells(row: Mapping[str, Any], monitor: str) -> list[str]:
    """Return the cells of a trial's line; those of the front have a star."""
    seconds = row["seconds_per_epoch"]
    chosen = choices_words(row)
    return [
        f"{row['rank'] or ''}{' *' if row['front'] else ''}",
        str(row["trial"]),
        value_words(row, monitor),
        "" if row["parameters"] is None else count(row["parameters"]),
        "" if row["multiply_adds"] is None else count(row["multiply_adds"]),
        "" if seconds is None else duration(seconds),
        "" if row["epochs"] is None else str(row["epochs"]),
        row["problem"] or ("default recipe" if row["default"] and row["state"] == "done" else row["state"]),
        (row["pattern"] or "") + (f"; {chosen}" if chosen else ""),
    ]


def as_html(found: Mapping[str, Any] | None, path: Path, shown: int = SHOWN) -> str:
    """Return the same as HTML, for Jupyter; of a search that is not done yet only where it is."""
    where = Markup("<p><b><bdi>{}</bdi></b></p>").format(path)
    line = Markup("<p>{}</p>")
    if found is None:
        return shown_text(where + line.format("Not all trials are done yet."))
    cell, head = Markup("<td>{}</td>"), Markup("<th>{}</th>")
    rows: Sequence[Mapping[str, Any]] = found["trials"][:shown]
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(map(cell.format, cells(row, found["monitor"])))) for row in rows
    )
    table = Markup(
        '<div style="overflow-x: auto"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(counts_line(found), Markup("").join(map(head.format, _columns(found))), body)
    return shown_text(where + table + Markup("").join(map(line.format, words(found))))

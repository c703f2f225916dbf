"""One look for everything that takes time: a bar with count, throughput and ETA.

On a terminal only: in a pipe or a log file no bar is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")

#: Messages and bars go to stderr, so that results on stdout can be piped.
console = Console(stderr=True)


class Throughput(ProgressColumn):
    """Finished units per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self.unit}/s", style="progress.data.speed")


def bar(unit: str, *, transient: bool = True) -> Progress:
    """Return a progress display that counts in `unit`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        Throughput(unit),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=transient,
        disable=not console.is_terminal,
    )


def track(items: Iterable[T], description: str, total: int, unit: str = "images") -> Iterator[T]:
    """Yield `items` and draw a bar meanwhile."""
    with bar(unit) as progress:
        yield from progress.track(items, total, progress.add_task(description, total=total, note=""))

"""What the terminal shows: results on stdout, messages and progress bars on stderr.

Bars count, and say throughput and ETA; in a pipe or a log file none is drawn.
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

#: Width of tables where there is no terminal to ask.
PIPE_WIDTH = 160


def output() -> Console:
    """Return the console for results, as wide as the terminal is."""
    stdout = Console(highlight=False)
    return stdout if stdout.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


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
        yield from progress.track(items, total, task_id=progress.add_task(description, total=total, note=""))

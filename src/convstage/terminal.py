"""What the terminal shows: results on stdout, messages and progress bars on stderr.

Bars count, and say throughput and ETA; in a pipe or a log file none is drawn.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from .shell import leave_pipe

T = TypeVar("T")

#: Width of tables where there is no terminal to ask.
PIPE_WIDTH = 160


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether somebody looks at a stream. rich says so, too, where FORCE_COLOR is set, as in many a CI."""
    return stream is not None and not stream.closed and stream.isatty()


class Messages(Console):
    """A console for what is said by the way: where it cannot be written, the work goes on without it."""

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError:  # a log file on a full disk
            self.quiet = True

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Results(Console):
    """A console for what was asked for: where nobody reads it, the program is at its end."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        leave_pipe()


#: In a notebook what goes to stderr is red, and rich would make an output of every line: there all is text on stdout.
NOTEBOOK = Console().is_jupyter
#: Messages and bars go to stderr, so that results on stdout can be piped.
console = Messages(
    stderr=not NOTEBOOK, force_jupyter=False, force_interactive=None if _is_terminal(sys.stderr) else False
)


def output() -> Console:
    """Return the console for results, as wide as the terminal is."""
    return Results(highlight=False, force_jupyter=False, width=None if _is_terminal(sys.stdout) else PIPE_WIDTH)


def show_json(data: Any) -> None:
    r"""Print data for other programs: one JSON text that every reader takes.

    Numbers that are not finite, which JSON has not, become null. Where the stream cannot write a character, and
    for bytes of file names that are no text, it is written as JSON's own escape, such as ``\u00e9``.
    """
    text = json.dumps(_finite(data), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(_finite(data), indent=1, allow_nan=False)
    click.echo(text)


def _finite(data: Any) -> Any:
    """Return data with null in place of what JSON has no number for."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {name: _finite(value) for name, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


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
        disable=not console.is_interactive,
    )


def track(items: Iterable[T], description: str, total: int, unit: str = "images") -> Iterator[T]:
    """Yield `items` and draw a bar meanwhile."""
    with bar(unit) as progress:
        yield from progress.track(items, total, task_id=progress.add_task(description, total=total, note=""))

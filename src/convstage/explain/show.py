"""Evidence on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ..terminal import output
from .grading import Grade
from .result import Evidence, Refusal


def show_evidence(found: Sequence[Evidence | Refusal], graded: Sequence[Grade | None] | None = None) -> None:
    """Print what each method found: a table, what there is to know of each, and the grades.

    Parameters
    ----------
    found : sequence of Evidence or Refusal
        From `all_evidence`.
    graded : sequence of Grade or None, optional
        From `grades`, one for each.
    """
    console = output()
    maps = [one for one in found if isinstance(one, Evidence)]
    if maps:
        console.print(Text(f"Evidence for {maps[0].target}: {maps[0].asked}"), soft_wrap=True)
        console.print(_table(maps))
    marks = graded if graded is not None else [None] * len(found)
    for one, grade in zip(found, marks, strict=True):
        if isinstance(one, Refusal):
            lines = [f"cannot be used here: {' '.join(one.reason.splitlines())}"]
        else:
            lines = [*([one.reason] if one.flat else []), *one.notes]
        if grade is not None:
            lines += [grade.verdict, *grade.sentences]
        console.print(Text(one.title, style="bold"), soft_wrap=True)
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _table(maps: Sequence[Evidence]) -> Table:
    """Return how much of each map speaks for the class, and where it is strongest."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("method", no_wrap=True)
    for title in ("speaks for", "against", "strongest at row, column"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in maps:
        if one.strongest is None:
            table.add_row(one.title, "–", "–", "flat")
        else:
            share = float(one.map_hw.clip(min=0).sum() / np.abs(one.map_hw).sum())
            table.add_row(one.title, f"{share:.0%}", f"{1 - share:.0%}", "{}, {}".format(*one.strongest))
    return table

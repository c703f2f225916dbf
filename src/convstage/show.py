"""Figures on the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .terminal import output

#: Confusion matrices of more classes are left to the files.
MAX_CLASSES = 12


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print the figures of an evaluation: overall, per class, and the confusion matrix."""
    console = output()
    part = {"all": "all images", "test": "test images", "val": "validation images (they also chose the epoch)"}
    console.print(f"{metrics['images']:,} {part[metrics['part']]} of {metrics['data']}", soft_wrap=True)
    for name in ("accuracy", "balanced_accuracy"):
        console.print(f"  {name.replace('_', ' '):<18} {_percent(metrics[name])}")
    console.print(f"  {'AUROC':<18} {_number(metrics['auroc'])}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", min_width=5, overflow="fold")
    for title in ("images", "sensitivity", "specificity", "AUROC"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in metrics["per_class"].items():
        figures = _percent(row["sensitivity"]), _percent(row["specificity"]), _number(row["auroc"])
        table.add_row(Text(name), f"{row['images']:,}", *figures)
    console.print(table)
    if len(metrics["classes"]) <= MAX_CLASSES:
        console.print(_confusion(metrics))
    console.print(f"In parentheses: {metrics['intervals']}.", soft_wrap=True)


def _percent(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "–"
    return f"{100 * figure['value']:.1f}% ({100 * figure['low']:.1f}–{100 * figure['high']:.1f})"


def _number(figure: dict[str, float] | None) -> str:
    return "–" if figure is None else f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def _confusion(metrics: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("truth ↓  prediction →")
    for name in metrics["classes"]:
        table.add_column(Text(name), justify="right")
    for index, (name, row) in enumerate(zip(metrics["classes"], metrics["confusion"], strict=True)):
        cells = [Text(str(n), style="bold" if column == index else "" if n else "dim") for column, n in enumerate(row)]
        table.add_row(Text(name), *cells)
    return table

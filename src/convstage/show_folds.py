"""Figures of a cross-validation on the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from .show import OVERALL, SHARES, show_metrics
from .terminal import output

#: The figures in the table of the folds.
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision")


def show_folds(metrics: dict[str, Any]) -> None:
    """Print the figures of each fold, their mean and spread, then those of all predictions together."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("fold")
    for title in ("images", *(OVERALL[name] for name in FIGURES)):
        table.add_column(title, justify="right", no_wrap=True)
    for row in metrics["per_fold"]:
        table.add_row(str(row["fold"]), f"{row['images']:,}", *(_cell(name, row[name]) for name in FIGURES))
    table.add_section()
    for title, key in (("mean", "mean"), ("standard deviation", "std")):
        spread = metrics["over_folds"]
        table.add_row(title, "", *(_cell(name, spread[name] and spread[name][key]) for name in FIGURES))
    output().print(table)
    show_metrics(metrics["pooled"])


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if name in SHARES else f"{value:.3f}"

"""Figures of an evaluation on the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .terminal import output
from .text import shown

#: Confusion matrices of more classes are left to the files.
MAX_CLASSES = 12
#: So many mistakes are shown; the files have more.
SHOWN_MISTAKES = 5
#: Narrower terminals get the figures of each class in two tables.
WIDE = 150
#: Whose figures they are, by part.
PARTS = {
    "all": "images",
    "test": "test images",
    "val": "validation images (they also chose the epoch)",
    "train": "training images (the network has learned them)",
    "folds": "out-of-fold images",
}
#: Figures and their titles; those that are shares are shown in percent.
OVERALL = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
PER_CLASS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "auroc": "AUROC",
    "average_precision": "average precision",
}
#: Figures of an operating point.
AT_THRESHOLD = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "negative_predictive_value": "negative predictive value",
    "accuracy": "accuracy",
    "f1": "F1",
}
SHARES = (
    "accuracy",
    "balanced_accuracy",
    "calibration_error",
    "sensitivity",
    "specificity",
    "precision",
    "negative_predictive_value",
)


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print what an evaluation has found: overall, per class, confusion matrix, mistakes, verdict."""
    console = output()
    _say(console, f"{metrics['images']:,} {PARTS[metrics['part']]} of {metrics['data']}")
    if beware := learned_words(metrics):
        _say(console, beware)
    for name, title in OVERALL.items():
        _say(console, f"  {title:<18} {figure_words(name, metrics[name])}")
    names = list(PER_CLASS)
    for chosen in [names] if console.width >= WIDE else [names[:3], names[3:]]:
        console.print(_per_class(metrics, chosen))
    if len(metrics["classes"]) <= MAX_CLASSES:
        console.print(_confusion(metrics))
    _mistakes(console, metrics.get("mistakes", []))
    if metrics.get("calibration"):
        _say(console, f"{calibration_words(metrics['calibration'])}\n")
    if "operating_point" in metrics:
        _operating_point(console, metrics["operating_point"])
    if "verdict" in metrics:
        _verdict(console, metrics["verdict"])
    _say(console, f"In parentheses: {metrics['intervals']}.")


def learned_words(metrics: dict[str, Any]) -> str:
    """Return the warning that the network was trained on some of the images; empty when it was not, or on all."""
    count = metrics.get("learned")
    return f"Beware: the network was trained on {count:,} of them." if count and metrics["part"] != "train" else ""


def _say(console: Console, text: str) -> None:
    """Print a line as it is: names may hold brackets, which rich takes for markup."""
    console.print(text, markup=False, soft_wrap=True)


def figure_words(name: str, figure: dict[str, float] | None) -> str:
    """Return a figure with its interval, in percent where it is a share; a dash where it is undefined.

    Examples
    --------
    >>> figure_words("accuracy", {"value": 0.9, "low": 0.8, "high": 0.95})
    '90.0% (80.0–95.0)'
    >>> figure_words("auroc", {"value": 0.9, "low": 0.8, "high": 0.95})
    '0.900 (0.800–0.950)'
    """
    if figure is None:
        return "–"
    value, low, high = figure["value"], figure["low"], figure["high"]
    if name in SHARES:
        return f"{100 * value:.1f}% ({100 * low:.1f}–{100 * high:.1f})"
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def difference_words(difference: dict[str, float]) -> str:
    """Return a difference of two figures with its interval, all with their signs.

    Examples
    --------
    >>> difference_words({"value": 0.1, "low": -0.05, "high": 0.2})
    '+0.100 (-0.050 to +0.200)'
    """
    return f"{difference['value']:+.3f} ({difference['low']:+.3f} to {difference['high']:+.3f})"


def notebook_html(path: Path, metrics: dict[str, Any] | None, page: Path | None = None) -> str:
    """Return what a notebook shows of a folder of results: where it is, its figures, the verdict.

    Parameters
    ----------
    path : Path
        The folder.
    metrics : dict or None
        As an evaluation gives them; None where there are none yet.
    page : Path, optional
        A page to link to.
    """
    from markupsafe import Markup

    parts = [Markup("<p><b><bdi>{}</bdi></b></p>").format(path)]
    if metrics is None:
        parts.append(Markup("<p>Not evaluated yet.</p>"))
    else:
        row = Markup('<tr><th style="text-align: left">{}</th><td>{}</td></tr>')
        told = Markup("").join(row.format(title, figure_words(name, metrics[name])) for name, title in OVERALL.items())
        about = f"{metrics['images']:,} {PARTS[metrics['part']]}"
        parts.append(Markup("<table><caption>{}</caption>{}</table>").format(about, told))
        words = [learned_words(metrics), (metrics.get("verdict") or {}).get("words", "")]
        parts += [Markup("<p>{}</p>").format(text) for text in words if text]
    if page is not None:
        parts.append(
            Markup('<p><a href="{}">{}</a></p>').format(
                quote(os.path.relpath(page), errors="surrogateescape"), page.name
            )
        )
    return shown(str(Markup("<div>{}</div>").format(Markup("").join(parts))))


def _per_class(metrics: dict[str, Any], names: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", min_width=5, overflow="fold")
    for title in ("images", *(PER_CLASS[name] for name in names)):
        table.add_column(title, justify="right", no_wrap=True)
    for label, row in metrics["per_class"].items():
        table.add_row(Text(label), f"{row['images']:,}", *(figure_words(name, row[name]) for name in names))
    return table


def _confusion(metrics: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("truth ↓  prediction →")
    for name in metrics["classes"]:
        table.add_column(Text(name), justify="right")
    for index, (name, row) in enumerate(zip(metrics["classes"], metrics["confusion"], strict=True)):
        cells = [Text(str(n), style="bold" if column == index else "" if n else "dim") for column, n in enumerate(row)]
        table.add_row(Text(name), *cells)
    return table


def _mistakes(console: Console, mistakes: list[dict[str, Any]]) -> None:
    if mistakes:
        _say(console, "Most confident mistakes:")
    for row in mistakes[:SHOWN_MISTAKES]:
        _say(console, f"  {row['image']}: {row['truth']}, predicted {row['prediction']} {row['probability']:.1%}")
    if mistakes:
        _say(console, "")


def calibration_words(calibration: dict[str, Any]) -> str:
    """Return what was done to the probabilities, in words."""
    error = calibration["calibration_error"]
    return (
        f"Probabilities are calibrated: temperature {calibration['temperature']:.2f}, fitted to "
        f"{calibration['images']:,} validation images (their calibration error: {error['before']:.1%} before, "
        f"{error['after']:.1%} after)."
    )


def _operating_point(console: Console, point: dict[str, Any]) -> None:
    ((target, share),) = point["target"].items()
    validation = point["validation"]
    _say(console, f"Operating point: {point['positive']} from a probability of {point['threshold']:.4f} on, chosen for")
    _say(
        console,
        f"a {target} of {share:g} on {validation['images']:,} validation images ({validation['positives']:,} positive)",
    )
    for name, title in AT_THRESHOLD.items():
        _say(console, f"  {title:<25} {figure_words(name, point[name])}")
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in point["confusion"].items())
    _say(console, f"  {counts}")
    if point["warning"]:
        _say(console, f"  Beware: {point['warning']}")
    _say(console, "")


def _verdict(console: Console, verdict: dict[str, Any]) -> None:
    """Print the network's figure and the shortcut's side by side, and what follows."""
    _say(console, f"AUROC of the network   {figure_words('auroc', verdict['network'])}")
    if verdict["shortcut"]:
        difference = verdict["difference"]
        _say(console, f"AUROC of the shortcut  {figure_words('auroc', verdict['shortcut'])}  {verdict['cue']} alone")
        _say(
            console,
            f"difference            {difference_words(difference)}  on the same {verdict['images']:,} images",
        )
    _say(console, f"{verdict['words']}\n")

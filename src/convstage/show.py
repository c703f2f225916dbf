"""Figures on the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .terminal import output
from .text import count, size

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


def show_bench(result: dict[str, Any]) -> None:
    """Print what `convstage.bench` has measured: the two sides, how, and every stage by itself when that was asked."""
    console = output()
    batch, facts = result["batch"], result["environment"]
    costs = f"{count(result['parameters'])} parameters, {count(result['multiply_adds'])} multiply-adds per image"
    console.print(Text(result["pattern"], style="bold"), soft_wrap=True)
    console.print(f"{size(result['image'])} images, {result['classes']} classes: {costs}", soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for title in ("convstage", "", "plain torch", "", "times as fast"):
        table.add_column(title, justify="right", no_wrap=True)
    for task, label in (
        ("train", f"training step, {count(batch)} images"),
        ("infer", f"inference, {count(batch)} images"),
        ("latency", "inference, one image"),
    ):
        figures = result["tasks"][task]
        cells = []
        for side in ("convstage", "torch"):
            milliseconds = figures[side]["median"]
            images = 1000 * (1 if task == "latency" else batch) / milliseconds
            cells += [f"{images:,.0f} images/s", f"{_digits(milliseconds)} ms"]
        ratio = figures["ratio"]
        table.add_row(label, *cells, f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})")
    console.print(table)
    if result.get("stages"):
        console.print(_stages(result))
        peak = f"{result['matrix_product_gflops']:,.0f} GFLOP/s"
        console.print(
            f"Each stage alone. Shares are of a large matrix product of torch, {peak}. GFLOP/s count what the\n"
            "definition multiplies; the kernel multiplies less, so that a share may be above 100%.\n",
            soft_wrap=True,
        )
    rounds = [figures["rounds"] for figures in result["tasks"].values()]
    rounds = sorted({min(rounds), max(rounds)})
    console.print(
        f"Medians of {'–'.join(map(str, rounds))} rounds in which the two take turns; in parentheses the smallest and "
        "the largest ratio of a round.\n"
        "Plain torch: the same layers one by one, channels-last, with the same weights and images; "
        f"their losses differ by at most {result['loss_difference']:.1e}.\n"
        f"{result['processor']}, {facts['threads']} threads, torch {facts['versions']['torch']}; {facts['stage']} "
        f"({result['stage_reason']}); memory {'kept' if result['memory_kept'] else 'not kept'} between steps for both.",
        soft_wrap=True,
    )


def _stages(result: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("stage", "input"):
        table.add_column(title, no_wrap=True)
    parts = ("forward", "weight gradient", "input gradient")
    for part in parts:
        for title in (part, "GFLOP/s", "share"):
            table.add_column(title, justify="right")
    for stage in result["stages"]:
        cells = []
        for part in parts:
            figures = stage.get(part)
            cells += (
                [f"{_digits(figures['ms'])} ms", f"{figures['gflops']:,.0f}", f"{figures['share']:.0%}"]
                if figures
                else ["–", "", ""]
            )
        table.add_row(stage["name"], size(stage["input"]), *cells)
    return table


def _digits(value: float) -> str:
    """Return a time with three digits, or all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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

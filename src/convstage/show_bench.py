"""What a benchmark has measured, on the terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from .terminal import output
from .text import count, size


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

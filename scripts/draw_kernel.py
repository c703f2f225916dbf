"""The figures of docs/how-it-works.md, from numbers that the operator and the benchmarks have given.

Every number that is drawn comes from the compiled operator on a digit of the sample, from
Winograd's transforms as the kernel has them, or from benchmarks/results.

    python scripts/draw_kernel.py
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from convstage.filters import KERNELS
from convstage.pictures import plot_style, save_figure
from convstage.stage import conv_relu_pool

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/figures"
#: The palette of Okabe and Ito, which people of all colour vision can tell apart.
BLUE, ORANGE, GREEN, PALE, DARK = "#0072B2", "#E69F00", "#009E73", "#e8e8e8", "#222222"
#: The piece of the map that is drawn: pooled rows and columns, across the stem of the seven.
ROWS, COLUMNS = range(9, 11), range(5, 9)
#: Winograd's transforms F(2, 3) with the points 0, 1, -1: struct Two of csrc/winograd_transforms.h.
PATCH = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], np.float64)
FILTER = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
BACK = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], np.float64)


def seven() -> torch.Tensor:
    """Return the seven of the documentation, 0..1, shape (1, 1, 28, 28)."""
    with np.load(ROOT / "src/convstage/data/samples/digits.npz") as sample:
        pixels = sample["images"][sample["labels"] == 7][0]
    return torch.from_numpy(pixels.astype(np.float32).reshape(1, 1, *pixels.shape[:2]) / 255)


def one_stage() -> dict[str, np.ndarray]:
    """Return a stage at work on the seven: map before ReLU, pooled map, winners, gradient before the pooling."""
    x = seven()
    weight = torch.from_numpy(KERNELS["sobel-y"].weights.astype(np.float32)).view(1, 1, 3, 3)
    pooled = conv_relu_pool(x, weight, padding=1, pool=2)
    _, winner = torch.ops.convstage.conv_relu_pool(x, weight, None, (1, 1), (1, 1, 1, 1), (2, 2), (2, 2), True)
    before = torch.nn.functional.conv2d(x, weight, padding=1).requires_grad_()
    torch.nn.functional.max_pool2d(torch.relu(before), 2).sum().backward()
    maps = {"before": before.detach(), "pooled": pooled, "winner": winner, "gradient": before.grad}
    return {name: np.asarray(values)[0, 0] for name, values in maps.items()}


def grid(axes: Axes, cells: np.ndarray, colours: np.ndarray | None = None, title: str = "", size: float = 8) -> None:
    """Draw a matrix of texts as cells; a cell is one unit wide, and the first row is at the top."""
    height, width = cells.shape
    for (row, column), text in np.ndenumerate(cells):
        colour = "white" if colours is None else colours[row, column]
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="#9a9a9a", linewidth=0.6))
        ink = "white" if colour in (BLUE, GREEN) else DARK
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=size, color=ink)
    axes.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def outline(axes: Axes, row: float, column: float, height: float = 2, width: float = 2, colour: str = DARK) -> None:
    axes.add_patch(Rectangle((column, row), width, height, fill=False, edgecolor=colour, linewidth=2))


def piece(map_hw: np.ndarray, factor: int = 1) -> np.ndarray:
    """Return the piece of a map that is drawn."""
    rows, columns = (slice(factor * span[0], factor * (span[-1] + 1)) for span in (ROWS, COLUMNS))
    return map_hw[rows, columns]


def winners_mask(winner: np.ndarray) -> np.ndarray:
    """Return which cells before the pooling are winners: a byte counts the cells of its window, row by row."""
    mask = np.zeros([2 * side for side in winner.shape], bool)
    for (row, column), cell in np.ndenumerate(winner):
        if cell < 4:
            mask[2 * row + cell // 2, 2 * column + cell % 2] = True
    return mask


def decimals(values: np.ndarray, digits: int = 2) -> np.ndarray:
    """Return numbers as texts; no minus before a zero."""
    return np.vectorize(lambda value: f"{round(float(value), digits) + 0.0:.{digits}f}")(values)


def windows() -> Figure:
    """Draw a piece of the map with its windows, what the pooling keeps, and the bytes of the winners."""
    stage = one_stage()
    mask = piece(winners_mask(stage["winner"]), 2)
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    axes = figure.subplot_mosaic("AB;AC", width_ratios=(2, 1))
    values = piece(stage["before"], 2)
    colours = np.where(mask, BLUE, np.where(values > 0, "white", PALE))
    grid(axes["A"], decimals(values), colours, "after the convolution: grey is not above zero, blue won its window", 9)
    for row in range(0, len(values), 2):
        for column in range(0, values.shape[1], 2):
            outline(axes["A"], row, column)
    bytes_hw = piece(stage["winner"])
    live = bytes_hw < 4
    grid(axes["B"], decimals(piece(stage["pooled"])), np.where(live, BLUE, PALE), "kept: the largest of each", 9)
    grid(axes["C"], np.where(live, bytes_hw.astype(str), "dead"), np.where(live, ORANGE, PALE), "kept: who won", 9)
    return figure


def backward() -> Figure:
    """Draw what a dense backward pass multiplies, what ours does, and both counted for the whole map."""
    stage = one_stage()
    mask = winners_mask(stage["winner"])
    here = piece(mask, 2)
    gradient = np.vectorize(lambda value: f"{value:g}")(piece(stage["gradient"], 2))
    cells, windows_of_all, live = mask.size, stage["winner"].size, int(mask.sum())
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplot_mosaic("AB;CC", height_ratios=(3, 1.3))
    grid(axes["A"], gradient, np.full(here.shape, ORANGE), "dense: every cell times its nine pixels", 9)
    grid(axes["B"], np.where(here, gradient, ""), np.where(here, BLUE, "white"), "ours: winners only", 9)
    for axis in (axes["A"], axes["B"]):
        for row in range(0, here.shape[0], 2):
            for column in range(0, here.shape[1], 2):
                outline(axis, row, column)
    counts = {"all cells": cells, "one for each window": windows_of_all, "winners of this map": live}
    bars = axes["C"].barh(list(counts), [9 * n for n in counts.values()], color=[ORANGE, "#9a9a9a", BLUE])
    axes["C"].bar_label(bars, [f"{n:,} × 9 = {9 * n:,}" for n in counts.values()], padding=4, fontsize=9)
    axes["C"].set_title("multiplications for the gradient of one filter, whole map", fontsize=10)
    axes["C"].invert_yaxis()
    axes["C"].set_xlim(0, 9 * cells * 1.25)
    axes["C"].xaxis.set_visible(False)
    axes["C"].spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def winograd() -> Figure:
    """Draw one tile of Winograd's algorithm with its numbers, and the direct sums beside the result."""
    top, left = 2 * ROWS[0] - 1, 2 * COLUMNS[0] - 1  # the padded map's patch for the first window drawn above
    patch = np.asarray(seven())[0, 0, top : top + 4, left : left + 4].astype(np.float64)
    weights = KERNELS["sobel-y"].weights
    moved, turned = PATCH @ patch @ PATCH.T, FILTER @ weights @ FILTER.T
    result = BACK @ (moved * turned) @ BACK.T
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplot_mosaic("AVMY;GUMY")
    grid(axes["A"], decimals(patch), None, "patch, 4×4 pixels", 7)
    grid(axes["V"], decimals(moved), None, "transformed: additions only", 7)
    grid(axes["G"], decimals(weights), None, "filter, 3×3", 7)
    grid(axes["U"], decimals(turned), None, "transformed, once for all", 7)
    grid(axes["M"], decimals(moved * turned), np.full((4, 4), ORANGE), "place by place:\n16 products", 7)
    grid(axes["Y"], decimals(result), np.full((2, 2), BLUE), "transformed back:\n2×2 cells, one window", 8)
    direct = [[(patch[row : row + 3, column : column + 3] * weights).sum() for column in (0, 1)] for row in (0, 1)]
    axes["Y"].text(1, 2.35, f"directly: 36 products,\n{' '.join(decimals(np.array(direct)).ravel())}", ha="center",
                   va="top", fontsize=8, color=DARK)  # fmt: skip
    axes["Y"].set_ylim(3, -0.1)
    return figure


def beyond_peak() -> Figure:
    """Draw the speed of every stage of the benchmark beside the processor's peak."""
    result = json.loads((ROOT / "benchmarks/results/roofline.json").read_text())
    marks = {"forward": ("o", BLUE), "weight gradient": ("s", ORANGE), "input gradient": ("^", GREEN)}
    names: list[str] = []
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for found in result["stages"]:
        name = f"{found['network']}: {found['shape']}{', pooled' if found['pooled'] else ''}"
        if name not in names:
            names.append(name)
        mark, colour = marks[found["part"]]
        axes.plot(found["gflops"], names.index(name), mark, color=colour, markersize=7)
    peak = result["peak_gflops"]
    axes.axvline(peak, color=DARK)
    axes.text(peak, -0.8, f"the processor's peak, {peak:.0f} GFLOP/s ", ha="center", va="bottom", fontsize=9)
    for part, (mark, colour) in marks.items():
        axes.plot([], [], mark, color=colour, label=part)
    axes.set_yticks(range(len(names)), labels=names)
    axes.set(ylim=(len(names) - 0.5, -0.6), xlim=(0, None), xlabel="GFLOP/s, counted as if all were done")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper right", fontsize=9)
    return figure


FIGURES = {
    "window": (windows, "A piece of a feature map, its 2×2 windows, their winners, and what is kept"),
    "backward": (backward, "What is multiplied in the backward pass: all cells, or winners only"),
    "winograd": (winograd, "One tile of Winograd's algorithm, in numbers"),
    "beyond-peak": (beyond_peak, "Speed of every stage beside the processor's peak"),
}


def draw(folder: Path) -> None:
    """Draw all figures into a folder."""
    for name, (figure, title) in FIGURES.items():
        with plot_style():
            save_figure(figure(), folder / f"{name}.svg", title)


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

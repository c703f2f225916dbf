"""Every stage of the benchmark's networks against what the processor can do: multiply-adds and memory.

Speeds are counted as if all multiplications of the definition were done. What goes
beyond the processor's peak was not computed: losers of a pooling have no gradient, and
Winograd's algorithm needs fewer products. Peak and memory are measured by peak.cpp.
Medians go to results/roofline.json, the picture to docs/roofline.png.

    python benchmarks/roofline.py
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from convstage import Pattern
from convstage.memory import keep_memory
from convstage.stage import Stage
from head import head
from networks import NETWORKS

FOLDER = Path(__file__).parent
RESULT = FOLDER / "results/roofline.json"
PICTURE = FOLDER.parent / "docs/roofline.png"
SECONDS = 0.7
MARKS = {"forward": "o", "weight gradient": "s", "input gradient": "^"}


def machine() -> tuple[float, float]:
    """Return the peak of multiply-adds in GFLOP/s and of copied memory, read and written, in GB/s."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        flags = ["-O3", "-std=c++17", "-march=native", "-pthread"]
        subprocess.run(["c++", *flags, FOLDER / "peak.cpp", "-o", program], check=True)
        flops, memory = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    return float(flops), float(memory)


def times(call) -> float:
    call()
    measured: list[float] = []
    while len(measured) < 5 or sum(measured) < SECONDS:
        began = time.perf_counter()
        call()
        measured.append(time.perf_counter() - began)
    return median(measured)


def parts(x: torch.Tensor, stage: Stage, first: bool) -> dict:
    """Return the operator's three passes for a stage: what they do, and the bytes that they must move at least."""
    ops = torch.ops.convstage
    conv = stage[0]
    windows = (conv.stride, conv.margins, *stage.window)
    weight, bias = conv.weight.detach(), conv.bias.detach()
    y, winner = ops.conv_relu_pool(x, weight, bias, *windows, True)
    gradient = torch.randn_like(y)
    own = 4 * (weight.numel() + y.numel()) + winner.numel()
    found = {"forward": (lambda: ops.conv_relu_pool(x, weight, bias, *windows, True), own + 4 * x.numel())}
    if stage.fused == 3 or x.shape[1] <= 4:  # the others' is torch's
        found["weight gradient"] = (
            lambda: ops.conv_relu_pool_weight_backward(gradient, winner, x, weight.shape[2:], *windows),
            own + 4 * x.numel(),
        )
    if not first:
        found["input gradient"] = (
            lambda: ops.conv_relu_pool_input_backward(gradient, winner, weight, x.shape, *windows),
            own + 4 * x.numel(),
        )
    return found


def measure() -> dict:
    peak, memory = machine()
    result = {**head(__doc__), "peak_gflops": peak, "memory_gb_per_s": memory, "stages": []}
    keep_memory()
    for name, network in NETWORKS.items():
        built = Pattern(network.pattern).plan(network.image, network.classes).build(seed=0)
        height, width, channels = network.image
        x = torch.randn(network.batch, channels, height, width).contiguous(memory_format=torch.channels_last)
        for key, stage in built.named_children():
            if not isinstance(stage, Stage):
                break
            conv = stage[0]
            with torch.no_grad():
                before = conv(x)
                for part, (call, moved) in parts(x, stage, first=key == "stage1").items():
                    flops = 2 * before.numel() * conv.weight[0].numel()
                    speed = flops / times(call) / 1e9
                    shape = f"{conv.in_channels} → {conv.out_channels}, {x.shape[2]}²"
                    found = {"network": name, "stage": key, "shape": shape, "pooled": stage.fused == 3, "part": part}
                    found |= {"gflops": round(speed, 1), "share": round(speed / peak, 3), "intensity": flops / moved}
                    result["stages"].append(found)
                x = stage(x)
    return result


def table(result: dict) -> str:
    """Return GFLOP/s and share of the peak, stage by stage, as a Markdown table."""
    lines = ["| stage | forward | weight gradient | input gradient |", "|---|---|---|---|"]
    rows: dict[str, dict[str, str]] = {}
    for found in result["stages"]:
        name = f"{found['network']} {found['stage']}: {found['shape']}{', pooled' if found['pooled'] else ''}"
        rows.setdefault(name, {})[found["part"]] = f"{found['gflops']:,.0f} ({found['share']:.0%})"
    lines += [f"| {name} | {' | '.join(cells.get(part, '–') for part in MARKS)} |" for name, cells in rows.items()]
    return "\n".join(lines)


def draw(result: dict) -> None:
    """Draw the roofline: speed over operations per byte, both logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    peak, memory = result["peak_gflops"], result["memory_gb_per_s"]
    reach = [1, peak / memory, 2000]
    axes.plot(reach, [min(peak, memory * x) for x in reach], color="black", label="the processor's peak, measured")
    colours = dict(zip(NETWORKS, ("#0072B2", "#E69F00", "#009E73", "#CC79A7"), strict=True))
    for found in result["stages"]:
        axes.plot(
            found["intensity"],
            found["gflops"],
            MARKS[found["part"]],
            color=colours[found["network"]],
            fillstyle="full" if found["pooled"] else "none",
        )
    for part, mark in MARKS.items():
        axes.plot([], [], mark, color="grey", label=part)
    for name, colour in colours.items():
        axes.plot([], [], "D", color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlim=(5, 2000), ylim=(50, 1000))
    axes.set_yticks([50, 100, 200, 400, 800], labels=["50", "100", "200", "400", "800"])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("operations of the definition per byte that must be moved")
    axes.set_ylabel("GFLOP/s, counted as if all were done")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize="small", loc="lower right", ncols=2)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    result = measure()
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    draw(result)
    print(table(result))


if __name__ == "__main__":
    main()

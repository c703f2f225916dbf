"""Single stages of many shapes, forward and backward: the operator against torch's composed operations.

In one process, taking turns, both warmed up, channels-last, float32, with the allocator's options that convstage
sets in training. Medians of the rounds' ratios, with the least and the largest, go to results/shapes.json.

    python benchmarks/shapes.py [--rounds 7]
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional as F

from convstage.memory import keep_memory
from convstage.stage import conv_relu_pool
from head import head

RESULT = Path(__file__).parent / "results/shapes.json"
#: Name -> batch, channels, filters, side, filter, stride, padding, pool, pool stride.
SHAPES = {
    "3×3, max 2×2": (64, 32, 64, 28, 3, 1, 1, 2, 2),
    "3×3, no pool": (64, 32, 64, 28, 3, 1, 1, None, None),
    "3×3, 3 channels, no pool": (64, 3, 32, 64, 3, 1, 1, None, None),
    "3×3, max 3×3 step 2": (64, 32, 64, 28, 3, 1, 1, 3, 2),
    "3×3, max 2×2 step 1": (64, 32, 64, 28, 3, 1, 1, 2, 1),
    "3×3, 17 → 33, max 2×2": (64, 17, 33, 28, 3, 1, 1, 2, 2),
    "5×5, max 2×2": (64, 32, 64, 28, 5, 1, 2, 2, 2),
    "5×5, 1 channel, max 2×2 (LeNet)": (256, 1, 6, 28, 5, 1, 0, 2, 2),
    "5×5, no pool": (64, 32, 64, 28, 5, 1, 2, None, None),
    "1×1, max 2×2": (64, 64, 64, 28, 1, 1, 0, 2, 2),
    "1×1, no pool": (64, 64, 64, 28, 1, 1, 0, None, None),
    "7×7 step 2, 3 channels, max 3×3 step 2 (ResNet)": (16, 3, 64, 128, 7, 2, 3, 3, 2),
    "11×11 step 4, 3 channels, max 3×3 step 2 (AlexNet)": (16, 3, 64, 224, 11, 4, 2, 3, 2),
    "5×5, 64 → 192, max 3×3 step 2 (AlexNet)": (16, 64, 192, 27, 5, 1, 2, 3, 2),
    "3×3 step 2, no pool": (64, 32, 64, 28, 3, 2, 1, None, None),
    "3×3 step 2, max 2×2": (64, 32, 64, 28, 3, 2, 1, 2, 2),
    "3×3, 256 → 256, max 2×2 (VGG)": (8, 256, 256, 28, 3, 1, 1, 2, 2),
    "3×3, batch 1, 64 → 64, max 2×2": (1, 64, 64, 56, 3, 1, 1, 2, 2),
}


def composed(x, weight, bias, stride, padding, pool, pool_stride):
    y = F.relu(F.conv2d(x, weight, bias, stride, padding))
    return y if pool is None else F.max_pool2d(y, pool, pool_stride)


def operator(x, weight, bias, stride, padding, pool, pool_stride):
    return conv_relu_pool(x, weight, bias, stride=stride, padding=padding, pool=pool, pool_stride=pool_stride)


def measure(shape: tuple, rounds: int, seconds: float = 0.25) -> dict:
    """Return the ratio torch / operator of forward with everything for the gradient, of all of it, and inference."""
    n, c, k, side, f, *windows = shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, c, side, side, generator=generator).contiguous(memory_format=torch.channels_last)
    weight = (torch.randn(k, c, f, f, generator=generator) / (c * f * f) ** 0.5).contiguous(
        memory_format=torch.channels_last
    )
    leaves = [x.requires_grad_(c > 4), weight.requires_grad_(), torch.zeros(k, requires_grad=True)]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]

    def train(function):
        y = function(*leaves, *windows)
        torch.autograd.grad(y, wanted, torch.ones_like(y))

    def infer(function):
        with torch.inference_mode():
            function(*leaves, *windows)

    figures = {}
    for name, work in (("training", train), ("inference", infer)):
        times = {composed: [], operator: []}
        for function in times:
            work(function)
        for _ in range(rounds):
            for function, measured in times.items():
                work(function)
                began, calls = time.perf_counter(), 0
                while time.perf_counter() < began + seconds:
                    work(function)
                    calls += 1
                measured.append((time.perf_counter() - began) / calls)
        ratios = [a / b for a, b in zip(times[composed], times[operator], strict=True)]
        figures[name] = {
            "ms": round(median(times[operator]) * 1e3, 3),
            "torch / convstage": {
                "median": round(median(ratios), 2),
                "min": round(min(ratios), 2),
                "max": round(max(ratios), 2),
            },
        }
    return figures


def table(result: dict) -> str:
    """Return the result as a Markdown table: how many times as fast as torch, with the least and the largest."""
    lines = ["| stage | training | inference |", "|---|---|---|"]
    for name, figures in result["shapes"].items():
        cells = []
        for what in ("training", "inference"):
            ratio = figures[what]["torch / convstage"]
            cells.append(f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    keep_memory()
    result = {**head(__doc__, rounds=rounds), "shapes": {}}
    for name, shape in SHAPES.items():
        result["shapes"][name] = {"shape": shape, **measure(shape, rounds)}
        print(name, {what: result["shapes"][name][what] for what in ("training", "inference")}, flush=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

"""3×3 stages on few and on many cells: Winograd's algorithm in the operator against torch's composed operations.

The filters are transformed at every call, and a map's last tiles reach over its edge: on few or small maps torch is
faster. In one process, taking turns, both warmed up, channels-last, float32, with the allocator's options that
convstage sets in training. Medians of the rounds' ratios go to results/tiles.json.

    python benchmarks/tiles.py [--rounds 7]
"""

import argparse
import json
import time
from itertools import product
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional as F

from convstage.memory import keep_memory
from convstage.stage.op import fastest_way
from head import head

RESULT = Path(__file__).parent / "results/tiles.json"
CHANNELS, BATCHES, SIDES = (32, 64, 128, 256, 512), (1, 4, 16, 64), (7, 14, 28, 56)
#: Multiply-adds of the largest stage that is measured.
MOST = 4e9
#: Task -> its title, its pooling, and whether there are gradients.
TASKS = {
    "train": ("training, no pool", 1, True),
    "infer": ("inference, no pool", 1, False),
    "infer pooled": ("inference, max 2×2", 2, False),
}


def composed(x, weight, bias, pool):
    y = F.relu(F.conv2d(x, weight, bias, 1, 1))
    return y if pool == 1 else F.max_pool2d(y, pool)


def operator(x, weight, bias, pool, record):
    """The operator itself, whatever would be faster."""
    windows = [(1, 1), (1, 1, 1, 1), (pool, pool), (pool, pool)]
    return torch.ops.convstage.conv_relu_pool(x, weight, bias, *windows, record)[0]


def measure(channels: int, batch: int, side: int, pool: int, record: bool, rounds: int) -> float:
    """Return the median of torch's time over ours, each the mean of about 20 ms."""
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randn(shape, generator=generator).contiguous(memory_format=torch.channels_last)
        for shape in ((batch, channels, side, side), (channels, channels, 3, 3))
    )
    leaves = [tensor.requires_grad_(record) for tensor in (x, weight / (9 * channels) ** 0.5, torch.zeros(channels))]

    def once(ours: bool) -> None:
        with torch.set_grad_enabled(record):
            y = operator(*leaves, pool, record) if ours else composed(*leaves, pool)
            if record:
                torch.autograd.grad(y, leaves, y.detach())

    def timed(ours: bool) -> float:
        began, calls = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < 0.02 or not calls:
            once(ours)
            calls += 1
        return passed / calls

    timed(True), timed(False)
    return median(timed(False) / timed(True) for _ in range(rounds))


def chosen(task: str, channels: int, batch: int, side: int) -> str:
    """Return who computes such a stage."""
    _, pool, record = TASKS[task]
    window = None if pool == 1 else (pool, pool)
    return fastest_way((channels, channels, 3, 3), (1, 1), window, window, record, (batch, side, side))


def table(result: dict) -> str:
    """Return the ratios as a Markdown table; bold ones are those where the operator is used."""
    lines = [
        f"| channels, batch | side | {' | '.join(title for title, *_ in TASKS.values())} |",
        "|---|---|---|---|---|",
    ]
    for row in result["stages"]:
        shape = [row[name] for name in ("channels", "batch", "side")]
        cells = [f"**{row[task]:.2f}**" if chosen(task, *shape) == "kernel" else f"{row[task]:.2f}" for task in TASKS]
        lines.append(f"| {shape[0]}, {shape[1]} | {shape[2]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    keep_memory()
    result = {**head(__doc__, rounds=rounds), "stages": []}
    for channels, batch, side in product(CHANNELS, BATCHES, SIDES):
        if batch * side**2 * 9 * channels**2 <= MOST:
            row = {"channels": channels, "batch": batch, "side": side}
            for task, (_, pool, record) in TASKS.items():
                row[task] = round(measure(channels, batch, side, pool, record, rounds), 2)
            result["stages"].append(row)
            print(row, flush=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

"""Published architectures in plain torch, and the same after `convstage.fuse`: a training step, and inference.

In one process, taking turns, all warmed up, float32. Torch runs as written (channels first) and in channels-last,
whichever is faster counts; the fused model runs both ways too. A training step is forward, backward and
SGD. Medians of the rounds' ratios, with the least and the largest, go to results/fuse.json.

    python benchmarks/fuse.py [--rounds 7] [--only NAME …]
"""

import argparse
import copy
import json
import os
import sys
import time
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import convstage  # noqa: E402
from convstage.environment import environment  # noqa: E402
from convstage.fusion import fusions  # noqa: E402
from convstage.machine import processor  # noqa: E402
from convstage.memory import keep_memory  # noqa: E402
from support.architectures import ARCHITECTURES  # noqa: E402

RESULT = HERE / "results/fuse.json"
#: Images of a batch.
BATCH = {"LeNet-5": 256, "VGG-11": 8, "VGG-16": 8, "VGG-11 with batch norm": 8}
FORMATS = {"channels first": torch.contiguous_format, "channels-last": torch.channels_last}


class Side:
    """A model in one memory format, and the images that it is given."""

    def __init__(self, model, x, labels, memory_format):
        self.model = copy.deepcopy(model).to(memory_format=memory_format)
        self.x = x.contiguous(memory_format=memory_format)
        self.labels = labels
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4)

    def train(self):
        self.model.train()
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x), self.labels).backward()
        self.optimizer.step()

    def infer(self):
        self.model.eval()
        with torch.inference_mode():
            self.model(self.x)


def measure(name: str, rounds: int) -> dict:
    """Return the figures of one architecture."""
    make, image, _ = ARCHITECTURES[name]
    torch.manual_seed(0)
    batch = BATCH.get(name, 16)
    x, labels = torch.randn(batch, *image), torch.randint(0, 10, (batch,))
    plain = make()
    fused = convstage.fuse(copy.deepcopy(plain), quiet=True)
    found = fusions(fused)
    sides = {
        (kind, name): Side(model, x, labels, memory_format)
        for kind, model in (("torch", plain), ("fused", fused))
        for name, memory_format in FORMATS.items()
    }
    if not _takes_channels_last(plain, x):
        # A `view` of the last maps, which only channels first allows.
        sides = {key: side for key, side in sides.items() if key[1] == "channels first"}
    figures = {"batch": batch, "convolutions": len(found.rows), "fused": len(found.replaced)}
    for task in ("train", "infer"):
        times = {key: [] for key in sides}
        for side in sides.values():
            getattr(side, task)()
        for _ in range(rounds):
            for key, side in sides.items():
                began = time.perf_counter()
                getattr(side, task)()
                times[key].append(time.perf_counter() - began)
        figures[task] = summary(times)
    return figures


def _takes_channels_last(model, x) -> bool:
    try:
        Side(model, x, None, torch.channels_last).infer()
    except RuntimeError:
        return False
    return True


def summary(times: dict) -> dict:
    """Return the median times in ms, and how many times as fast the fused model is."""
    medians = {key: median(values) for key, values in times.items()}
    best = min((key for key in times if key[0] == "torch"), key=medians.__getitem__)
    fused = min((key for key in times if key[0] == "fused"), key=medians.__getitem__)
    ratios = sorted(a / b for a, b in zip(times[best], times[fused], strict=True))
    written = [a / b for a, b in zip(times["torch", "channels first"], times["fused", "channels first"], strict=True)]
    return {
        "ms": {f"{kind}, {name}": round(1000 * value, 2) for (kind, name), value in medians.items()},
        "best of torch": best[1],
        "ratio to the best": round(median(ratios), 2),
        "least and largest": [round(ratios[0], 2), round(ratios[-1], 2)],
        "ratio as written": round(median(written), 2),
    }


def table(result: dict) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| | fused | training step, as written | of torch's best | inference, as written | of torch's best |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in result["architectures"].items():
        train, infer = one["train"], one["infer"]
        lines.append(
            f"| {name}, batch {one['batch']} | {one['fused']} of {one['convolutions']} "
            f"| × {train['ratio as written']:.2f} | × {train['ratio to the best']:.2f} "
            f"| × {infer['ratio as written']:.2f} | × {infer['ratio to the best']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    keep_memory()
    result = {
        "what": str(__doc__).split("\n")[0],
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load before": os.getloadavg()[0]},
        "environment": environment(),
        "rounds": asked.rounds,
        "architectures": {},
    }
    for name in asked.only:
        result["architectures"][name] = measure(name, asked.rounds)
        print(name, json.dumps(result["architectures"][name]), flush=True)
    asked.result.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

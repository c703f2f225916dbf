"""A whole training step and inference: convstage against torch, side by side.

One process for each side and network; each is warmed up, then the two take turns: a
round is some steps of the one, then some of the other. Medians over rounds, and the
ratio of each round, go to results/step.json with machine and versions. The work is the
same: float32, the network below, cross-entropy, AdamW, gradients cleared; the loss must
fall. The torch side is written in plain torch, channels-last, as users write it; "tuned"
is the same with the options of glibc's allocator that convstage sets in training.

    python benchmarks/step.py [--rounds 7] [--networks P3 P3x]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

RESULT = Path(__file__).parent / "results/step.json"
#: Pattern, image, classes, batch.
NETWORKS = {
    "P2": ("INPUT -> CONV(32) -> RELU -> FC(128) -> RELU -> CLASSIFIER", (28, 28, 1), 10, 256),
    "P3": ("INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(128) -> RELU -> CLASSIFIER", (28, 28, 1), 10, 256),
    "P3x": ("INPUT -> [CONV(32|32|64|128) -> RELU -> POOL]*4 -> FC(128) -> RELU -> CLASSIFIER", (224, 224, 1), 2, 32),
    "P4": (
        "INPUT -> [CONV(32|64|128) -> RELU -> CONV(32|64|128) -> RELU -> POOL]*3 -> FC(256) -> RELU -> FC(128) -> RELU "
        "-> CLASSIFIER",
        (32, 32, 3),
        10,
        128,
    ),
}
SIDES = ("convstage", "torch", "torch tuned")


def plain_torch(plan):
    """Return the network of a plan as a PyTorch user writes it."""
    from torch import nn

    layers = []
    for row in plan.rows[1:]:
        match row.kind:
            case "CONV":
                layers.append(nn.Conv2d(row.input[2], row.output[2], row.window.size, padding="same"))
            case "RELU":
                layers.append(nn.ReLU())
            case "POOL":
                layers.append(nn.MaxPool2d(2))
            case "FLATTEN":
                layers.append(nn.Flatten())
            case _:
                layers.append(nn.Linear(row.input[0], row.output[0]))
    return nn.Sequential(*layers)


def serve(side: str, name: str) -> None:
    """Answer every line on stdin, "train" or "infer" and a number of steps, with the seconds it took."""
    if side in ("convstage", "torch tuned"):
        from convstage.memory import keep_memory

        keep_memory()
    import torch
    from torch.nn import functional as F

    from convstage import Pattern

    pattern, image, classes, batch = NETWORKS[name]
    plan = Pattern(pattern).plan(image, classes)
    torch.manual_seed(0)
    network = plan.build() if side == "convstage" else plain_torch(plan).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4, fused=True)
    x = torch.randn(batch, image[2], *image[:2]).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, classes, (batch,))
    losses = []

    def train() -> None:
        loss = F.cross_entropy(network(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    def infer() -> None:
        with torch.inference_mode():
            network(x)

    work = {"train": train, "infer": infer}
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        what, steps = line.split()
        began = time.perf_counter()
        for _ in range(int(steps)):
            work[what]()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"seconds": seconds, "losses": losses[:1] + losses[-1:], "peak_mb": peak}), flush=True)


class Side:
    """A side's process."""

    def __init__(self, side: str, name: str) -> None:
        command = [sys.executable, __file__, "--serve", side, "--networks", name]
        # Two waiting thread pools on the same cores must not spin against the one that works.
        environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.read()

    def read(self) -> dict:
        return json.loads(self.process.stdout.readline())

    def time(self, what: str, steps: int) -> dict:
        self.process.stdin.write(f"{what} {steps}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(name: str, rounds: int) -> dict:
    """Return images per second of all sides, round by round, for training and inference."""
    batch = NETWORKS[name][3]
    sides = {side: Side(side, name) for side in SIDES}
    figures: dict = {"batch": batch}
    for what in ("train", "infer"):
        steps = {}
        for side, process in sides.items():
            process.time(what, 2)  # warm-up
            steps[side] = max(1, round(1.0 / (process.time(what, 1)["seconds"])))
        speeds: dict = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, process in sides.items():
                told = process.time(what, steps[side])
                speeds[side].append(batch * steps[side] / told["seconds"])
                figures.setdefault("peak_mb", {})[side] = told["peak_mb"]
        if what == "train":
            losses = {side: process.time(what, 1)["losses"] for side, process in sides.items()}
        figures[what] = {
            side: {"median": round(median(v), 1), "rounds": [round(x, 1) for x in v]} for side, v in speeds.items()
        }
        for side in SIDES[1:]:
            ratios = [a / b for a, b in zip(speeds["convstage"], speeds[side], strict=True)]
            figures[what][f"convstage / {side}"] = {
                "median": round(median(ratios), 2),
                "min": round(min(ratios), 2),
                "max": round(max(ratios), 2),
            }
    for side, process in sides.items():
        process.close()
        if not losses[side][1] < losses[side][0]:
            raise SystemExit(f"{side}, {name}: the loss did not fall: {losses[side]}")
    return figures


def table(result: dict) -> str:
    """Return the result as a Markdown table: images per second, and the ratios' medians."""
    lines = [
        "| network, batch | | convstage | torch | torch tuned | convstage / torch | convstage / torch tuned |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, figures in result["networks"].items():
        for what, label in (("train", "training step"), ("infer", "inference")):
            speeds = " | ".join(f"{figures[what][side]['median']:,.0f}" for side in SIDES)
            ratios = " | ".join(f"{figures[what][f'convstage / {side}']['median']:.2f}" for side in SIDES[1:])
            lines.append(f"| {name}, {figures['batch']} | {label} | {speeds} | {ratios} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--serve", choices=SIDES)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.networks[0])
        return
    from shifts import processor

    from convstage.run import environment
    from convstage.stage import active

    result = {
        "what": __doc__.split("\n")[0],
        "rounds": arguments.rounds,
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "environment": environment(),
        "stage": f"{active().name}: {active().reason}",
        "networks": {},
    }
    for name in arguments.networks:
        result["networks"][name] = compare(name, arguments.rounds)
        for what in ("train", "infer"):
            print(
                name, what, {key: value["median"] for key, value in result["networks"][name][what].items()}, flush=True
            )
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

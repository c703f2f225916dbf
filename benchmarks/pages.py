"""What page faults cost: training steps with glibc's allocator as it comes, and kept from giving memory back.

Two processes for each network take turns; each counts its page faults. Medians of the
rounds go to results/pages.json.

    python benchmarks/pages.py
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from networks import NETWORKS

RESULT = Path(__file__).parent / "results/pages.json"
ROUNDS = 5


def serve(name: str) -> None:
    """Answer every line with the seconds and page faults of a step."""
    import torch
    from torch.nn import functional as F

    from convstage import Pattern
    from convstage.memory import keep_memory
    from convstage.recipe import make_optimizer

    keep_memory()
    network = NETWORKS[name]
    model = Pattern(network.pattern).plan(network.image, network.classes).build(seed=0)
    height, width, channels = network.image
    x = torch.randn(network.batch, channels, height, width).contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, network.classes, (network.batch,))
    optimizer = make_optimizer(model, 0.01)

    def step() -> None:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for _ in range(8):
        step()
    for line in sys.stdin:
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        began = time.perf_counter()
        for _ in range(int(line)):
            step()
        seconds = (time.perf_counter() - began) / int(line)
        faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / int(line)
        print(json.dumps({"ms": 1000 * seconds, "faults": faults}), flush=True)


def start(name: str, malloc: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, __file__, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Two waiting pools of threads on the same cores must not spin against the one that works.
        env=os.environ | {"CONVSTAGE_MALLOC": malloc, "OMP_WAIT_POLICY": "PASSIVE"},
    )


def ask(process: subprocess.Popen, steps: int) -> dict:
    process.stdin.write(f"{steps}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def compare(name: str) -> dict:
    processes = {malloc: start(name, malloc) for malloc in ("off", "on")}
    steps = max(1, round(1000 / ask(processes["on"], 2)["ms"]))
    ask(processes["off"], 1)
    told: dict[str, list[dict]] = {"off": [], "on": []}
    for _ in range(ROUNDS):
        for malloc, process in processes.items():
            told[malloc].append(ask(process, steps))
    for process in processes.values():
        process.communicate()
    return {
        malloc: {key: round(median(turn[key] for turn in turns), 1) for key in ("ms", "faults")}
        for malloc, turns in told.items()
    }


def table(result: dict) -> str:
    """Return faults and milliseconds of a step as a Markdown table."""
    lines = ["| network | as it comes: faults, ms | kept: faults, ms | gain |", "|---|---|---|---|"]
    for name, found in result["networks"].items():
        off, on = found["off"], found["on"]
        cells = [f"{side['faults']:,.0f}, {side['ms']:.1f}" for side in (off, on)]
        lines.append(f"| {name} | {' | '.join(cells)} | {off['ms'] / on['ms']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    from convstage.environment import environment
    from convstage.machine import processor

    result = {
        "what": str(__doc__).split("\n")[0],
        "rounds": ROUNDS,
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "environment": environment(),
        "networks": {name: compare(name) for name in NETWORKS},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    serve(sys.argv[1]) if len(sys.argv) > 1 else main()

"""Training step, inference and one image at a time: convstage against other frameworks, taking turns.

Every side is a process of its own with the same weights, images and optimizer, and as
many threads as the machine has cores. Before anything is timed, its logits and the
losses of its first steps must be those of convstage. A round is about a second of work
of each side; while one works the others are stopped. Medians over rounds, and the ratios
within each round, go to results/step.json with machine and versions.

    python benchmarks/step.py [--rounds 9] [--networks P3 P3x] [--sides "torch compile" JAX]
    python benchmarks/step.py --memory

The second measures the peak memory of the stored result's sides anew, which needs no quiet machine.

Sides whose environment is not there are left out and named; `make bench-peers` makes all.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compare import Comparison
from convstage.machine import processor
from frameworks import OURS, SIDES, find_tcmalloc
from networks import NETWORKS
from tables import latency_table, memory_table, sides_table, speed_table

RESULT = Path(__file__).parent / "results/step.json"


def table(result: dict) -> str:
    """Return the main result as a Markdown table."""
    return speed_table(result)


def measure(networks: Sequence[str], names: Sequence[str], rounds: int, tcmalloc: str | None) -> dict:
    """Return everything that is measured, ready for JSON."""
    absent = {name: reason for name in names if (reason := SIDES[name].missing(tcmalloc))}
    for name, reason in absent.items():
        say(f"left out: {name}: {reason}")
    result: dict = {
        "what": str(__doc__).split("\n")[0],
        "rounds": rounds,
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {},
        "absent": absent,
        "networks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for network in networks:
            sides = [SIDES[name] for name in names if name not in absent]
            comparison = Comparison(network, sides, Path(folder), tcmalloc, say)
            result["networks"][network] = comparison.measure(rounds)
            result["versions"] |= comparison.versions
            absent |= {f"{name}, {network}": reason for name, reason in comparison.failed.items()}
    return result


def measure_memory(result: dict, tcmalloc: str | None) -> dict:
    """Return a stored result with the peak memory of all its sides measured anew."""
    with tempfile.TemporaryDirectory() as folder:
        for network, stored in result["networks"].items():
            sides = [SIDES[name] for name in stored["peak_mb"]]
            stored["peak_mb"] = Comparison(network, sides, Path(folder), tcmalloc, say).memory()
    return result


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS), metavar="NAME")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES), metavar="NAME")
    parser.add_argument(
        "--tcmalloc", default=find_tcmalloc(), metavar="FILE", help="its library, where it is not found"
    )
    parser.add_argument("--memory", action="store_true", help="measure peak memory only, anew")
    parser.add_argument("--output", type=Path, default=RESULT, metavar="FILE")
    arguments = parser.parse_args()
    # SIGTERM unwinds as Ctrl-C does, so that no process is left.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if arguments.memory:
        result = measure_memory(json.loads(arguments.output.read_text()), arguments.tcmalloc)
    else:
        names = [OURS, *(name for name in arguments.sides if name != OURS)]
        result = measure(arguments.networks, names, arguments.rounds, arguments.tcmalloc)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    for part in (speed_table, sides_table, latency_table, memory_table):
        print(part(result), end="\n\n")


if __name__ == "__main__":
    main()

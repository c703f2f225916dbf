"""One process and two that train together: images per second, bytes of gradient, and what the exchange costs.

Every measurement is a launch of its own, in rounds that go through all of them in turn. A step of a single
process, with one thread and with two, is compared with a step that two processes of one thread share. The
exchange alone is measured for several sizes: its time is a constant and a part that grows with the bytes,
which docs/scale.md reckons with. Results go to results/ranks.json.

    python benchmarks/ranks.py [--rounds 5] [--seconds 4] [--result FILE]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convstage.config import make_config
from convstage.data import choose_geometry, load_dataset, open_source
from convstage.distributed import Share
from convstage.distributed.launch import launched, world_of
from convstage.distributed.replica import replicate, settle
from convstage.environment import environment
from convstage.machine import processor
from convstage.memory import keep_memory
from convstage.pattern import Pattern
from convstage.recipe import make_optimizer
from convstage.step import Steps

HERE = Path(__file__).parent
RESULT = HERE / "results/ranks.json"
#: Networks, with the images of a step: of little work per parameter, and of much.
NETWORKS = {
    "28 px, 2 stages": ("28x28", "INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(128) -> RELU -> CLASSIFIER", 64),
    "112 px, 4 stages": (
        "112x112",
        "INPUT -> [CONV(32|32|64|128) -> RELU -> POOL]*4 -> FC(128) -> RELU -> CLASSIFIER",
        32,
    ),
}
#: Processes, and threads of each.
SETTINGS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread": (2, 1)}
#: Numbers of float32 values whose sum over the processes is timed.
SIZES = [1, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]


def work(network: str, threads: int, seconds: float) -> None:
    """Take steps for a while, in one process of several; the leading one prints what it has found."""
    size, pattern, batch = NETWORKS[network]
    keep_memory()
    torch.set_num_threads(threads)
    with launched() as launch:
        if launch is not None:
            launch.gather()
        world = world_of(launch)
        share = Share(world)
        name, source = open_source("digits")
        side = int(size.partition("x")[0])
        geometry = choose_geometry(source, size=(side, side), channels="grey")
        dataset = load_dataset(name, source, geometry, val=0.15, test=0.15, seed=0)
        plan = Pattern(pattern).plan(geometry.shape, 10)
        steps = Steps(dataset, make_config(batch_size=batch), torch.device("cpu"), share)
        net = plan.build(0).train()
        optimizer, replica = make_optimizer(net, 0.01), replicate(net, share)
        settle(replica, plan.image, share)

        def take(count: int) -> tuple[float, float]:
            batches = steps.batches(0)
            world.meet()
            began, spent = time.perf_counter(), time.process_time()
            for step in range(count):
                steps.gradient(replica, optimizer, batches[step % steps.count], 0, step)
                optimizer.step()
            return time.perf_counter() - began, time.process_time() - spent

        each = world.told(take(5)[0] / 5)  # all must take as many steps
        count = max(10, int(seconds / each))
        seconds, spent = take(count)
        found: dict[str, Any] = {
            "images_per_second": count * batch / seconds,
            "step_ms": 1000 * seconds / count,
            "cpu_ms": 1000 * spent / count,  # of this process, in all its threads: hardly changed by others' load
            "parameters": plan.parameters,
        }
        if not world.alone:
            found["exchange_ms"] = {str(number): exchange(world, number) for number in SIZES}
        if world.leads:
            print(json.dumps(found))


def exchange(world: Any, number: int) -> float:
    """Return the median milliseconds of the sum of float32 values over all processes."""
    values, times = torch.ones(number), []
    for _ in range(7 if number > 1_000_000 else 30):
        world.meet()
        began = time.perf_counter()
        world.add(values)
        times.append(1000 * (time.perf_counter() - began))
        values.fill_(1)
    return statistics.median(times)


def measured(network: str, setting: str, seconds: float) -> dict[str, Any]:
    """Return what a launch finds."""
    processes, threads = SETTINGS[setting]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = command if processes > 1 else [sys.executable]
    told = subprocess.run(
        [*command, __file__, "--work", network, "--threads", str(threads), "--seconds", str(seconds)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    ).stdout
    return dict(json.loads(told.splitlines()[-1]))


def fitted(times: dict[str, float]) -> dict[str, float]:
    """Return the constant and the bandwidth of an exchange, by least squares of relative errors."""
    sizes = np.array([4 * int(number) for number in times], float)
    seconds = np.array([value / 1000 for value in times.values()])
    design = np.stack([np.ones_like(sizes), sizes], 1) / seconds[:, None]
    constant, per_byte = np.linalg.lstsq(design, np.ones_like(seconds), rcond=None)[0]
    return {"constant_ms": 1000 * float(constant), "bytes_per_second": 1 / float(per_byte)}


def table(result: dict[str, Any]) -> str:
    """Return images per second, and how two processes compare, as a Markdown table."""
    lines = [
        "| network, images of a step | gradient | 1 process, 1 thread | 1 process, 2 threads | 2 processes, 1 thread "
        "| 2 processes / 1 process, 1 thread |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in result["networks"].items():
        speeds = [found[setting]["images_per_second"]["median"] for setting in SETTINGS]
        cells = [f"{speed:,.0f} images/s" for speed in speeds]
        gradient = f"{found['gradient_bytes'] / 1e6:.1f} MB"
        lines.append(
            f"| {name}, {found['batch']} | {gradient} | {' | '.join(cells)} | {found['speed_up']['median']:.2f} |"
        )
    return "\n".join(lines)


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of steps, for each measurement")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.threads, options.seconds)
        return
    networks: dict[str, Any] = {}
    exchanges: list[dict[str, float]] = []
    for name, (_, _, batch) in NETWORKS.items():
        rounds = [
            {setting: measured(name, setting, options.seconds) for setting in SETTINGS} for _ in range(options.rounds)
        ]
        one, *_, two = SETTINGS
        networks[name] = {
            "batch": batch,
            "gradient_bytes": 4 * rounds[0][one]["parameters"],
            "speed_up": spread([found[two]["images_per_second"] / found[one]["images_per_second"] for found in rounds]),
            **{
                setting: {
                    what: spread([found[setting][what] for found in rounds])
                    for what in ("images_per_second", "step_ms", "cpu_ms")
                }
                for setting in SETTINGS
            },
        }
        exchanges += [found[two]["exchange_ms"] for found in rounds]
    times = {size: statistics.median(each[size] for each in exchanges) for size in exchanges[0]}
    result = {
        "what": "training steps of one process and of two that share them, and the sum over both (gloo, one machine)",
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "environment": environment(),
        "command": " ".join(["python", "benchmarks/ranks.py", *sys.argv[1:]]),
        "rounds": options.rounds,
        "networks": networks,
        "exchange": {"ms by float32 values": times, **fitted(times)},
    }
    options.result.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

"""What training on many machines would cost, predicted from what is measured on this one.

Two processes, connected by gloo over the loopback as torchrun would start them, take turns:
steps of one alone, with one thread and with all; steps of both side by side with nothing
sent; sums over both, of several lengths; steps of both together, as `convstage train` takes
them. Of every figure the median of the fastest quarter of the rounds counts, since what else
runs on the machine only makes it slower. Then shards of JPEG files are read and decoded by
one thread. The model is in scale_model.py; the tables go to docs/scale.md.

    python benchmarks/scale.py [--rounds 24]
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scale_model import constants_table, fixed_table, limits_table, predicted, scaling_table, table

RESULT = Path(__file__).parent / "results/scale.json"
#: The network of the default recipe for images of this size, and the images of a step.
IMAGE, BATCH = (224, 224, 1), 32
#: Bytes of the sums that are timed.
SUMS = (64, 4_194_304)
#: Images of the shards that are read.
IMAGES = 240

__all__ = ["RESULT", "constants_table", "fixed_table", "limits_table", "scaling_table", "table"]


def best(values: list[float]) -> float:
    """Return the median of the fastest quarter."""
    return float(np.median(np.sort(values)[: max(1, len(values) // 4)]))


class Bench:
    """One of the two processes, with a network, an optimizer and steps of its own."""

    def __init__(self, rank: int) -> None:
        import torch

        from convstage.config import make_config
        from convstage.data import Dataset, Geometry, Standardisation
        from convstage.data.pixel_rows import PixelRows
        from convstage.distributed import Share, World
        from convstage.distributed.replica import replicate, settle
        from convstage.pattern import Pattern
        from convstage.recipe import default_pattern, make_optimizer
        from convstage.step import Steps

        self.rank = rank
        height, width, _ = IMAGE
        count = 4 * BATCH
        random = np.random.default_rng(0)
        self.dataset = Dataset(
            source="random",
            classes=("a", "b"),
            pixels=PixelRows(random.integers(0, 256, (count, *IMAGE), dtype=np.uint8), np.arange(count)),
            labels=np.arange(count) % 2,
            names=[str(number) for number in range(count)],
            sha256=[f"{number:064d}" for number in range(count)],
            groups=[str(number) for number in range(count)],
            parts=np.full(count, "train"),
            unreadable=[],
            notes=[],
            geometry=Geometry(height, width),
            standardisation=Standardisation((0.5,), (0.25,)),
        )
        self.plan = Pattern(default_pattern(height, width)).plan(IMAGE, 2)
        config = make_config(batch_size=BATCH, threads=1)
        cpu = torch.device("cpu")
        share = Share(World(rank, 2, rank, 2))
        self.alone = self.plan.build(0).train(), Steps(self.dataset, config, cpu)
        network = self.plan.build(0).train()
        self.pair = replicate(network, share), Steps(self.dataset, config, cpu, share)
        settle(self.pair[0], IMAGE, share)
        self.pair[0].train()
        self.optimizers = make_optimizer(self.alone[0], 0.01), make_optimizer(network, 0.01)
        self.gradient_bytes = 4 * sum(parameter.numel() for parameter in network.parameters())

    def step(self, images: int) -> None:
        """Take a step of its own."""
        network, steps = self.alone
        steps.gradient(network, self.optimizers[0], np.arange(images), 0, 0)
        self.optimizers[0].step()

    def together(self) -> None:
        """Take a step with the other process, and sum up the figures that go with it, as the loop does."""
        network, steps = self.pair
        outcome = steps.gradient(network, self.optimizers[1], np.arange(BATCH), 0, 0)
        steps.share.world.total([outcome.loss, outcome.correct, 0.0])
        self.optimizers[1].step()


def work(rank: int, rounds: int, port: int, path: Path) -> None:
    """Take turns with the other process, and write what was measured."""
    import torch
    from torch import distributed

    from convstage.memory import keep_memory

    keep_memory()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.init_process_group("gloo")
    bench = Bench(rank)
    times: dict[str, list[float]] = {}

    def timed(name: str, task: Callable[[], None], threads: int = 1, alone: bool = False, calls: int = 1) -> None:
        torch.set_num_threads(threads)
        distributed.barrier()
        if not alone or rank == 0:
            begin = time.perf_counter()
            for _ in range(calls):
                task()
            times.setdefault(name, []).append((time.perf_counter() - begin) / calls)
        distributed.barrier()

    tensors = {size: torch.zeros(size // 4) for size in SUMS}
    every = os.cpu_count() or 1
    sizes = (BATCH // 4, BATCH // 2, BATCH)
    for number in range(rounds + 1):
        for images in sizes:
            timed(f"1 thread {images}", lambda images=images: bench.step(images), alone=True)
            timed(f"all threads {images}", lambda images=images: bench.step(images), threads=every, alone=True)
        timed("side by side", lambda: bench.step(BATCH))
        for size, tensor in tensors.items():
            timed(f"sum {size}", lambda tensor=tensor: distributed.all_reduce(tensor), calls=10 if size < 1000 else 3)
        timed("together", bench.together)
        if not number:
            times.clear()  # the first round warms up
    slowest = {name: torch.tensor([best(values)]) for name, values in sorted(times.items())}
    for name, value in slowest.items():
        if not name.startswith(("1 thread", "all threads")):
            distributed.all_reduce(value, distributed.ReduceOp.MAX)  # a step is through when both are
    if rank == 0:
        buckets = len(bench.pair[0]._get_ddp_logging_data()["bucket_sizes"].split(","))
        found = {name: float(value) for name, value in slowest.items()}
        result = {
            "step_seconds": {
                "1 thread": {images: found[f"1 thread {images}"] for images in sizes},
                "whole machine": {images: found[f"all threads {images}"] for images in sizes},
            },
            "two_processes": {
                "alone_seconds": found[f"1 thread {BATCH}"],
                "side_by_side_seconds": found["side by side"],
                "side_by_side_images": BATCH,
                "together_seconds": found["together"],
            },
            "sum_seconds": {size: found[f"sum {size}"] for size in SUMS},
            "sums_of_a_step": buckets + 1,
            "gradient_bytes": bench.gradient_bytes,
            "parameters": bench.plan.parameters,
            "pattern": bench.plan.pattern,
        }
        path.write_text(json.dumps(result))
    distributed.destroy_process_group()


def measure_pair(rounds: int) -> dict:
    """Start the two processes, and return what they have measured."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        path = Path(folder) / "result.json"
        free.close()
        command = [sys.executable, __file__, "--rounds", str(rounds), "--port", str(port), "--write", str(path)]
        pair = [subprocess.Popen([*command, "--rank", str(rank)]) for rank in range(2)]
        if any(process.wait() for process in pair):
            raise SystemExit("a process ended without a result")
        return dict(json.loads(path.read_text()))


def measure_data() -> dict:
    """Return how many images of shards one thread reads, checks and decodes in a second."""
    from convstage.data import choose_geometry, open_source
    from convstage.data.readable import read_images
    from convstage.data.shards.make import make_shards
    from convstage.data.shards.stream import Streamed
    from convstage.phantom import write

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "images", IMAGES, size=256, format="jpeg")
        made = make_shards(Path(folder) / "images", Path(folder) / "shards", size="1MB")
        source = open_source(made.path)[1]
        images = read_images(source, choose_geometry(source, size=IMAGE[:2], channels="grey"), stream=True)
        whole = images.pixels.array
        assert isinstance(whole, Streamed)
        one = Streamed(whole.source, whole.rows, whole.geometry, threads=1)
        seconds = []
        for _ in range(9):
            begin = time.perf_counter()
            one[np.arange(IMAGES)]
            seconds.append(time.perf_counter() - begin)
        return {
            "images_per_second": IMAGES / best(seconds),
            "what": "JPEG files of 256 × 256 pixels, grey, in shards, to 224 × 224",
            "bytes_per_image": round(float(whole.source.length.mean())),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank is not None:
        work(arguments.rank, arguments.rounds, arguments.port, arguments.write)
        return
    from convstage.environment import environment
    from convstage.machine import processor

    result = {
        "what": str(__doc__).split("\n")[0],
        "machine": processor(),
        "cores": os.cpu_count(),
        "environment": environment(),
        "rounds": arguments.rounds,
        "image": IMAGE,
        "batch": BATCH,
        **measure_pair(arguments.rounds),
        "data": measure_data(),
    }
    result["model"] = predicted(result)
    arguments.result.write_text(json.dumps(result, indent=1) + "\n")
    for made in (constants_table, table, scaling_table, fixed_table, limits_table):
        print(made(json.loads(arguments.result.read_text())), end="\n\n")


if __name__ == "__main__":
    main()

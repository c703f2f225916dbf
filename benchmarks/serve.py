"""The server under load: many clients, too many clients, refused requests, slow connections, a stop.

The server is a process of its own on a free port of this machine, and the clients share the
processor with it. Every answer is compared with what the same network says offline. Results go
to results/serve.json.

    python benchmarks/serve.py [--seconds 60] [--networks "28 px" …] [--result FILE]
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serve_clients import Question, crowd, post, slow, status_of, upload

HERE = Path(__file__).parent
RESULT = HERE / "results/serve.json"
CLIENTS, OVERLOAD, SLOW, OTHERS = 32, 200, 64, 8
IMAGES = 64
REFUSED = 100
#: What is asked of each; what is compared with it is in `reached`.
AIMS = {"share of the loop": 0.7, "p99 ms": 500, "live p99 ms": 200, "recovery s": 5, "growth MiB": 1.0, "slow": 2.0}


@dataclass(frozen=True)
class Network:
    """A network that is served, and the images that it is asked about."""

    data: str
    pattern: str


NETWORKS = {
    "28 px, 2 stages": Network("digits", "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"),
    "224 px, 4 stages": Network("chests", "INPUT -> [CONV -> RELU -> POOL]*4 -> FC -> RELU -> CLASSIFIER"),
}


class Server:
    """The server's process."""

    def __init__(self, run: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "convstage", "serve", str(run), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if found is None:
            raise RuntimeError(f"the server has not started: {line!r}")
        self.port = int(found[1])

    def memory(self, what: str = "VmRSS") -> float:
        """Return the memory of the process, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{what}:\s+(\d+) kB", status, re.MULTILINE)[1]) / 1024


@contextmanager
def serving(run: Path) -> Iterator[Server]:
    """Have a server for a while."""
    server = Server(run)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()


def trained(network: Network, folder: Path) -> Path:
    """Train for one epoch; return the run folder."""
    import convstage
    from convstage.phantom import write

    data: str | Path = network.data
    if data == "chests":
        data = write(folder / "chests", 120, size=224).path
    run = convstage.train(data, pattern=network.pattern, epochs=1, audit=False, report=False, out=folder / "runs")
    return run.path


def questions(run: Path, folder: Path) -> tuple[list[Question], list[Path]]:
    """Return requests, with the offline answers, and the files of their images."""
    import convstage

    classifier = convstage.load(run)
    height, width, channels = classifier.plan.image
    random, asked, files = np.random.default_rng(0), [], []
    for number in range(IMAGES):
        # Smooth noise: compresses, and decodes, about as a photograph does.
        coarse = random.integers(0, 256, (8, 8, channels), dtype=np.uint8)
        picture = Image.fromarray(coarse.squeeze()).resize((width, height), Image.Resampling.BICUBIC)
        path = folder / f"{number}.png"
        picture.save(path)
        files.append(path)
        asked.append(Question(upload(path.read_bytes()), classifier.predict(path)[0].probabilities))
    return asked, files


def offline(run: Path, files: list[Path], seconds: float) -> dict[str, float]:
    """Return images per second of a loop that predicts one file after the other, in a process of its own."""
    code = (
        "import json, sys, time, convstage\n"
        f"classifier, files = convstage.load({str(run)!r}), {list(map(str, files))!r}\n"
        "for file in files: classifier.predict(file)\n"
        "began, count = time.perf_counter(), 0\n"
        f"while time.perf_counter() - began < {seconds}:\n"
        "    classifier.predict(files[count % len(files)]); count += 1\n"
        "print(count / (time.perf_counter() - began))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return {"per second": round(float(shown), 1)}


async def overloaded(server: Server, asked: list[Question], seconds: float) -> dict[str, Any]:
    """Return what too many clients see, what a live check sees meanwhile, and when all is well again."""
    # The checks run for a little less, so that none of them meets the end of the crowd.
    probe = await asyncio.create_subprocess_exec(
        sys.executable, HERE / "serve_clients.py", str(server.port), str(seconds - 1), stdout=subprocess.PIPE
    )
    tally = await crowd(server.port, asked, OVERLOAD, seconds)
    began = time.perf_counter()
    while await status_of(server.port, asked[0].request) != 200:
        await asyncio.sleep(0.02)
    recovered = time.perf_counter() - began
    live, _ = await probe.communicate()
    return {**tally.summary(), "live": json.loads(live), "recovered s": round(recovered, 3)}


async def refused(server: Server) -> dict[str, Any]:
    """Return by how much refused requests make the process grow: foreign, too large, or not to be read."""
    kinds = [
        post("/api/predict", b"{}", "application/json", Host="evil.example"),
        post("/api/predict", b"{}", "application/json", Origin="null"),
        post("/api/predict", b"", "multipart/form-data; boundary=x").replace(b"Length: 0", b"Length: 999999999"),
        post("/api/predict", b"[" * 50_000, "application/json"),
        upload(b"no picture" * 1000),
    ]

    async def all_of(count: int) -> set[int]:
        return {await status_of(server.port, kinds[number % len(kinds)]) for number in range(count)}

    # The first of each kind load what answers them.
    await all_of(REFUSED)
    before = server.memory()
    statuses = await all_of(REFUSED)
    return {"requests": REFUSED, "statuses": sorted(statuses), "growth MiB": round(server.memory() - before, 3)}


async def beside_slow_ones(server: Server, asked: list[Question], seconds: float) -> dict[str, Any]:
    """Return what some clients see alone, and beside connections that send a byte now and then."""
    alone = (await crowd(server.port, asked, OTHERS, seconds)).summary()
    until = time.perf_counter() + seconds + 1
    crawling = [asyncio.create_task(slow(server.port, number, until)) for number in range(SLOW)]
    await asyncio.sleep(1)
    beside = (await crowd(server.port, asked, OTHERS, seconds)).summary()
    await asyncio.gather(*crawling)
    return {"alone": alone, "beside": beside, "p99 ratio": round(beside["p99"] / alone["p99"], 2)}


async def stopped(server: Server, asked: list[Question]) -> dict[str, Any]:
    """Return how long a stop takes while requests are under way, and whether they are answered."""
    under_way = [asyncio.create_task(status_of(server.port, question.request)) for question in asked[:OTHERS]]
    await asyncio.sleep(0.005)
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(server.process.wait, 10)
    seconds = time.perf_counter() - began
    return {"statuses": sorted(set(await asyncio.gather(*under_way))), "s": round(seconds, 2), "code": code}


async def scenarios(server: Server, asked: list[Question], seconds: float) -> dict[str, Any]:
    """Return what happens in all scenarios, one after the other."""
    await crowd(server.port, asked, CLIENTS, 1)
    found: dict[str, Any] = {"load": (await crowd(server.port, asked, CLIENTS, seconds)).summary()}
    found["overload"] = await overloaded(server, asked, max(5, seconds / 4))
    found["refused"] = await refused(server)
    found["slow"] = await beside_slow_ones(server, asked, max(3, seconds / 4))
    found["most memory MiB"] = round(server.memory("VmHWM"), 1)
    found["stop"] = await stopped(server, asked)
    return found


def measure(network: Network, seconds: float) -> dict[str, Any]:
    """Return the figures of one network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = trained(network, folder)
        asked, files = questions(run, folder)
        loop = [offline(run, files, max(2, seconds / 6))]
        with serving(run) as server:
            found = asyncio.run(scenarios(server, asked, seconds))
        # Before and after: a machine's speed is not the same all the time.
        loop.append(offline(run, files, max(2, seconds / 6)))
    mean = sum(one["per second"] for one in loop) / 2
    share = round(found["load"]["per second"] / mean, 3)
    return {"pattern": network.pattern, "offline loop": loop, "share of the loop": share, **found}


def reached(figures: dict[str, Any]) -> dict[str, bool]:
    """Return which of the aims a network's figures reach."""
    load, over = figures["load"], figures["overload"]
    return {
        "all answered, as offline": load["lost"] == load["wrong"] == 0 and set(load["statuses"]) == {"200"},
        "throughput": figures["share of the loop"] >= AIMS["share of the loop"],
        "p99": load["p99"] <= AIMS["p99 ms"],
        "overload": set(over["statuses"]) <= {"200", "503"} and over["lost"] == over["wrong"] == 0,
        "live checks": over["live"]["p99"] <= AIMS["live p99 ms"] and set(over["live"]["statuses"]) == {"200"},
        "recovery": over["recovered s"] <= AIMS["recovery s"],
        "refused": figures["refused"]["growth MiB"] <= AIMS["growth MiB"],
        "slow connections": figures["slow"]["p99 ratio"] <= AIMS["slow"],
        "stop": figures["stop"] | {"s": 0} == {"statuses": [200], "s": 0, "code": 0} and figures["stop"]["s"] <= 5,
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    networks = result["networks"]
    rows = [
        ("offline loop, images/s", lambda f: " and ".join(f"{one['per second']:,.0f}" for one in f["offline loop"])),
        (f"{CLIENTS} clients, images/s", lambda f: f"{f['load']['per second']:,.0f}"),
        ("share of the loop", lambda f: f"{f['share of the loop']:.0%}"),
        ("answers; lost, failed or different", lambda f: f"{f['load']['answered']:,}; {_bad(f['load'])}"),
        ("largest difference from offline", lambda f: f"{f['load']['largest difference']:.1g}"),
        ("median, 99th percentile, ms", lambda f: f"{f['load']['p50']:.0f}, {f['load']['p99']:.0f}"),
        (f"{OVERLOAD} clients: 200, 503, others", lambda f: _statuses(f["overload"])),
        ("live checks meanwhile, 99th percentile, ms", lambda f: f"{f['overload']['live']['p99']:.0f}"),
        ("well again after, s", lambda f: f"{f['overload']['recovered s']:.2f}"),
        (f"growth by {REFUSED} refused requests, MiB", lambda f: f"{f['refused']['growth MiB']:.2f}"),
        (f"99th percentile beside {SLOW} slow connections", lambda f: f"× {f['slow']['p99 ratio']:.2f}"),
        ("stop with requests under way, s", lambda f: f"{f['stop']['s']:.1f}"),
        ("most memory, MiB", lambda f: f"{f['most memory MiB']:,.0f}"),
    ]
    lines = [f"| | {' | '.join(networks)} |", f"|---{'|---' * len(networks)}|"]
    lines += [f"| {title} | {' | '.join(cell(figures) for figures in networks.values())} |" for title, cell in rows]
    return "\n".join(lines)


def _bad(load: dict[str, Any]) -> int:
    return load["lost"] + load["wrong"] + load["answered"] - load["statuses"].get("200", 0)


def _statuses(over: dict[str, Any]) -> str:
    right, refused = (over["statuses"].get(status, 0) for status in ("200", "503"))
    return f"{right:,}, {refused:,}, {over['answered'] - right - refused + over['lost']:,}"


def main() -> None:
    from convstage.environment import environment
    from convstage.machine import processor

    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--result", type=Path, default=RESULT)
    asked = parser.parse_args()
    result = {
        "what": str(__doc__).split("\n")[0],
        "seconds": asked.seconds,
        "machine": {"processor": processor(), "cores": os.cpu_count(), "load before": os.getloadavg()[0]},
        "environment": environment(),
        "networks": {name: measure(NETWORKS[name], asked.seconds) for name in asked.networks},
    }
    for figures in result["networks"].values():
        figures["reached"] = reached(figures)
    asked.result.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    missed = {name: [aim for aim, is_so in f["reached"].items() if not is_so] for name, f in result["networks"].items()}
    print(f"missed: {json.dumps(missed)}")


if __name__ == "__main__":
    main()

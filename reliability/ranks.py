"""Processes that train together, killed and stopped at random moments: the identical result, or a quick end.

Launches of ``torchrun`` with elastic restarts train a tiny network; ranks are killed with SIGKILL, the
moments drawn evenly over a whole training: imports, preparation, steps, saves, evaluation. Every launch
must end with weights and checkpoint of the same SHA-256 as a launch that nobody disturbed, or with an
exit code other than 0 within 60 s, and must leave no process behind. Then a rank is stopped (SIGSTOP),
and the launcher itself is killed: everything must end within 60 s.

    python reliability/ranks.py [--kills 25] [--minutes 20] [--epochs 30] [--seed 0] [--result FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from launches import PATTERN, Launch, digest_of, make_images
from outcome import store

HERE = Path(__file__).parent
RESULT = HERE / "results/ranks.json"
#: Seconds within which a launch that cannot go on must end.
LIMIT = 60.0
#: Kills of one launch, at most.
PER_LAUNCH = 6
OPTIONS = ["-b", "8", "--ema", "0.9", "--save-every", "0.05", "--patience", "999", "--no-audit", "--no-report"]


class Chaos:
    """Launches of one training, in a folder of their own.

    Attributes
    ----------
    digest : str
        Of weights and checkpoint, when nobody disturbs.
    seconds : float
        That such a launch takes.
    """

    def __init__(self, folder: Path, epochs: int, draw: random.Random) -> None:
        self.folder, self.epochs, self.draw = folder, epochs, draw
        make_images(folder / "images")
        began = time.monotonic()
        launch = self.launch("whole")
        if launch.wait(600):
            raise SystemExit(launch.output)
        self.seconds = time.monotonic() - began
        self.digest = digest_of(folder / "runs/whole")

    def launch(self, name: str, restarts: int = 0) -> Launch:
        """Start a launch."""
        settings = ["train", "images", "-p", PATTERN, "-e", str(self.epochs), *OPTIONS, "--name", name]
        return Launch(settings, self.folder, restarts=restarts)

    def killed(self, name: str, ranks: list[int]) -> dict[str, Any]:
        """Kill these ranks of one launch one after another, as far as it is still there; return what became of it."""
        launch = self.launch(name, restarts=100)
        kills: list[dict[str, Any]] = []
        try:
            for rank in ranks:
                moment = self.draw.uniform(0, self.seconds)
                if not (workers := appeared(launch)):
                    break
                time.sleep(moment)
                if launch.kill(rank):
                    kills.append({"rank": rank, "after_s": round(moment, 2)})
                    until_gone(launch, workers[rank])
            last = time.monotonic()
            code = launch.wait(LIMIT + 5 * self.seconds)
            seconds = time.monotonic() - last
            same = code == 0 and digest_of(self.folder / "runs" / name) == self.digest
            orphans = len(launch.orphans())
            found = {"kills": kills, "code": code, "same": same, "seconds": round(seconds, 1), "orphans": orphans}
            return judged(found, launch, not orphans and (same or (code != 0 and seconds < LIMIT)))
        finally:
            launch.end()

    def stopped(self, name: str, rank: int) -> dict[str, Any]:
        """Stop a rank in the middle of the training, and wait for the end."""
        launch = self.launch(name)
        try:
            launch.wait_for("epoch   2", 120)
            began = time.monotonic()
            launch.kill(rank, signal.SIGSTOP)
            code = launch.wait(3 * LIMIT)
            seconds, orphans = time.monotonic() - began, len(launch.orphans())
            found = {"rank": rank, "code": code, "seconds": round(seconds, 1), "orphans": orphans}
            return judged(found, launch, code != 0 and seconds < LIMIT and not orphans)
        finally:
            launch.end()

    def abandoned(self, name: str) -> dict[str, Any]:
        """Kill the launcher, and wait for its processes; what they have saved must be gone on with."""
        launch = self.launch(name)
        try:
            launch.wait_for("epoch   2", 120)
            began = time.monotonic()
            launch.process.kill()
            launch.process.wait()
            while launch.workers() and time.monotonic() - began < 2 * LIMIT:
                time.sleep(0.1)
            seconds, orphans = time.monotonic() - began, len(launch.workers())
            again = Launch(["train", "--resume", f"runs/{name}"], self.folder)
            same = again.wait(600) == 0 and digest_of(self.folder / "runs" / name) == self.digest
            found = {"seconds": round(seconds, 1), "orphans": orphans, "same": same}
            return judged(found, launch, same and not orphans and seconds < LIMIT)
        finally:
            launch.end()


def judged(found: dict[str, Any], launch: Launch, held: bool) -> dict[str, Any]:
    """Return what was found, with the output of a launch that did not hold."""
    return found | {"held": held} | ({} if held else {"output": launch.output[-6000:]})


def appeared(launch: Launch) -> dict[int, int]:
    """Wait until both ranks run; return their processes, none when the launch is over."""
    while launch.process.poll() is None:
        if len(workers := launch.workers()) == 2:
            return workers
        time.sleep(0.05)
    return {}


def until_gone(launch: Launch, process: int) -> None:
    """Wait until the launcher has noticed: until then the others of the same start are still there."""
    while launch.process.poll() is None and (workers := launch.workers()) and process not in workers.values():
        if len(workers) == 2:
            return  # those of the next start
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25, help="kills of each of the two ranks")
    parser.add_argument("--minutes", type=float, default=20, help="no launch begins later")
    parser.add_argument("--epochs", type=int, default=30, help="of the training")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--result", type=Path, default=RESULT, help="where the figures go")
    options = parser.parse_args()
    draw, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        os.environ["CONVSTAGE_CACHE"] = f"{place}/cache"
        chaos = Chaos(Path(place), options.epochs, draw)
        wanted, launches = {0: options.kills, 1: options.kills}, []
        while any(wanted.values()) and time.monotonic() - began < 60 * options.minutes:
            # A launch may end before all of its kills: what is left is planned anew.
            ranks = [rank for rank, number in wanted.items() for _ in range(number)]
            draw.shuffle(ranks)
            launches.append(chaos.killed(f"killed-{len(launches)}", ranks[: draw.randint(1, PER_LAUNCH)]))
            for kill in launches[-1]["kills"]:
                wanted[kill["rank"]] -= 1
            print(json.dumps({name: value for name, value in launches[-1].items() if name != "output"}), flush=True)
            shutil.rmtree(chaos.folder / f"runs/killed-{len(launches) - 1}", ignore_errors=True)
        stopped = [chaos.stopped(f"stopped-{rank}", rank) for rank in (0, 1)]
        abandoned = chaos.abandoned("abandoned")
    result = {
        "epochs": options.epochs,
        "seconds of a launch that nobody disturbs": round(chaos.seconds, 1),
        "kills": {str(rank): options.kills - left for rank, left in wanted.items()},
        "launches": launches,
        "stopped": stopped,
        "launcher killed": abandoned,
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    store(options.result, "two processes that train together, killed and stopped", result)
    print(table(result))
    everything = [*launches, *stopped, abandoned]
    if any(wanted.values()) or not all(one["held"] for one in everything):
        sys.exit(1)


def table(result: dict[str, Any]) -> str:
    """Return what was done and what came of it, as a Markdown table."""
    launches, kills = result["launches"], result["kills"]
    ends = [launch for launch in launches if launch["code"] == 0]
    others = [launch for launch in launches if launch["code"] != 0]
    stops = ", ".join(f"{stop['seconds']:.0f} s" for stop in result["stopped"])
    rows = [
        ("what was done", "what came of it"),
        ("---", "---"),
        (
            f"rank 0 killed {kills['0']} times, rank 1 {kills['1']} times, in {len(launches)} launches",
            f"{sum(launch['same'] for launch in ends)} of the {len(ends)} launches that finished have the identical "
            f"SHA-256; {len(others)} gave up; processes left behind: {sum(launch['orphans'] for launch in launches)}",
        ),
        ("a rank stopped (SIGSTOP)", f"the launch ended with an error after {stops}"),
        (
            "the launcher killed",
            f"its processes ended after {result['launcher killed']['seconds']:.0f} s; the run went on to the identical "
            "SHA-256"
            if result["launcher killed"]["same"]
            else "the run did not go on to the identical SHA-256",
        ),
    ]
    return "\n".join(f"| {left} | {right} |" for left, right in rows)


if __name__ == "__main__":
    main()

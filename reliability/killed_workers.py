"""Workers of a search that are killed at random moments: no trial is lost, none counts twice, the result is the same.

A search is made once without a fault. Then it is made again by several workers at once, each begun as a user begins
it, of which one after another is killed with SIGKILL and begun anew. Trials that draw at random do not depend on one
another: whatever was killed, the leaderboard and the winner's weights must be those of the search without a fault.

    python reliability/killed_workers.py [--rounds 5] [--workers 2] [--kills 6] [--storage URL] [--result FILE]

Without --storage the workers share a file of SQLite. With a server, give each round's study a data base of PostgreSQL:
--storage postgresql://USER@HOST/NAME.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", GOMP_SPINCOUNT="0")  # before torch is loaded

import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from killing import make_images, weights
from outcome import end, parser

FAMILY = "INPUT -> [CONV(4) -> RELU -> POOL?]*M -> FC(8) -> RELU -> CLASSIFIER"
FLAGS = ("-f", FAMILY, "-M", "1..2", "--patience", "1000", "--sampler", "random", "--pruner", "none", "--no-audit",
         "--no-report", "--threads", "1", "--batch-size", "5", "--save-every", "1e-9", "--heartbeat", "1")  # fmt: skip
#: Seconds that a worker takes to be there, and to train for: kills fall at any moment of both.
LONGEST = 12.0


@dataclass
class Tally:
    """What the rounds have come to."""

    kills: int = 0
    kills_in_trials: int = 0
    taken_up: int = 0
    trials: int = 0
    rounds: int = 0
    problems: list[str] = field(default_factory=list)


def worker(images: Path, out: Path, name: str, storage: str | None, flags: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Begin a worker as a user does."""
    shared = () if storage is None else ("--storage", storage)
    command = [sys.executable, "-m", "convstage", "search", str(images), *FLAGS, *flags, "-o", str(out), "-n", name]
    with open(out.parent / "workers.log", "ab") as log:
        return subprocess.Popen([*command, *shared], stdout=log, stderr=log)


def found(folder: Path) -> tuple[list[dict], str]:
    """Return the leaderboard without what the clock says, and the digest of the winner's weights."""
    from convstage import Run

    told = json.loads((folder / "leaderboard.json").read_text(encoding="utf-8"))
    own = ("seconds_per_epoch", "run", "machine")
    rows = [{key: value for key, value in row.items() if key not in own} for row in told["trials"]]
    return rows, weights(Run(folder / "best"))


def differing(rows: list[dict], expected: list[dict]) -> str:
    """Return the first trial that is not as it was without a kill, and what of it; or that all are."""
    known = {row["trial"]: row for row in rows}
    for row in expected:
        here = known.get(row["trial"], {})
        if other := {name: (here.get(name), value) for name, value in row.items() if here.get(name) != value}:
            return f"trial {row['trial']}, here and there: {other}"
    return "no trial, but the winner's weights, or more trials"


def told(log: Path, name: str) -> list[str]:
    """Return what workers have said of trials that they lost, of a round's log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    place = max((number for number, line in enumerate(lines) if name in line), default=0)
    return [line for line in lines[place:] if "worker" in line]


def running(folder: Path, name: str, storage: str | None) -> set[int]:
    """Return the processes that are training a trial now which may lose one more worker before it is given up."""
    from convstage import ConvstageError
    from convstage.search import Search
    from convstage.search.joining import chosen_study, own_file
    from convstage.search.storage import MOST_TRIES
    from convstage.search.worker import TRIES

    try:
        study = chosen_study(storage or own_file(Search(folder)), name)
    except ConvstageError:
        return set()
    trials = study.get_trials(deepcopy=False)
    return {trial.user_attrs["worker"]["pid"] for trial in trials
            if trial.state.name == "RUNNING" and "worker" in trial.user_attrs
            and len(trial.system_attrs.get(TRIES, ())) < MOST_TRIES - 1}  # fmt: skip


def wait_for_trial(folder: Path, name: str, storage: str | None, workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until one of the workers trains a trial, or all have ended."""
    while any(process.poll() is None for process in workers):
        if running(folder, name, storage) & {process.pid for process in workers if process.poll() is None}:
            return
        time.sleep(0.1)


def one_round(images: Path, out: Path, name: str, asked, flags: tuple[str, ...], random: Random, tally: Tally) -> None:
    """Make the search once more, and kill its workers meanwhile."""
    workers = [worker(images, out, name, asked.storage, flags) for _ in range(asked.workers)]
    left = asked.kills
    until = time.monotonic() + asked.patience
    while any(process.poll() is None for process in workers):
        if time.monotonic() > until:
            tally.problems.append(f"{name}: not done after {asked.patience:g} s")
            for process in workers:
                process.kill()
                process.wait()
            return
        if not left:
            time.sleep(0.2)
            continue
        # Every fourth falls at any moment: while a worker begins, joins, or evaluates the winner.
        if left % 4:
            wait_for_trial(out / name, name, asked.storage, workers)
            time.sleep(random.uniform(0, 2))
        else:
            time.sleep(random.uniform(0.2, LONGEST))
        alive = [place for place, process in enumerate(workers) if process.poll() is None]
        if alive:
            busy = running(out / name, name, asked.storage)
            idle = [place for place in alive if workers[place].pid not in busy]
            able = [place for place in alive if workers[place].pid in busy] or (idle if left % 4 == 0 else [])
            if not able:
                continue
            place = random.choice(able)
            in_trial = workers[place].pid in busy
            workers[place].send_signal(signal.SIGKILL)
            workers[place].wait()
            left -= 1
            tally.kills += 1
            tally.kills_in_trials += in_trial
            workers[place] = worker(images, out, name, asked.storage, flags)
    codes = [process.returncode for process in workers]
    if any(codes):
        said = (out.parent / "workers.log").read_text(encoding="utf-8", errors="replace")
        words = [line for line in said.splitlines() if line.startswith("convstage: ")]
        tally.problems.append(f"{name}: workers ended with {codes}: {words}")


def main() -> None:
    """Kill, and compare."""
    flags = parser(__file__, __doc__)
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--workers", type=int, default=2)
    flags.add_argument("--kills", type=int, default=6, help="in each round")
    flags.add_argument("--trials", type=int, default=8)
    flags.add_argument("--epochs", type=int, default=60)
    flags.add_argument("--patience", type=float, default=900, help="seconds that a round may take")
    flags.add_argument("--storage", help="a data base for all rounds; a file of SQLite for each without it")
    asked = flags.parse_args()
    began, random, tally = time.monotonic(), Random(asked.seed), Tally()
    given = ("-t", str(asked.trials), "-e", str(asked.epochs))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONVSTAGE_CACHE"] = f"{folder}/cache"
        images, out = make_images(Path(folder) / "images"), Path(folder) / "runs"
        whole = worker(images, out, "whole", None, given)
        if whole.wait():
            sys.exit((Path(folder) / "workers.log").read_text(encoding="utf-8", errors="replace"))
        expected = found(out / "whole")
        for number in range(asked.rounds):
            if time.monotonic() - began > asked.seconds:
                break
            name = f"round-{number}-{os.getpid()}"
            before = len(tally.problems)
            one_round(images, out, name, asked, given, random, tally)
            if len(tally.problems) > before:
                continue
            tally.rounds += 1
            rows, digest = found(out / name)
            tally.trials += len(rows)
            if (rows, digest) != expected:
                tally.problems.append(f"{name}: another result than without a kill: {differing(rows, expected[0])}")
                tally.problems.extend(told(Path(folder) / "workers.log", name))
            litter = [path.name for path in (out / name).rglob(".writing-*")]
            if litter:
                tally.problems.append(f"{name}: litter: {litter}")
        log = (Path(folder) / "workers.log").read_text(encoding="utf-8", errors="replace")
        tally.taken_up = log.count("its worker is gone; it is taken up again")
        if "Traceback" in log:
            tally.problems.append(f"a worker ended with a traceback:\n{log[log.index('Traceback') :][:2000]}")
    figures = {
        "rounds": tally.rounds,
        "kills": tally.kills,
        "kills within a trial": tally.kills_in_trials,
        "trials taken up again": tally.taken_up,
        "trials done": tally.trials,
        "storage": "SQLite" if asked.storage is None else asked.storage.partition("://")[0],
    }
    end(asked.result, "workers of a search killed at random moments", figures, tally.problems, began)


if __name__ == "__main__":
    main()

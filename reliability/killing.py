"""Trainings that are killed: each in a process of its own, forked from one that has everything imported.

A fork costs milliseconds where a new interpreter costs seconds, so that hundreds of kills take minutes.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from convstage import Run, RunError
from convstage.cli import main
from convstage.files import TEMPORARY, digest, read_tensors
from convstage.run import LAST, MODEL
from faults import STEPS, kill_at, steps_told

#: Settings of a training that saves after every step; what differs from one to the next.
COMMON = ("--epochs", "4", "--batch-size", "5", "--save-every", "1e-9", "--threads", "1", "--learning-rate", "0.01")
PLAIN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"
RICH = "INPUT -> [CONV(4) -> BN -> RELU -> POOL]*2 -> FC(8) -> RELU -> DROPOUT(0.3) -> CLASSIFIER"
KINDS = {
    "plain": ("-p", PLAIN, "--no-audit", "--no-report"),
    "average, dropout, sampling": ("-p", RICH, "--ema", "0.8", "--balance", "sampling", "--no-audit", "--no-report"),
    "shifts, smoothing, audit": ("-p", RICH, "--tta", "5", "--label-smoothing", "0.1", "--no-report"),
    "with a report": ("-p", PLAIN, "--epochs", "1"),
}


def make_images(folder: Path, counts: tuple[int, ...] = (14, 8), size: int = 12) -> Path:
    """Make ``folder/<class>/<number>.png``: noise with a bright block, further right for every next class."""
    random = np.random.default_rng(0)
    for place, count in enumerate(counts):
        (folder / str(place)).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 90, (size, size), dtype=np.uint8)
            pixels[3:6, 1 + 5 * place : 5 + 5 * place] += 150
            Image.fromarray(pixels).save(folder / str(place) / f"{number}.png")
    return folder


# ------------------------------------------------------------- processes


@dataclass
class Ended:
    """How a command has ended: by a signal, or with an exit code; what it said; how long it took."""

    killed: bool
    code: int
    said: str
    seconds: float


def command(
    *arguments: str, log: Path, fault: Callable[[str, Path], None] | None = None, after: float | None = None
) -> Ended:
    """Run ``convstage …`` in a fork of this process.

    Parameters
    ----------
    *arguments : str
        The command line.
    log : Path
        Where its output goes.
    fault : callable, optional
        Told the steps of every write, see `faults.steps_told`; may kill its own process.
    after : float, optional
        Kill it after so many seconds.
    """
    began = time.monotonic()
    child = os.fork()
    if not child:
        _child(arguments, log, fault)
    if after is not None:
        _wait(child, began + after)
        os.kill(child, signal.SIGKILL)  # it has not been waited for, so that its number is still its own
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    code = 128 + os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)
    return Ended(killed, code, log.read_text(encoding="utf-8", errors="replace"), time.monotonic() - began)


def _wait(child: int, until: float) -> None:
    """Wait until a process has ended, or for so long."""
    while (left := until - time.monotonic()) > 0:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(min(left, 0.002))


def _child(arguments: tuple[str, ...], log: Path, fault: Callable[[str, Path], None] | None) -> None:
    """Run the command line, and end the process as its own would end."""
    code = 1
    try:
        sys.argv = ["convstage", *arguments]
        # A buffer of one line: what was said before a kill is there.
        with open(log, "w", 1, encoding="utf-8") as file, redirect_stdout(file), redirect_stderr(file):
            try:
                with steps_told(fault or (lambda *_: None)):
                    main()
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 0
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(code)


# ------------------------------------------------------------- what must hold


def weights(run: Run) -> dict[str, str]:
    """Return the SHA-256 of the best weights, and of everything in the checkpoint."""
    return {name: digest(read_tensors(run.path / name)[0]) for name in (MODEL, LAST)}


def result(run: Run) -> dict[str, object]:
    """Return all that an interruption must not change."""
    history = [{name: value for name, value in row.items() if name != "images_per_second"} for row in run.history]
    metrics = {name: value for name, value in run.metrics.items() if name != "data"}
    files = sorted(path.name for path in run.path.iterdir())
    return {**weights(run), "history": history, "predictions": run.predictions, "metrics": metrics, "files": files}


def unreadable(run: Run) -> str:
    """Return why a run folder cannot be read after a kill; nothing when all that is there is whole."""
    try:
        if not run.is_begun:
            return ""
        _ = Run.open(run.path).config, run.split, run.audit, run.shortcut, run.calibration, run.read_last()
        for name, read in {
            MODEL: run.read_model,
            "history.csv": lambda: run.history,
            "predictions.csv": lambda: run.predictions,
            "metrics.json": lambda: run.metrics,
        }.items():
            if (run.path / name).exists():
                read()
        if run.report is not None and not run.report.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            return "half a report"
    except RunError as error:
        return str(error)
    return ""


def litter(folder: Path) -> list[str]:
    """Return the temporary files below a folder."""
    return [str(path) for path in folder.rglob(f"{TEMPORARY}*")]


@dataclass
class Tally:
    """What many kills have shown.

    Attributes
    ----------
    kills, in_save, before_begin : int
        Processes that were killed: all, within a write, before there was a run to resume.
    by_step : dict of str to int
        Kills within a write, by its step.
    finished : int
        Trainings that were compared with their uninterrupted twin.
    problems : list of str
        What did not hold.
    """

    kills: int = 0
    in_save: int = 0
    before_begin: int = 0
    by_step: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    finished: int = 0
    problems: list[str] = field(default_factory=list)


class Kind:
    """A kind of training, with the result of an uninterrupted one and how long it took."""

    def __init__(self, name: str, images: Path, folder: Path) -> None:
        self.name, self.folder = name, folder
        folder.mkdir()
        self.images, self.log = images, folder / "log"
        self.settings = (*COMMON, *KINDS[name], "-o", str(folder / "runs"))
        self.writes = 0

        def counted(step: str, _path: Path) -> None:
            self.writes += step == STEPS[0]

        # The first warms what is imported late and the caches, here, so that the forks have it.
        with steps_told(counted):
            self.whole = self._train_here()
        self.seconds = self.train("--name", "timed").seconds
        self.expected = result(self.whole)

    def _train_here(self) -> Run:
        before = sys.argv
        sys.argv = ["convstage", "train", str(self.images), *self.settings, "--name", "whole"]
        said = io.StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                main()
        except SystemExit as ended:
            if ended.code:
                raise RuntimeError(f"the uninterrupted training: {said.getvalue()}") from None
        finally:
            sys.argv = before
        return Run(self.folder / "runs/whole")

    def train(self, *more: str, fault: Callable[[str, Path], None] | None = None, after: float | None = None) -> Ended:
        return command("train", str(self.images), *self.settings, *more, log=self.log, fault=fault, after=after)

    def resume(self, run: Run, fault: Callable[[str, Path], None] | None = None, after: float | None = None) -> Ended:
        return command("train", "--resume", str(run.path), log=self.log, fault=fault, after=after)

    # ------------------------------------------------------------- one training, killed again and again

    def kill_one(self, tally: Tally, random: Random, kills: int, share_in_save: float) -> None:
        """Train, killed up to `kills` times, then to the end; compare."""
        run: Run | None = None
        before = set((self.folder / "runs").iterdir())
        for turn in range(kills + 1):
            fault, after, step = None, None, ""
            if turn < kills:
                if random.random() < share_in_save:
                    step = STEPS[tally.in_save % len(STEPS)]
                    fault = kill_at(random.randrange(max(1, self.writes // (1 + turn))), step)
                else:
                    after = random.uniform(0, self.seconds / (1 + turn / 2))
            ended = self.train(fault=fault, after=after) if run is None else self.resume(run, fault, after)
            made = set((self.folder / "runs").iterdir()) - before
            before |= made
            if made:
                run = Run(made.pop())
            if not ended.killed:
                break
            tally.kills += 1
            if step:
                tally.in_save += 1
                tally.by_step[step] += 1
            if run is not None and (problem := unreadable(run)):
                tally.problems.append(f"{self.name}: after a kill, {problem}")
            if run is not None and not run.is_begun:
                tally.before_begin += 1
                self._refused(run, tally)
                run = None
        self._compare(run, ended, tally)

    def _refused(self, run: Run, tally: Tally) -> None:
        """Check what is said of a folder that was cut off before there was anything to resume."""
        ended = self.resume(run)
        is_clear = (
            "was cut off before training began" in ended.said and "start anew: convstage train" in ended.said
        ) or ("is no run folder" in ended.said and not [*run.path.iterdir()])
        if ended.code != 2 or not is_clear:
            tally.problems.append(f"{self.name}: resumed before it had begun, it says {ended.said!r}")

    def _compare(self, run: Run | None, ended: Ended, tally: Tally) -> None:
        if run is None or ended.code:
            tally.problems.append(f"{self.name}: ended with {ended.code}, {ended.said[-2000:]}")
            return
        tally.finished += 1
        if left := litter(run.path):
            tally.problems.append(f"{self.name}: litter stays, {left}")
        found = result(run)
        for part, value in self.expected.items():
            if found[part] != value:
                tally.problems.append(f"{self.name}: other {part} than without interruption: {run.path}")


__all__ = ["KINDS", "Ended", "Kind", "Tally", "command", "litter", "make_images", "result", "unreadable", "weights"]

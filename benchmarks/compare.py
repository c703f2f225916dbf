"""One network: all sides checked against convstage, then timed in turns."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from frameworks import OURS, TASKS, Side
from networks import NETWORKS, draw, store
from processes import Process, SideError

#: About as many seconds of work has a side in each round.
TURN = 1.0
#: Largest difference of a logit, and of a loss in the first steps, as a share of convstage's own.
#: The losses may differ more: Keras adds AdamW's epsilon before the correction of the means.
SAME_LOGITS, SAME_LOSSES = 1e-4, 1e-2
#: A round in which others take more of the machine than this is measured again, as often as there are rounds.
DISTURBED = 0.05
#: The first steps may well raise the loss: so many turns of two steps has a side after the rounds to get below it.
PATIENCE = 20
#: Training steps of the processes whose memory is measured.
MEMORY_STEPS = 12
#: A side that does not train is taken to need as much memory, in MB.
UNMEASURED = 1500
#: Sides that work in turns may need so much of the machine's memory together; inference comes on top of training.
SHARE, MARGIN = 0.75, 1.25


class Comparison:
    """The measurement of one network.

    Attributes
    ----------
    versions : dict
        Side -> what computes -> its version.
    failed : dict
        Sides that did not start, with the last that they said.
    disturbed : dict
        Task -> rounds that count although other programs were at work.
    """

    def __init__(
        self, name: str, sides: Sequence[Side], folder: Path, tcmalloc: str | None, say: Callable[[str], None]
    ) -> None:
        self.name = name
        self.network = NETWORKS[name]
        self.sides = {side.name: side for side in sides}
        self.tcmalloc = tcmalloc
        self.say = say
        self.versions: dict[str, dict[str, str]] = {}
        self.failed: dict[str, str] = {}
        self.disturbed = dict.fromkeys(TASKS, 0)
        self.file = folder / f"{name}.npz"
        store(draw(self.network), self.file)

    def measure(self, rounds: int) -> dict:
        """Return memory, agreement, times and ratios of all sides, ready for JSON."""
        peaks = self.memory()
        result: dict = {
            "pattern": self.network.pattern,
            "image": self.network.image,
            "classes": self.network.classes,
            "batch": self.network.batch,
            "flops_per_image": {task: self.network.flops(task) for task in TASKS[:2]},
            "peak_mb": peaks,
            "agreement": {},
        }
        figures: dict[str, dict[str, list[float]]] = {task: {} for task in TASKS}
        ratios: dict[str, dict[str, list[float]]] = {task: {} for task in TASKS}
        for group in self._groups(peaks):
            with ExitStack() as stack:
                processes = {name: stack.enter_context(self._start(side)) for name, side in group.items()}
                result["agreement"] |= self._check(processes)
                for task in TASKS:
                    ready = {name: p for name, p in processes.items() if task in p.side.tasks}
                    if list(ready) == [OURS] and len(self.sides) > 1:
                        continue  # there is nothing to compare in this group
                    measured = self._rounds(ready, task, rounds)
                    for name, values in measured.items():
                        figures[task].setdefault(name, []).extend(values)
                        if name != OURS:
                            pairs = zip(measured[OURS], values, strict=True)
                            # How many times as fast convstage is: images per second, or the time of one.
                            ratios[task][name] = [b / a if task == "latency" else a / b for a, b in pairs]
                    if task == "train":
                        self._check_falls(ready, result["agreement"])
        result["disturbed_rounds"] = self.disturbed
        for task in TASKS:
            result[task] = {name: _summary(values, 4) for name, values in figures[task].items()}
            result[f"{task} ratio"] = {name: _summary(values, 3) for name, values in ratios[task].items()}
        return result

    def _start(self, side: Side) -> Process:
        process = Process(side, [self.name, str(self.file)], self.tcmalloc)
        self.versions[side.name] = process.versions
        return process

    def memory(self) -> dict[str, int]:
        """Return the most memory that each side's process holds when all it does is train; drop those that fail."""
        peaks = {}
        for side in list(self.sides.values()):
            try:
                with self._start(side) as process:
                    task = side.tasks[0]
                    told = process.ask(task, MEMORY_STEPS - 1 if task == "train" else 1)
            except SideError as error:
                if side.name == OURS:
                    raise
                self.failed[side.name] = str(error)
                self.say(f"left out: {self.name}: {error}")
                del self.sides[side.name]
                continue
            if task == "train":
                peaks[side.name] = told["peak_mb"]
                self.say(f"{self.name}: {side.name}: {told['peak_mb']:,} MB at most in {MEMORY_STEPS} training steps")
        return peaks

    def _groups(self, peaks: dict[str, int]) -> Iterator[dict[str, Side]]:
        """Yield sides that fit the memory together, convstage among them each time."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
        group, needed = {OURS: self.sides[OURS]}, peaks[OURS] * MARGIN
        for name, side in self.sides.items():
            need = peaks.get(name, UNMEASURED) * MARGIN
            if name != OURS and len(group) > 1 and needed + need > SHARE * memory:
                yield group
                group, needed = {OURS: self.sides[OURS]}, peaks[OURS] * MARGIN
            if name != OURS:
                group[name] = side
                needed += need
        yield group

    def _check(self, processes: dict[str, Process]) -> dict[str, dict]:
        """Return how far the sides' logits and first losses are from convstage's; refuse what is not the same."""
        logits = {name: np.array(process.ask("output", 1)["logits"]) for name, process in processes.items()}
        trained = {name: process for name, process in processes.items() if "train" in process.side.tasks}
        losses = {name: np.array(process.ask("train", 3)["losses"]) for name, process in trained.items()}
        agreement: dict[str, dict] = {}
        for name in processes:
            # As a share of the largest: every logit is a sum of terms of about that size.
            off = float(np.abs(logits[name] - logits[OURS]).max() / np.abs(logits[OURS]).max())
            agreement[name] = {"logits_differ_by": float(f"{off:.1e}")}
            if not off <= SAME_LOGITS:
                raise SystemExit(
                    f"{self.name}: the logits of {name} differ from convstage's by {off:.1e} of the largest."
                )
        for name, values in losses.items():
            off = float(np.abs(values / losses[OURS] - 1).max())
            agreement[name] |= {"losses_differ_by": float(f"{off:.1e}"), "first_losses": [round(v, 5) for v in values]}
            if not off <= SAME_LOSSES:
                raise SystemExit(f"{self.name}: {name} does not train as convstage: {values}, {losses[OURS]}.")
        return agreement

    def _check_falls(self, processes: dict[str, Process], agreement: dict[str, dict]) -> None:
        for name, process in processes.items():
            first = agreement[name]["first_losses"][0]
            for _ in range(PATIENCE):
                last = process.ask("train", 1)["losses"][-1]
                if last < first:
                    break
            else:
                raise SystemExit(f"{self.name}: the loss of {name} did not fall: {first} at first, {last} at last.")
            agreement[name]["last_loss"] = round(last, 5)

    def _rounds(self, processes: dict[str, Process], task: str, rounds: int) -> dict[str, list[float]]:
        """Return images per second of every round, or the milliseconds of one image."""
        calls = {}
        for name, process in processes.items():
            process.ask(task, 1)  # what is compiled at first use is compiled
            calls[name] = max(1, round(TURN / process.ask(task, 1)["seconds"]))
        measured: dict[str, list[float]] = {name: [] for name in processes}
        repeats = rounds
        done = 0
        while done < rounds:
            told = {name: process.ask(task, calls[name]) for name, process in processes.items()}
            disturbed = max(told, key=lambda name: told[name]["others"])
            others = told[disturbed]["others"]
            if others > DISTURBED and repeats:
                repeats -= 1
                self.say(f"{self.name} {task}: other programs took {others:.0%} of the machine from {disturbed}; again")
                continue
            done += 1
            self.disturbed[task] += others > DISTURBED
            for name, answer in told.items():
                seconds = answer["seconds"]
                value = 1000 * seconds if task == "latency" else self.network.batch * calls[name] / seconds
                measured[name].append(value)
            shown = ", ".join(f"{name} {values[-1]:,.4g}" for name, values in measured.items())
            self.say(f"{self.name} {task}, round {done} of {rounds}: {shown}")
        return measured


def _summary(values: list[float], digits: int) -> dict:
    """Return median, extremes and all values, to as many significant digits."""

    def cut(value: float) -> float:
        return float(f"{value:.{digits}g}")

    return {
        "median": cut(median(values)),
        "min": cut(min(values)),
        "max": cut(max(values)),
        "rounds": [cut(value) for value in values],
    }

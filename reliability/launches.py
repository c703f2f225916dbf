"""Launches of several processes, as ``torchrun`` makes them, whose processes can be found, killed and counted.

Every process of a launch inherits a mark in its environment: that is how orphans are found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image

MARK = "CONVSTAGE_LAUNCH_MARK"
#: A network that is trained in seconds, with layers that look beyond one image and that draw at random.
PATTERN = "INPUT -> CONV(4) -> BN -> RELU -> POOL -> FC(8) -> RELU -> DROPOUT(0.3) -> CLASSIFIER"
#: Seconds that processes may take to be gone after their launcher.
GRACE = 10.0


class Launch:
    """One call of ``torchrun … -m convstage …``, running.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``convstage``.
    folder : Path
        Where it runs; its output goes to ``<mark>.log`` there.
    processes, restarts : int
        Processes, and how often all are started anew when one has failed.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, processes: int = 2, restarts: int = 0) -> None:
        self.mark = uuid4().hex
        self.log = folder / f"{self.mark}.log"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command += [f"--max-restarts={restarts}", "-m", "convstage", *arguments]
        known = {MARK: self.mark, "OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=os.environ | known, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        """What all processes have printed so far."""
        return self.log.read_text(errors="replace")

    def workers(self) -> dict[int, int]:
        """Return the process number of every rank that runs now."""
        return {int(found["RANK"]): number for number, found in marked(self.mark).items() if "RANK" in found}

    def kill(self, rank: int, number: int = signal.SIGKILL) -> bool:
        """Send a rank a signal; return whether it was there."""
        worker = self.workers().get(rank)
        if worker is None:
            return False
        try:
            os.kill(worker, number)
        except ProcessLookupError:
            return False
        return True

    def wait_for(self, text: str, limit: float = 60.0) -> None:
        """Wait until something was printed."""
        end = time.monotonic() + limit
        while text not in self.output:
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"never printed {text!r}:\n{self.output}")
            time.sleep(0.05)

    def wait(self, limit: float) -> int:
        """Wait for the end, and return the launcher's exit code."""
        return self.process.wait(limit)

    def orphans(self) -> dict[int, dict[str, str]]:
        """Return the processes that are still there some seconds after the launcher's end."""
        end = time.monotonic() + GRACE
        while (found := marked(self.mark)) and time.monotonic() < end:
            time.sleep(0.2)
        return found

    def end(self) -> None:
        """Kill whatever is left of it."""
        self.process.kill()
        self.process.wait()
        for number in marked(self.mark):
            os.kill(number, signal.SIGKILL)


def marked(mark: str) -> dict[int, dict[str, str]]:
    """Return the environment of every process with a mark, by its number; of those that have ended, none."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                content = (folder / "environ").read_bytes().decode(errors="replace")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # another user's, or it has just ended
            known = dict(entry.partition("=")[::2] for entry in content.split("\0"))
            if known.get(MARK) == mark and state != "Z":
                found[int(folder.name)] = known
    return found


def make_images(folder: Path, count: int = 60, size: int = 16) -> Path:
    """Make two classes of noise with a block, further right in the second; the first has twice the images."""
    random = np.random.default_rng(0)
    for label, share in (("a", 2 / 3), ("b", 1 / 3)):
        (folder / label).mkdir(parents=True)
        for number in range(round(count * share)):
            pixels = random.integers(0, 90, (size, size), dtype=np.uint8)
            left = 1 if label == "a" else size // 2
            pixels[size // 4 : size // 2, left : left + size // 3] += 150
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def digest_of(run: Path) -> str:
    """Return the SHA-256 of a run's kept weights and of where its training stands."""
    from convstage.files import digest, read_tensors

    return digest({}, {name: digest(read_tensors(run / f"{name}.safetensors")[0]) for name in ("model", "last")})

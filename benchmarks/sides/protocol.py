"""What all sides have in common: lines in on stdin, a line of JSON out for each.

    python -m sides.torch NETWORK SHARED.npz [VARIANT]

After ``{"versions": …}``, which says that it is ready, a side answers

    train N      N training steps: their seconds, and the loss before each
    infer N      N batches: their seconds
    latency N    N single images, each timed for itself: the median in seconds
    output 1     the logits of the batch

and with each the most memory that it has held so far, in MB. Seconds are measured here,
so that waking a side costs nothing, and every turn begins with a call that is not timed:
when the clock starts, the caches and the threads are the side's own.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

import numpy as np

from networks import NETWORKS, Network, Shared, read

THREADS = os.cpu_count() or 1


class Side(Protocol):
    """A network in one framework, with the shared weights; every call returns when its work is done.

    Sides that only infer have no `train`, and those that are not asked for it no `latency`.
    """

    #: What computes -> its version.
    versions: dict[str, str]

    def train(self) -> float:
        """Do one training step on the batch; return the loss before it."""

    def infer(self) -> np.ndarray | Any:
        """Compute the logits of the batch; return them as the framework has them."""

    def latency(self) -> object:
        """Compute the logits of one image."""


def serve(make: Callable[[Network, Shared, str], Side]) -> None:
    """Make the side that the command line names, and answer what is asked."""
    # What frameworks print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    name, path, *variant = sys.argv[1:]
    side = make(NETWORKS[name], read(path), *variant or [""])

    def answer(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    answer(versions=side.versions)
    for line in sys.stdin:
        task, calls = line.split()
        if task == "output":
            answer(logits=np.asarray(side.infer()).tolist())
            continue
        told = _timed(getattr(side, task), int(calls), each=task == "latency")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        answer(**told, peak_mb=peak)


def _timed(call: Callable[[], Any], calls: int, each: bool) -> dict[str, object]:
    results = [call()]
    seconds = []
    began = time.perf_counter()
    for _ in range(calls):
        start = time.perf_counter()
        results.append(call())
        seconds.append(time.perf_counter() - start)
    whole = time.perf_counter() - began
    losses = [value for value in results if isinstance(value, float)]
    return {"seconds": median(seconds) if each else whole, "losses": losses}

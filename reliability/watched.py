"""Cases in processes of their own that may neither crash, print, take long, nor fill the memory.

What a case says of itself comes back as an `Outcome`; what it does to its process is seen from outside.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

#: Seconds of the processor's time, and bytes of memory (of the whole process), that a case may take.
SECONDS, MEMORY = 5.0, 1 << 30
#: A process that is still at one case after so many times the seconds, on the clock of a busy machine, hangs: it is
#: ended.
PATIENCE = 24
#: Bytes that a process may ask for above what it has: enough to see that a case takes too many.
ROOM = 4 << 30
#: How often a hanging process is looked for.
LOOK = 0.5

#: From a case's number to what became of it in words: "" for accepted, else the reason; and an error, if there is one.
Task = Callable[[int], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case.

    Attributes
    ----------
    number : int
        Of the case.
    reason : str
        Why it was refused; "" when it was accepted.
    failure : str
        What must not have happened; "" when nothing did.
    seconds : float
        Of the processor's time.
    memory : int
        Largest memory of the process so far, bytes.
    """

    number: int
    reason: str
    failure: str
    seconds: float = 0.0
    memory: int = 0


def watch(task: Task, numbers: Sequence[int], processes: int = 2) -> Iterator[Outcome]:
    """Yield the outcome of every case, in no particular order.

    Parameters
    ----------
    task : callable
        Picklable; returns reason and failure. What it raises is a failure.
    numbers : sequence of int
        The cases.
    processes : int
        How many work at once; each has its share of the cases.
    """
    context = multiprocessing.get_context("spawn")
    workers = [_Worker(context, task, list(numbers[start::processes])) for start in range(min(processes, len(numbers)))]
    while workers:
        for ready in wait([worker.pipe for worker in workers], LOOK):
            worker = next(worker for worker in workers if worker.pipe is ready)
            try:
                yield worker.pipe.recv()
                worker.left.pop(0)
            except EOFError:
                yield from worker.after_its_end()
        for worker in workers:
            worker.end_if_it_hangs()
        workers = [worker for worker in workers if not worker.done]


class _Worker:
    """A process and the cases that it still has to do."""

    def __init__(self, context: Any, task: Task, numbers: list[int]) -> None:
        self.context, self.task, self.left = context, task, numbers
        self.done = self.hangs = False
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = self.context.Pipe(duplex=False)
        self.since = self.context.Value("d", time.monotonic() + 60)  # it takes a while to start
        self.process = self.context.Process(target=_work, args=(theirs, self.since, self.task, self.left))
        self.process.start()
        theirs.close()
        self.hangs = False

    def end_if_it_hangs(self) -> None:
        if time.monotonic() - self.since.value > PATIENCE * SECONDS:
            self.hangs = True
            self.process.kill()

    def after_its_end(self) -> Iterator[Outcome]:
        """Blame the case that the process has died of, and go on behind it."""
        self.process.join()
        self.pipe.close()
        if not self.left:
            self.done = True
            return
        if self.process.exitcode != 0:  # with 0 it has ended itself, to begin with little memory again
            what = f"hangs for {PATIENCE * SECONDS:g} s" if self.hangs else f"ends with {self.process.exitcode}"
            yield Outcome(self.left.pop(0), "", f"the process {what}")
        if self.left:
            self._start()
        else:
            self.done = True


def _work(pipe: Connection, since: Synchronized[float], task: Task, numbers: list[int]) -> None:
    """Do the cases, one after the other, in a process of its own."""
    with open("/proc/self/statm") as file:
        virtual = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + ROOM, virtual + ROOM))
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        for number in numbers:
            since.value, start = time.monotonic(), time.process_time()
            try:
                reason, failure = task(number)
            except Exception as error:  # whatever it is, it must not have come out
                reason, failure = "", f"{type(error).__name__}: {error}"
            seconds = time.process_time() - start
            memory = _largest_memory()
            if seconds > SECONDS:
                failure = failure or f"takes {seconds:.1f} s"
            if memory > MEMORY:
                failure = failure or f"takes {memory / 2**20:,.0f} MiB"
            if os.fstat(printed.fileno()).st_size:
                failure = failure or "prints: " + os.pread(printed.fileno(), 300, 0).decode(errors="replace")
                os.ftruncate(printed.fileno(), 0)
                os.lseek(printed.fileno(), 0, os.SEEK_SET)
            pipe.send(Outcome(number, reason, failure, seconds, memory))
            if memory > MEMORY:
                break
    since.value = time.monotonic() + 60
    pipe.close()


def _largest_memory() -> int:
    """Return the most memory that this process has had, in bytes; getrusage would count its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

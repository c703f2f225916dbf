"""A side's process: it works when it is asked, and stands still while others work."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from frameworks import Side

HERE = Path(__file__).parent
#: Units of the system's clock in a second.
TICKS = os.sysconf("SC_CLK_TCK")


class SideError(RuntimeError):
    """A side ended before it had answered; the last that it said."""


class Process:
    """The process of a side, for one network.

    Between its turns it is stopped with SIGSTOP, all its threads and children with it:
    a pool of threads that waits for work by spinning costs the others nothing.
    """

    def __init__(self, side: Side, arguments: Sequence[str], tcmalloc: str | None) -> None:
        self.side = side
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(side.python), "-m", f"sides.{side.module}", *arguments, *filter(None, [side.variant])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=HERE,
            env=os.environ | side.variables(tcmalloc),
            # A group of its own, to be stopped as one. When this program dies, however it
            # does, the system ends a stopped group that has lost its parent.
            process_group=0,
        )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def ask(self, task: str, calls: int) -> dict[str, Any]:
        """Let it do a number of calls; return what it says of them.

        With it comes ``others``: the share of the machine's processor time that went to
        other processes, or to other machines on the same host, meanwhile.
        """
        assert self.process.stdin is not None
        machine, own = machine_seconds(), self._seconds()
        self._signal(signal.SIGCONT)
        try:
            self.process.stdin.write(f"{task} {calls}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer is missing, too, and says why
        answer = self._answer()
        others = machine_seconds()[0] - machine[0] - (self._seconds() - own)
        whole = machine_seconds()[1] - machine[1]
        return answer | {"others": max(0.0, others / whole) if whole else 0.0}

    def _seconds(self) -> float:
        """Return the processor time that the process has used, 0 where the system has no /proc."""
        path = Path(f"/proc/{self.process.pid}/stat")
        if not path.exists():
            return 0.0
        # The name, in parentheses, may hold anything; user and system time are 12 and 13 after it.
        user, system = path.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise SideError(
                f"{self.side.name} ended with {self.process.wait()}: {said[-1] if said else 'nothing said'}"
            )
        self._signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended; its answer will be missing
            os.killpg(self.process.pid, number)

    def close(self) -> None:
        """End it, and what it has started."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def machine_seconds() -> tuple[float, float]:
    """Return the processor time of all cores since the start: used, and used or idle; zeros without /proc."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0, 0.0
    user, nice, system, idle, waiting, *interrupts = map(int, path.read_text().split("\n", 1)[0].split()[1:9])
    used = user + nice + system + sum(interrupts)  # the last of them: what the host gave to others
    return used / TICKS, (used + idle + waiting) / TICKS

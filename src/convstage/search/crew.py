"""Several workers on one machine: processes that join the search in its folder, and end with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunError
from ..stopping import stop_signals
from ..terminal import bar, console
from .folder import Search
from .setup import TRIALS
from .storage import HEARTBEAT
from .worker import best_words, counted

if TYPE_CHECKING:
    from optuna import Study

#: The address of the data base for processes, which a list of processes does not show: it may hold a password.
STORAGE = "CONVSTAGE_STORAGE"
#: Seconds between two looks at the processes.
LOOK = 0.5


@dataclass(frozen=True)
class Crew:
    """Workers of one machine.

    Attributes
    ----------
    search : Search
        The folder; what they say goes to ``worker-1.log`` and so on in it.
    study : Study
    url : str
        The address of the data base, with its password.
    workers, threads : int
        How many processes, and the threads of each.
    timeout : float or None
        Seconds after which they begin no trial.
    heartbeat : int
        Seconds between two signs of life of each.
    """

    search: Search
    study: Study
    url: str
    workers: int
    threads: int
    timeout: float | None = None
    heartbeat: int = HEARTBEAT

    def work(self) -> bool:
        """Let them work until all trials are done; return whether they are.

        Raises
        ------
        TrainingStopped
            Somebody wants it to stop; the workers have saved their trials, which wait.
        RunError
            All of them have ended before their time.
        """
        told = f"{self.workers} workers, {self.threads} thread{'' if self.threads == 1 else 's'} each"
        console.print(f"{told}; what they say is in {self.search.path}/worker-*.log", highlight=False, markup=False)
        with stop_signals() as stop, bar("trials") as progress:
            task = progress.add_task("Searching", total=int(self.study.user_attrs[TRIALS]), note="")
            processes = [self._begin(number) for number in range(1, self.workers + 1)]
            gone: set[int] = set()
            try:
                while any(process.poll() is None for process in processes):
                    if stop.signal:
                        raise self.search.stopped(stop.signal)
                    self._tell_of_ends(processes, gone)
                    states = counted(self.study)
                    done = sum(states.values()) - states["running"] - states["waiting"]
                    progress.update(task, completed=done, note=best_words(self.study))
                    time.sleep(LOOK)
            finally:
                self._end(processes)
            if stop.signal:
                raise self.search.stopped(stop.signal)
        self._tell_of_ends(processes, gone)
        if all(process.returncode for process in processes):
            raise RunError(
                f"all workers have ended before the search was done.\n{self._last_words(1)}\n"
                f"Go on with: convstage search --resume {self.search.path}"
            )
        return not counted(self.study)["running"]

    def _begin(self, number: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "convstage.search.hand", str(self.search.path), "--threads", str(self.threads),
            "--parent", str(os.getpid()), "--heartbeat", str(self.heartbeat),
            *([] if self.timeout is None else ["--timeout", str(self.timeout)]),
        ]  # fmt: skip
        environment = os.environ | {STORAGE: self.url, "OMP_NUM_THREADS": str(self.threads)}
        with open(self._log(number), "ab") as log:
            # In a session of its own: Ctrl-C comes to this process alone, which tells each worker once.
            return subprocess.Popen(  # noqa: S603  # our own module
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def _tell_of_ends(self, processes: Sequence[subprocess.Popen[bytes]], gone: set[int]) -> None:
        for number, process in enumerate(processes, 1):
            if process.poll() and number not in gone:
                gone.add(number)
                how = _ending(process.returncode)
                told = f"worker {number} has ended early ({how}); the others take up its trial"
                console.print(told, highlight=False, markup=False)

    def _end(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Tell all that are left to stop, and wait until they have saved."""
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()

    def _log(self, number: int) -> Path:
        return self.search.path / f"worker-{number}.log"

    def _last_words(self, number: int) -> str:
        """Return the end of what a worker has said."""
        lines = self._log(number).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "\n".join(f"  {line}" for line in lines[-5:])


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        return f"signal {-code}"

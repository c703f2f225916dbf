"""Ctrl-C and SIGTERM as a wish to stop, so that training can finish its step and save first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from .errors import TrainingStopped


@dataclass
class Stop:
    """Set when somebody wants the work to stop.

    Attributes
    ----------
    signal : int
        The signal's number, 0 as long as there was none.
    """

    signal: int = 0

    def check(self, run: Path) -> None:
        """Raise `TrainingStopped` if somebody does; `run` must have been saved."""
        if self.signal:
            raise TrainingStopped(run, self.signal)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Catch SIGINT and SIGTERM meanwhile; the second one has its usual effect.

    Only the main thread can catch signals: elsewhere nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        stop.signal = number
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()

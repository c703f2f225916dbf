"""Every process of a launch shows that it is alive, and leaves when another one is not.

A collective operation waits for all processes. When one of them was killed, its connections
break and the others' operation fails at once. When it was stopped, or its machine vanished,
nothing breaks: the others would wait until the operation's own limit, which must be long,
because a slow disk is no reason to give up (pytorch#17113: surviving ranks wait for ever).
So every process counts up a number in the launch's store, from a thread of its own, and
looks at the number of the next one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

#: Seconds between signs of life.
BEAT = 1.0
#: So many looks at a number that has not changed, and its process is given up.
SILENCE = 15
#: Exit code of a process that leaves because of another one.
LEFT = 1


class Watch(threading.Thread):
    """The thread that shows one process's life and watches the next one's.

    Looks are counted, not seconds: who was itself stopped for a while, as all are when a
    machine sleeps, must not take that for the others' silence.

    Parameters
    ----------
    store : Store
        A connection to the launch's store that nobody else uses: waiting blocks it.
    rank, size : int
        Which process of how many this one is.
    over : str
        Key that is set when the launch is over, because a process has met an error that another start does not mend.
    parent : int or None
        The launcher's process; when it is gone, this one saves and leaves, and is no orphan.
    """

    def __init__(self, store: Store, rank: int, size: int, over: str, parent: int | None) -> None:
        super().__init__(name="convstage-watch", daemon=True)
        self.store, self.rank, self.size, self.over, self.parent = store, rank, size, over, parent
        self.ended = threading.Event()
        self.silent = 0
        self.heard = -1
        self.leaving = 0

    def run(self) -> None:
        while not self.ended.wait(BEAT):
            try:
                self._look()
            except RuntimeError:  # the store's errors are
                self._save_and_leave("the launcher cannot be reached any more")

    def stop(self) -> None:
        """End the thread, before the launch itself ends."""
        self.ended.set()
        self.join(2 * BEAT)

    def _look(self) -> None:
        if self.parent is not None and os.getppid() != self.parent:
            self._save_and_leave("the launcher is gone")
            return
        self.store.add(f"alive/{self.rank}", 1)
        if self.store.check([self.over]):
            _leave("", 2)  # it was said where it happened
        following = (self.rank + 1) % self.size
        if following == self.rank:
            return
        number = self.store.add(f"alive/{following}", 0)
        self.silent = self.silent + 1 if number == self.heard else 0
        self.heard = number
        if self.silent >= SILENCE and not self.ended.is_set():
            seconds = round(SILENCE * BEAT)
            _leave(f"rank {following} of {self.size} has shown no life for {seconds} s; rank {self.rank} leaves.", LEFT)

    def _save_and_leave(self, reason: str) -> None:
        """Ask this process to stop as SIGTERM does; if it does not, end it."""
        self.leaving += 1
        if self.leaving == 1:
            print(f"convstage: {reason}; rank {self.rank} stops.", file=sys.stderr, flush=True)  # noqa: T201
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.leaving > SILENCE:
            _leave("", LEFT)


def _leave(message: str, code: int) -> None:
    # The main thread may be waiting within a library, where no exception reaches it.
    if message:
        os.write(2, f"convstage: {message}\n".encode())
    os._exit(code)

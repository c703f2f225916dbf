"""How the processes of a launch find one another, part, and remember over restarts what they train.

``torchrun`` starts the processes, and starts all of them anew when one has failed
(``--max-restarts``). Its own store of keys and values outlives them. What is kept there:
the run that this launch has begun, which a restart goes on with, and whether the launch
is over.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from ..errors import ConvstageError, DataError, RunError, TrainingError, TrainingStopped, WriteError
from ..terminal import console
from .place import Place, find_place
from .watch import BEAT, Watch
from .world import ALONE, World

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

T = TypeVar("T")

#: Seconds until all processes of a launch must have started.
START = 300.0
#: Seconds that a collective operation waits for processes that are alive.
PATIENCE = 600.0
#: Seconds between looks into the store.
LOOK = 0.1
#: Seconds that the process which offers the store waits for the others to leave.
FAREWELL = 10.0
_OVER = "over"


class LostError(TrainingError):
    """The other processes of a launch cannot be reached any more."""


class Launch:
    """A launch, as one of its processes sees it.

    Parameters
    ----------
    place : Place
        Which of its processes.
    number : int
        How many trainings this process has done before: a program may do several.

    Attributes
    ----------
    world : World
        The processes; they can speak to one another from `gather` on.
    run : str
        The run folder that is trained in, as soon as it is known.
    """

    run = "RUN"

    def __init__(self, place: Place, number: int) -> None:
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]

        self.place = place
        self.world = World(place.rank, place.size, place.local_rank, place.local_size)
        self._connect: Callable[[], Store] = lambda: PrefixStore(f"convstage/{place.launch}/{number}", _store(place))
        self.store = self._connect()
        self._round: Store | None = None
        self._watch: Watch | None = None

    @property
    def begun(self) -> str | None:
        """The run folder that an earlier start of this launch has begun; only the leading process asks."""
        return self._read("run")

    def remember(self, run: str) -> None:
        """Keep which run folder this launch has begun."""
        self.store.set("run", run)

    @property
    def over(self) -> str | None:
        """Why another start would change nothing; None when it may."""
        return self._read(_OVER)

    def begin(self) -> None:
        """Agree with the other processes on this start of the launch, and watch them from then on."""
        from torch.distributed import PrefixStore  # type: ignore[attr-defined]

        name = self._agree()
        self._round = PrefixStore(name, self.store)
        parent = os.getppid() if self.place.launch else None
        self._watch = Watch(PrefixStore(name, self._connect()), self.place.rank, self.place.size, _OVER, parent)
        self._watch.start()

    def gather(self) -> None:
        """Connect all processes, when the leading one is prepared; returns when all are there."""
        from torch import distributed

        assert self._round is not None
        if self.world.leads:
            self._round.set("prepared", "")
        else:
            self._wait("prepared")
        if self.world.alone:
            return
        distributed.init_process_group(
            "gloo",
            store=self._round,
            rank=self.place.rank,
            world_size=self.place.size,
            timeout=timedelta(seconds=PATIENCE),
        )

    def part(self) -> None:
        """Leave together: nobody does before the leading process is done."""
        from torch import distributed

        assert self._round is not None and self._watch is not None
        if self.world.leads:
            self._round.set("done", "")
        else:
            self._wait("done")
        self._watch.stop()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        self._bid_farewell()

    def end(self, reason: str) -> None:
        """Tell all processes, and those of another start, that the launch is over."""
        assert self._round is not None
        with suppress(RuntimeError):  # who cannot be told is not there
            self.store.set(_OVER, reason)
            self._round.set(_OVER, reason)

    def leave(self) -> None:
        """Stop watching; connections end with the process."""
        if self._watch is not None:
            self._watch.stop()

    def _bid_farewell(self) -> None:
        """See to it that the store, where this process offers it, is there until the others need it no more."""
        assert self._round is not None
        if not self.world.leads:
            with suppress(RuntimeError):
                self._round.set(f"left/{self.place.rank}", "")
        elif self.place.serves:
            names = [f"left/{rank}" for rank in range(1, self.place.size)]
            with suppress(RuntimeError):
                _until(lambda: self._round is not None and self._round.check(names), FAREWELL)

    def _agree(self) -> str:
        """Return a name for this start that every process has.

        The store may hold keys of an earlier start, whose processes are gone. So the leading
        process draws a name and answers those that greet it under this name; who gets no
        answer has greeted one that is gone, and looks again.
        """
        me, rank, store = uuid4().hex, self.place.rank, self.store
        missing = f"rank {rank} of {self.place.size}: not all processes have started within {START:.0f} s."
        if rank == 0:
            store.set("start", me)
            others = range(1, self.place.size)
            greetings = [f"{me}/hello/{other}" for other in others]
            if greetings:
                if not _until(lambda: store.check(greetings), START):
                    raise LostError(missing)
                for other, greeting in zip(others, greetings, strict=True):
                    store.set(f"{me}/welcome/{other}", store.get(greeting).decode())
            return me

        def welcomed() -> str | None:
            if not store.check(["start"]):
                return None
            name = store.get("start").decode()
            store.set(f"{name}/hello/{rank}", me)
            answer = f"{name}/welcome/{rank}"
            return name if store.check([answer]) and store.get(answer).decode() == me else None

        name = _until(welcomed, START)
        if name is None:
            raise LostError(missing)
        return name

    def _wait(self, key: str) -> None:
        """Wait for the leading process, as long as it takes: the watch ends this one when that one is gone."""
        assert self._round is not None
        while not self._round.check([key]):
            time.sleep(LOOK)

    def _read(self, key: str) -> str | None:
        return self.store.get(key).decode() if self.store.check([key]) else None


_trainings = 0


@contextmanager
def launched() -> Iterator[Launch | None]:
    """Take part in the launch that started this process; None when it was started on its own.

    Only the leading process's messages are shown. An error of our own ends all processes; what
    they all run into is said once.

    Raises
    ------
    LostError
        Another process is gone.
    SystemExit
        The leading process has said why.
    """
    place = find_place()
    if place is None or (place.size == 1 and not place.launch):
        yield None
        return
    global _trainings
    _trainings += 1
    quiet, console.quiet = console.quiet, place.rank != 0
    launch = None
    try:
        launch = _entered(place)
        yield launch
        launch.part()
    except (LostError, TrainingStopped) as error:
        raise _said_once(error, place) from None
    except ConvstageError as error:
        if launch is not None:
            launch.end(str(error))
        raise _said_once(error, place) from None
    except RuntimeError as error:
        if not _is_connection(error):
            raise
        if launch is not None and launch.over is not None:
            raise SystemExit(2) from None
        raise _lost(place, error, "RUN" if launch is None else launch.run) from None
    finally:
        if launch is not None:
            launch.leave()
        console.quiet = quiet


def world_of(launch: Launch | None) -> World:
    """Return the processes of a launch; without one, a process on its own."""
    return ALONE if launch is None else launch.world


def _entered(place: Place) -> Launch:
    launch = Launch(place, _trainings)
    if (reason := launch.over) is not None:
        if place.rank == 0:
            told = f"convstage: not started again, for nothing would change: {reason.splitlines()[0]}"
            print(told, file=sys.stderr)  # noqa: T201  # no error of this start
        raise SystemExit(2)
    launch.begin()
    return launch


def _said_once(error: ConvstageError, place: Place) -> BaseException:
    """Return what a process raises: who follows leaves an error that all have to the leading one, and leaves later."""
    if place.rank == 0 or isinstance(error, LostError):
        return error
    if isinstance(error, DataError | RunError):  # what only this process may have met
        return type(error)(f"rank {place.rank} of {place.size}: {error}")
    if isinstance(error, WriteError):
        return error
    time.sleep(2 * BEAT)  # when one process is gone, torchrun ends the others: the first must have said it
    return SystemExit(128 + error.signal if isinstance(error, TrainingStopped) else 2)


def _is_connection(error: RuntimeError) -> bool:
    from torch.distributed import DistError

    return isinstance(error, DistError) or "gloo" in str(error).lower()


def _lost(place: Place, error: RuntimeError, run: str) -> LostError:
    # The text begins with a place in gloo's source, and goes on with advice about other programs.
    reason = re.sub(r"^\[[^]]*gloo[^]]*\] ", "", str(error).splitlines()[0]).split(". ")[0][:200]
    return LostError(
        f"rank {place.rank} of {place.size} has lost the others: {reason}.\n"
        f"Go on with: torchrun … -m convstage train --resume {run}; torchrun --max-restarts=3 does so by itself."
    )


def _until(found: Callable[[], T], limit: float) -> T | None:
    """Ask until there is something, and return it; None when the seconds are over."""
    end = time.monotonic() + limit
    while True:
        if result := found():
            return result
        if time.monotonic() > end:
            return None
        time.sleep(LOOK)


def _store(place: Place) -> Store:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    return TCPStore(
        place.host,
        place.port,
        is_master=place.serves,
        timeout=timedelta(seconds=START),
        wait_for_workers=False,
        multi_tenant=True,
    )

"""The server's process: it is asked to stop, finishes what it had accepted, and ends in time."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from .connections import Connection

if TYPE_CHECKING:
    from .metrics import Readiness

#: Seconds after SIGTERM in which the server says that it is not ready, but still answers: balancers look away.
NOTICE = 1.0
#: Seconds after that for the requests that were accepted.
GRACE = 3
#: Seconds after the signal when the process ends, whatever a thread still computes.
DEADLINE = 4.7
#: Exit code when something that was accepted had to be given up; else it is 0.
CUT_OFF = 1
#: Seconds that an idle connection is kept.
IDLE = 5
#: Connections that may wait to be accepted.
BACKLOG = 512


class Server(uvicorn.Server):
    """An application's process, from start to stop.

    SIGTERM drops the readiness, and `NOTICE` later, or at once when it is Ctrl-C, no more connections
    are accepted. Requests that have arrived are answered. A second signal ends it at once.

    Parameters
    ----------
    app : ASGI application
        What answers.
    readiness : Readiness
        Dropped when a signal comes.
    started : callable
        Called when the first request can come.
    """

    def __init__(self, app: Any, readiness: Readiness, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                # uvloop where there is one: a fifth more answers of small images than with asyncio's own.
                loop="auto",
                http=Connection,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self.readiness = readiness
        self._started = started
        self._leave_at: float | None = None
        self._cut_off = False

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes; then return, or end the program with `CUT_OFF`."""
        super().run(sockets)
        if self._leave_at is None:
            return
        code = CUT_OFF if self._cut_off else 0
        # All is done, and taking torch apart would take longer than all of that.
        atexit.register(_leave, code)
        if code:
            sys.exit(code)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, accept connections, and say so."""
        await super().startup(sockets)
        if self.started and self._leave_at is None:
            self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to stop; the second time, stop."""
        if self._leave_at is not None:
            os._exit(128 + sig)
        self.readiness.down("stopping")
        # It would report every request that is given up, with a traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._leave_at = time.monotonic() + (NOTICE if sig == signal.SIGTERM else 0.0)
        # A thread that computes cannot be stopped, and Python would wait for it.
        timer = threading.Timer(DEADLINE, _give_up)
        timer.daemon = True
        timer.start()

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to leave."""
        leave = self._leave_at is not None and time.monotonic() >= self._leave_at
        return await super().on_tick(counter) or leave

    async def _wait_tasks_to_complete(self) -> None:
        try:
            await super()._wait_tasks_to_complete()
        except BaseException:  # the time is over
            # A request that has not even arrived was not accepted.
            self._cut_off = any(isinstance(one, Connection) and one.owes for one in self.server_state.connections)
            if self._cut_off:
                _say_so()
            raise

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Catch the signals meanwhile; unlike uvicorn's, they are not raised again: to be stopped is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            # A process that is about to end has nothing left to be asked for.
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if self._leave_at is not None else handler)


def _give_up() -> None:
    _say_so()
    _leave(CUT_OFF)


def _say_so() -> None:
    sys.stderr.write("convstage: stopped before everything was answered.\n")


def _leave(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

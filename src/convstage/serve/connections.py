"""Connections of a server that waits for nobody for ever: slow heads, slow bodies, clients that do not read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection is waited for, and how much it may send.

    Attributes
    ----------
    head_seconds : float
        Time for a request's line and headers, from its first byte; of a new connection, from its opening.
    body_seconds : float
        Time for a body, from the end of the head: also one that the application does not wait for any more.
    bytes_per_second : int
        A body that comes in at least as fast may take longer.
    reading_seconds : float
        Time in which a client must have read something of its answer.
    head_bytes : int
        Bytes of a request's line and headers.
    connections : int
        Connections at once.
    """

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    bytes_per_second: int = 16 * 1024
    reading_seconds: float = 20.0
    head_bytes: int = 16 * 1024
    connections: int = 512


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with an end to patience.

    uvicorn limits how long an idle connection is kept, but neither how long a request may take to
    arrive, nor the size of its head. A client that trickles in a request ties up a connection, and
    one that never reads its answer ties up the answer (Slowloris, and slow reading).
    """

    patience: ClassVar[Patience] = Patience()

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_head = True
        self._begun = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._body_began = 0.0

    @property
    def owes(self) -> bool:
        """Whether a request has arrived whole that has not been answered."""
        return self._busy() and not self.cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request; of too many connections the last is turned away."""
        super().connection_made(transport)
        if len(self.connections) > self.patience.connections:
            self._turn_away(503, "too many connections are open.\nTry again in a moment.", "Retry-After: 1\r\n")
            return
        self._wait(self.patience.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that grows too large is refused while it comes in."""
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
        super().data_received(data)
        # A head of which all came at once was measured when it was complete.
        if self._in_head and self._begun and self._head_bytes > self.patience.head_bytes:
            self._head_is_large()

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        super().on_message_begin()
        self._in_head = self._begun = True
        if self._timer is None:
            self._wait(self.patience.head_seconds, self._head_is_late)

    def on_headers_complete(self) -> None:
        """Hand a request over; from here on its body is waited for."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.patience.head_bytes:
            self._head_is_large()
            return
        self._in_head = False
        self._body_bytes = 0
        self._body_began = self.loop.time()
        super().on_headers_complete()
        self._wait(self.patience.body_seconds, self._body_is_late)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request has arrived."""
        self._in_head, self._begun, self._head_bytes = True, False, 0
        self._stop_waiting()
        if not self.transport.is_closing():
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.patience.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also when its client never reads what was sent last."""
        super().timeout_keep_alive_handler()
        self._stalled = self.loop.call_later(self.patience.reading_seconds, self.transport.abort)

    def _wait(self, seconds: float, late: Any) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self._busy():
            self._wait(self.patience.head_seconds, self._head_is_late)  # an earlier request is being answered
        elif self._begun:
            self._turn_away(408, "the request did not arrive in time.")
        else:
            self.transport.close()

    def _head_is_large(self) -> None:
        self._turn_away(431, f"the request's headers are larger than {self.patience.head_bytes} bytes.")

    def _body_is_late(self) -> None:
        allowed = self.patience.body_seconds + self._body_bytes / self.patience.bytes_per_second
        left = self._body_began + allowed - self.loop.time()
        if self.flow.read_paused:  # it is us who do not read
            self._wait(self.patience.body_seconds, self._body_is_late)
        elif left > 0.001:
            self._wait(left, self._body_is_late)
        elif self._busy() and not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._turn_away(408, "the request's body did not arrive in time.")
        else:
            self.transport.close()

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _turn_away(self, status: int, detail: str, more: str = "") -> None:
        """Answer with a problem, and close; the application knows nothing of it."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        title = HTTPStatus(status).phrase
        body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
        head = (
            f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nX-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
        )
        self.transport.write(f"{head}{body}".encode("ascii"))
        self.transport.close()

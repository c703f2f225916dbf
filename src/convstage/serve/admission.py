"""How many requests are worked on at once: the rest waits a moment, and is then refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .problems import Problem, busy, problem_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Requests that are worked on at once.
WORKED_ON = 48
#: Requests that may wait for their turn, and for how many seconds.
WAITING = 256
PATIENCE = 0.5
#: Requests whose body is still coming in, and bytes that all of them may have sent so far.
UPLOADS = 256
UPLOAD_BYTES = 256 * 2**20


class Admission:
    """Keeps the number of requests small that are worked on, so that nobody waits for all of them.

    What is too much waits for its turn, which costs nothing, and is refused when it does not come
    soon. An immediate refusal would be asked again at once, and answering only that would keep the
    server from its work.

    A request takes its turn when all of it has arrived, so that clients that send slowly, or never
    finish, take nobody's place. What they have sent so far is limited by its size. Requests without a
    body, such as the live check, neither wait nor are refused.

    Parameters
    ----------
    app : ASGI application
        What answers.
    most : int
        Requests that are worked on at once.
    waiting : int
        Requests that may wait for their turn.
    patience : float
        Seconds that they may wait.
    uploads, upload_bytes : int
        Requests whose body is still coming in, and bytes that all of them may have sent so far.
    retry_seconds : int
        When somebody who was refused may come again.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int = WORKED_ON,
        waiting: int = WAITING,
        patience: float = PATIENCE,
        uploads: int = UPLOADS,
        upload_bytes: int = UPLOAD_BYTES,
        retry_seconds: int = 1,
    ) -> None:
        self.app = app
        self.free = asyncio.Semaphore(most)
        self.may_wait = waiting
        self.patience = patience
        self.may_come = uploads
        self.bytes_left = upload_bytes
        self.retry_seconds = retry_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            first = await receive()
            if not first.get("more_body"):
                await self.turn()
        except Problem as problem:  # ours, or of the body's size, which is counted outside
            await _refuse(problem, scope, receive, send)
            return
        if first.get("more_body"):
            await self._upload(first, scope, receive, send)
            return
        try:
            await self.app(scope, _after(first, receive), send)
        finally:
            self.free.release()

    async def turn(self) -> None:
        """Wait for a turn; whoever has had it releases `free`.

        Raises
        ------
        Problem
            503: it does not come soon.
        """
        if self.free.locked():
            if not self.may_wait:
                raise busy(self.retry_seconds)
            self.may_wait -= 1
            try:
                async with asyncio.timeout(self.patience):
                    await self.free.acquire()
            except TimeoutError:
                raise busy(self.retry_seconds) from None
            finally:
                self.may_wait += 1
        else:
            await self.free.acquire()

    async def _upload(self, first: Message, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application read a body while it comes in; at its end it takes its turn."""
        if not self.may_come or self.bytes_left <= 0:
            problem = busy(self.retry_seconds)
            problem.headers["Connection"] = "close"  # nothing more of the body is read
            await _refuse(problem, scope, receive, send)
            return
        size, has_turn = len(first["body"]), False

        async def arriving() -> Message:
            nonlocal size, has_turn
            message = await receive()
            part = len(message.get("body", b""))
            size += part
            self.bytes_left -= part
            if self.bytes_left < 0:
                raise busy(self.retry_seconds)
            if not has_turn and message["type"] == "http.request" and not message.get("more_body"):
                await self.turn()
                has_turn = True
            return message

        self.may_come -= 1
        self.bytes_left -= size
        try:
            await self.app(scope, _after(first, arriving), send)
        finally:
            self.may_come += 1
            self.bytes_left += size
            if has_turn:
                self.free.release()


def _after(first: Message, receive: Receive) -> Receive:
    """Return what gives the message that has been received already, and then the others."""
    messages = [first]

    async def receive_on() -> Message:
        return messages.pop() if messages else await receive()

    return receive_on


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(scope["path"], problem.status, problem.detail, problem.headers)(scope, receive, send)

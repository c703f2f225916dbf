"""Connections that are not waited for for ever: each kind of slowness, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn

from convstage.serve.connections import Connection, Patience

HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Hurried(Connection):
    """Waits for a moment only."""

    patience = Patience(
        head_seconds=0.3, body_seconds=0.3, bytes_per_second=1_000_000, reading_seconds=0.3, connections=4
    )


@dataclass
class Echo:
    """An application that says how long a body was, or sends as much as it is asked for."""

    ends: list[str] = field(default_factory=list)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            return
        length, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.ends.append("gone")
                return
            length, more = length + len(message["body"]), message["more_body"]
        text = b"x" * 30_000_000 if scope["path"] == "/much" else b"%d" % length
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for start in range(0, len(text), 1_000_000):
            await send({"type": "http.response.body", "body": text[start : start + 1_000_000], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self.ends.append("answered")


@dataclass
class Running:
    """A server in a thread, and where it is."""

    app: Echo
    place: tuple[str, int]
    server: uvicorn.Server

    def connect(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=10)

    def said(self, sent: bytes) -> bytes:
        """Return everything that the server says on a new connection until it closes."""
        with self.connect() as client:
            client.sendall(sent)
            return read(client)


def read(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def problem(said: bytes) -> tuple[int, str]:
    """Return status and detail of an answer that is a problem."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"Connection: close" in head
    content = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d %s\r\n" % (content["status"], content["title"].encode()))
    return content["status"], content["detail"]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    app, listener = Echo(), socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=Hurried, ws="none", lifespan="off", log_config=None, log_level="critical", timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield Running(app, listener.getsockname(), server)
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_who_is_in_time_is_answered(running) -> None:
    with running.connect() as client:
        for length in (0, 5, 300_000):  # one connection, several requests
            client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % length + b"x" * length)
            said = client.recv(4096)
            while not said.endswith(b"%d" % length):
                said += client.recv(4096)
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_head_that_does_not_end(running) -> None:
    assert problem(running.said(HEAD)) == (408, "the request did not arrive in time.")


def test_a_connection_that_says_nothing(running) -> None:
    assert running.said(b"") == b""


def test_a_second_head_that_does_not_end(running) -> None:
    said = running.said(HEAD + b"Content-Length: 1\r\n\r\nx" + HEAD)
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert problem(said[said.index(b"HTTP/1.1 408") :])[0] == 408


def test_a_body_that_does_not_end(running) -> None:
    running.app.ends.clear()
    said = running.said(HEAD + b"Content-Length: 100\r\n\r\nhalf")
    assert problem(said) == (408, "the request's body did not arrive in time.")
    assert running.app.ends == ["gone"]


def test_a_body_that_trickles_in(running) -> None:
    with running.connect() as client:
        client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        client.settimeout(0.05)
        said = b""
        for _ in range(200):
            try:
                client.sendall(b"1\r\nx\r\n")
                said += client.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if said:
                break
    assert problem(said)[0] == 408


def test_a_body_that_nobody_reads_ends_the_connection(running) -> None:
    said = running.said(HEAD.replace(b"/", b"/unread", 1) + b"Content-Length: 100\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert said.endswith(b"0")


def test_a_client_that_does_not_read_its_answer(running) -> None:
    with running.connect() as client:
        client.sendall(HEAD.replace(b"/", b"/much", 1) + b"Content-Length: 0\r\n\r\n")
        threading.Event().wait(1.0)
        assert len(read(client)) < 30_000_000  # it was cut off


@pytest.mark.parametrize("at_once", [True, False])
def test_a_head_that_is_too_large(running, at_once: bool) -> None:
    head = HEAD + b"X-Long: " + b"x" * 20_000 + b"\r\n" * at_once * 2
    assert problem(running.said(head)) == (431, "the request's headers are larger than 16384 bytes.")


def test_of_too_many_connections_the_last_is_turned_away(running) -> None:
    others = [running.connect() for _ in range(4)]
    try:
        said = running.said(b"")
        assert b"Retry-After: 1\r\n" in said
        assert problem(said) == (503, "too many connections are open.\nTry again in a moment.")
    finally:
        for other in others:
            other.close()


def test_what_is_no_http(running) -> None:
    assert running.said(b"\x16\x03\x01 this is TLS\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_none_is_left_over(running) -> None:
    async def empty() -> None:
        while running.server.server_state.connections or running.server.server_state.tasks:
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(empty(), 10))

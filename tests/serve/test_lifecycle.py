"""A server's life, as processes: started, asked to stop, stopped, and what of the requests."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from convstage.serve.lifecycle import CUT_OFF

#: A server without a network: what is asked for is slept for, or computed in a thread that cannot be stopped.
SLEEPER = """
import asyncio, socket, time
from convstage.serve.lifecycle import Server
from convstage.serve.metrics import Readiness

readiness = Readiness()
readiness.up()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("drained", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    status = 200 if readiness.ready else 503
    if scope["path"] == "/compute":
        await asyncio.to_thread(time.sleep, 60)
    elif scope["path"] == "/sleep":
        print("sleeping", flush=True)
        await asyncio.sleep(1.5)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
Server(app, readiness, lambda: print("at 127.0.0.1:%d" % listener.getsockname()[1], flush=True)).run([listener])
"""
#: Longer than a server may take, on a machine that has other things to do.
LONG = 15
BODY = json.dumps({"indices": [0, 1]}).encode()


class Program:
    """A process that serves, and where."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, self.process.communicate(timeout=LONG)
        self.line, self.port = line, int(found[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=LONG)

    def get(self, path: str) -> tuple[int, bytes]:
        with self.connect() as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return answer(client)

    def until_it_listens_no_more(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                self.connect().close()
                time.sleep(0.02)

    def ends(self) -> tuple[int, str, str]:
        out, error = self.process.communicate(timeout=LONG)
        return self.process.returncode, out, error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Return status and body of an answer after which the connection is closed."""
    said = b""
    while part := client.recv(65536):
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head[9:12]), body


def asking(*headers: tuple[str, str]) -> bytes:
    """Return the head of a request for predictions."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    said = f"POST /api/predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n{more}\r\n"
    return said.encode()


@pytest.fixture
def sleeper() -> Iterator[Program]:
    with Program("-c", SLEEPER) as program:
        yield program


def test_a_run_is_served_and_what_was_accepted_is_answered_after_sigterm(trained) -> None:
    with Program("-m", "convstage", "serve", str(trained.path), "--port", "0") as program:
        assert program.line == f"{trained.path} at http://127.0.0.1:{program.port} (stop with Ctrl-C)\n"
        assert program.get("/health/live")[0] == program.get("/health/ready")[0] == 200
        assert b"convstage_requests_total" in program.get("/metrics")[1]
        children = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children")
        assert not children.exists() or children.read_text() == ""

        with program.connect() as under_way:
            under_way.sendall(asking(("Host", "localhost")) + BODY[:5])
            assert program.get("/health/ready")[0] == 200  # by now the server has seen the head

            program.process.send_signal(signal.SIGTERM)
            status, content = program.get("/health/ready")
            assert status == 503
            assert json.loads(content)["detail"] == "the server is stopping."
            program.until_it_listens_no_more()
            under_way.sendall(BODY[5:])
            status, content = answer(under_way)
        assert status == 200
        assert len(json.loads(content)["predictions"]) == 2
        assert program.ends() == (0, "", "")


def test_a_proxy_on_this_machine_may_say_that_it_was_asked_by_https(trained) -> None:
    page = ("Host", "lab.org"), ("Origin", "https://lab.org")
    with Program("-m", "convstage", "serve", str(trained.path), "--port", "0", "--allow-host", "lab.org") as program:
        for headers, status in (((*page, ("X-Forwarded-Proto", "https")), 200), (page, 403)):
            with program.connect() as client:
                client.sendall(asking(*headers, ("Connection", "close")) + BODY)
                assert answer(client)[0] == status


def test_ctrl_c_stops_it_at_once_and_is_no_failure(sleeper) -> None:
    sleeper.process.send_signal(signal.SIGINT)
    assert sleeper.ends() == (0, "drained\n", "")


def test_a_request_that_is_worked_on_is_answered(sleeper) -> None:
    with sleeper.connect() as client:
        client.sendall(b"GET /sleep HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sleeper.process.stdout.readline() == "sleeping\n"
        sleeper.process.send_signal(signal.SIGINT)
        assert answer(client)[0] == 200
    assert sleeper.ends() == (0, "drained\n", "")


def test_what_has_not_arrived_is_given_up(sleeper) -> None:
    with sleeper.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        assert sleeper.get("/")[0] == 200
        sleeper.process.send_signal(signal.SIGINT)
        assert sleeper.ends() == (0, "drained\n", "")


def test_a_thread_that_does_not_end_is_not_waited_for(sleeper) -> None:
    with sleeper.connect() as client:
        client.sendall(b"GET /compute HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sleeper.get("/")[0] == 200
        sleeper.process.send_signal(signal.SIGINT)
        code, _, error = sleeper.ends()
    assert code == CUT_OFF
    assert set(error.splitlines()) == {"convstage: stopped before everything was answered."}


def test_a_second_signal_ends_it_at_once(sleeper) -> None:
    sleeper.process.send_signal(signal.SIGTERM)
    while sleeper.get("/")[0] != 503:  # the first one has come
        time.sleep(0.01)
    sleeper.process.send_signal(signal.SIGTERM)
    assert sleeper.ends() == (128 + signal.SIGTERM, "", "")


def test_a_port_that_is_taken_is_said_before_anything_is_loaded(trained) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "convstage", "serve", str(trained.path), "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"convstage: port {port} of 127.0.0.1 is in use by another program.\n"
        "Choose another one with --port, or let --port 0 take a free one.\n"
    )

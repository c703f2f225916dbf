"""Clients of the server under load: as cheap as Python allows, for they share the machine with it.

python benchmarks/serve_clients.py PORT SECONDS      live checks from a process of their own, as JSON
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
#: Two probabilities that differ by no more are the same.
SAME = 1e-6


@dataclass
class Question:
    """An image as a request, and what the network says of it offline."""

    request: bytes
    offline: dict[str, float]
    #: Answers that were found right: most come again to the byte.
    right: set[bytes] = field(default_factory=set)

    def difference(self, body: bytes) -> float:
        """Return by how much an answer differs from what was computed offline."""
        if body in self.right:
            return 0.0
        (prediction,) = json.loads(body)["predictions"]
        said = prediction["probabilities"]
        if said.keys() != self.offline.keys():
            return float("inf")
        apart = max(abs(said[name] - self.offline[name]) for name in said)
        if apart == 0:
            self.right.add(body)
        return apart


@dataclass
class Tally:
    """What all clients of a scenario saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    lost: int = 0
    wrong: int = 0
    apart: float = 0.0
    took: float = 0.0

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "answered": sum(self.statuses.values()),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "lost": self.lost,
            "wrong": self.wrong,
            "largest difference": self.apart,
            "per second": round(self.statuses[200] / self.took, 1),
            **percentiles(self.seconds),
        }


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        f"p{share}": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 2) for share in (50, 99)
    }


def post(path: str, content: bytes, kind: str, **headers: str) -> bytes:
    """Return a request as bytes."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    host = "" if "Host" in headers else "Host: localhost\r\n"
    head = f"POST {path} HTTP/1.1\r\n{host}Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    return head.encode() + content


def upload(picture: bytes) -> bytes:
    """Return the request for the prediction of one picture."""
    return post("/api/predict", picture, "image/png")


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Return status and body of an answer, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.index(b"content-length: ") + 16
    body = await reader.readexactly(int(head[start : head.index(b"\r", start)]))
    return int(head[9:12]), body, b"connection: close" not in head


async def client(port: int, questions: list[Question], first: int, until: float, tally: Tally) -> None:
    """Ask one question after the other over one connection, until the time is over."""
    reader, writer = await asyncio.open_connection(HOST, port)
    number = first
    while time.perf_counter() < until:
        question = questions[number % len(questions)]
        number += 1
        tally.sent += 1
        began = time.perf_counter()
        try:
            writer.write(question.request)
            status, body, stays = await answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            tally.lost += 1
            stays = False
        else:
            tally.seconds.append(time.perf_counter() - began)
            tally.statuses[status] += 1
            if status == 200:
                apart = question.difference(body)
                tally.apart = max(tally.apart, apart)
                tally.wrong += apart > SAME
        if not stays:
            writer.close()
            reader, writer = await asyncio.open_connection(HOST, port)
    writer.close()


async def crowd(port: int, questions: list[Question], clients: int, seconds: float) -> Tally:
    """Return what so many clients saw at once."""
    tally, began = Tally(), time.perf_counter()
    step = max(1, len(questions) // clients)
    await asyncio.gather(*(client(port, questions, number * step, began + seconds, tally) for number in range(clients)))
    tally.took = time.perf_counter() - began
    return tally


async def slow(port: int, number: int, until: float) -> None:
    """Send a request byte by byte, its head or its body, and begin anew when the server has enough of it."""
    head = b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    if number % 2:
        head = post("/api/predict", b"", "application/json").replace(b"Content-Length: 0", b"Content-Length: 9999")
    while time.perf_counter() < until:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(head)
            while time.perf_counter() < until and not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await reader.read(4096)
            writer.close()


async def status_of(port: int, request: bytes) -> int:
    """Return the status of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        return (await answer(reader))[0]
    finally:
        writer.close()


async def live_checks(port: int, seconds: float) -> dict[str, Any]:
    """Return how long live checks took, twenty in a second, each on a connection of its own."""
    took, statuses, until = [], Counter(), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        statuses[
            await status_of(port, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        ] += 1
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)
    return {"checks": len(took), "statuses": dict(statuses), **percentiles(took)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(live_checks(int(sys.argv[1]), float(sys.argv[2])))))

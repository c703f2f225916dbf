"""How many are worked on at once; the slow ones take nobody else's place."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import pytest

from convstage.serve.admission import Admission
from convstage.serve.problems import Problem, problem_response


@dataclass
class Client:
    """One request: its messages, and what it is answered; None among the messages waits until it is told to go on."""

    messages: list[dict | None]
    sent: list[dict] = field(default_factory=list)
    method: str = "POST"

    def __post_init__(self) -> None:
        self.go_on = asyncio.Event()

    async def receive(self) -> dict:
        if self.messages[0] is None:
            await self.go_on.wait()
            self.messages.pop(0)
        return self.messages.pop(0)

    async def send(self, message: dict) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}


class Application:
    """Holds every request until it may go, and says what it read."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        body, more = b"", scope["method"] == "POST"
        try:
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
        except Problem as problem:  # as the real one answers it
            await problem_response("/", problem.status, problem.detail, problem.headers)(scope, receive, send)
            return
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def whole() -> Client:
    return Client([{"type": "http.request", "body": b"all", "more_body": False}])


def coming() -> Client:
    first, last = ({"type": "http.request", "body": part, "more_body": part == b"begin"} for part in (b"begin", b"end"))
    return Client([first, None, last])


async def come(admission: Admission, clients: list[Client]) -> list[asyncio.Task]:
    """Let the clients come, one after the other."""
    tasks = []
    for client in clients:
        scope = {"type": "http", "method": client.method, "path": "/api/predict"}
        tasks.append(asyncio.create_task(admission(scope, client.receive, client.send)))
    await asyncio.sleep(0.05)
    return tasks


def run(clients: list[Client], *, waiting: int = 0, patience: float = 20, **limits: int) -> None:
    """Let all clients come, those that send slowly finish, and then the application answer."""

    async def go() -> None:
        app = Application()
        admission = Admission(app, waiting=waiting, patience=patience, **limits)
        before = left(admission)
        tasks = await come(admission, clients)
        for client in clients:
            client.go_on.set()
        await asyncio.sleep(0.05)
        app.go.set()
        await asyncio.gather(*tasks)
        assert left(admission) == before

    asyncio.run(go())


def left(admission: Admission) -> tuple[int, int, int, int]:
    """Return what is free."""
    return admission.free._value, admission.may_wait, admission.may_come, admission.bytes_left


def test_beyond_the_limit_it_is_refused() -> None:
    clients = [whole() for _ in range(5)]
    run(clients, most=3)
    assert [client.status for client in clients] == [200, 200, 200, 503, 503]
    refused = clients[-1]
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert "connection" not in refused.headers
    assert json.loads(refused.sent[1]["body"])["detail"].startswith("the server has more to do than it can.")
    assert clients[0].sent[1]["body"] == b"all"


def test_what_waits_for_its_turn_is_answered_in_time() -> None:
    clients = [whole() for _ in range(6)]
    run(clients, most=2, waiting=3)
    assert [client.status for client in clients] == [200, 200, 200, 200, 200, 503]


def test_whose_turn_does_not_come_is_refused() -> None:
    clients = [whole() for _ in range(4)]
    run(clients, most=2, waiting=3, patience=0.01)
    assert [client.status for client in clients] == [200, 200, 503, 503]


def test_slow_bodies_take_nobody_elses_place() -> None:
    clients = [coming() for _ in range(9)] + [whole(), whole()]
    run(clients, most=2)
    assert [client.status for client in clients[-2:]] == [200, 200]
    assert {client.status for client in clients[:9]} == {503}  # when they were complete, all places were taken


def test_a_slow_body_takes_its_turn_when_it_is_complete() -> None:
    clients = [whole(), coming(), coming()]
    run(clients, most=2, waiting=1)
    assert [client.status for client in clients] == [200, 200, 200]
    assert clients[1].sent[1]["body"] == b"beginend"


def test_of_too_many_slow_bodies_the_last_is_refused() -> None:
    clients = [coming(), coming(), coming(), whole()]
    run(clients, uploads=2)
    assert [client.status for client in clients] == [200, 200, 503, 200]
    assert clients[2].headers["connection"] == "close"


def test_slow_bodies_may_be_so_large_together() -> None:
    clients = [coming(), coming(), coming(), whole()]
    run(clients, upload_bytes=10)  # two beginnings
    assert [client.status for client in clients] == [503, 200, 503, 200]  # the first one made room

    clients = [coming(), coming()]
    run(clients, upload_bytes=13)  # both beginnings, and one end
    assert sorted(client.status for client in clients) == [200, 503]


def test_what_has_no_body_is_never_refused() -> None:
    clients = [whole(), *(Client([], method="GET") for _ in range(9))]
    run(clients, most=1)
    assert {client.status for client in clients} == {200}


def test_a_body_that_is_too_large_is_said_so() -> None:
    client = whole()

    async def too_large() -> dict:
        raise Problem(413, "too large.")

    client.receive = too_large
    run([client])
    assert client.status == 413


def test_a_client_that_has_gone_takes_no_turn() -> None:
    first = {"type": "http.request", "body": b"a", "more_body": True}
    clients = [Client([first, {"type": "http.disconnect"}]), whole()]
    run(clients, most=1)
    assert clients[1].status == 200


@pytest.mark.parametrize("client", [whole, coming])
def test_after_an_error_the_place_is_free(client) -> None:
    async def broken(scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        raise RuntimeError("broken")

    async def go() -> None:
        admission = Admission(broken, most=1, waiting=0)
        before = left(admission)
        for _ in range(3):
            one = client()
            one.go_on.set()
            with pytest.raises(RuntimeError, match="broken"):
                await admission({"type": "http", "method": "POST", "path": "/"}, one.receive, one.send)
        assert left(admission) == before

    asyncio.run(go())

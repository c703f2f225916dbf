"""The gate alone: hosts, origins, sizes and times of bodies."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage.serve.limits import Limits
from convstage.serve.security import HEADERS, Guard, parse_host, parse_origin

SMALL = Limits(body_bytes=100, json_bytes=20, body_seconds=0.05)


async def echo(scope, receive, send):
    """Read the whole body and answer with its length."""
    total, more = 0, True
    while more:
        message = await receive()
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(total).encode()})


def ask(app, *, method="GET", headers=(), chunks=(b"",), scheme="http", slow=False):
    """Return status, headers, body, and how many chunks were taken."""
    sent: list[dict] = []
    taken = 0

    async def receive():
        nonlocal taken
        if slow and taken:
            await asyncio.sleep(60)
        chunk = chunks[taken]
        taken += 1
        return {"type": "http.request", "body": chunk, "more_body": taken < len(chunks)}

    async def send(message):
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": method, "path": "/api/x", "headers": pairs, "scheme": scheme}
    asyncio.run(app(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]), taken


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_its_own_names_are_answered(host):
    status, headers, _, _ = ask(Guard(echo), headers=[("Host", host)])
    assert status == 200
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "host", ["", "localhost:", "localhost:x", "local host", "a@localhost", "localhost/", "[::1", "localhost:8000,evil"]
)
def test_what_is_no_host_is_refused(host):
    status, headers, body, _ = ask(Guard(echo), headers=[("Host", host)])
    assert status in (400, 403)
    assert headers["x-frame-options"] == "DENY"
    assert json.loads(body)["instance"] == "/api/x"


@pytest.mark.parametrize("headers", [[], [("Host", "localhost"), ("Host", "localhost")]])
def test_there_is_one_host(headers):
    status, _, body, _ = ask(Guard(echo), headers=headers)
    assert status == 400
    assert "no Host, or more than one" in json.loads(body)["detail"]


def test_hosts_can_be_allowed():
    app = Guard(echo, ["localhost", "Lab.example"])
    assert ask(app, headers=[("Host", "lab.example:443")])[0] == 200
    assert ask(app, headers=[("Host", "other.example")])[0] == 403
    status, _, body, _ = ask(app, headers=[("Host", "127.0.0.1")])
    assert status == 403
    assert "--allow-host" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("host", "scheme", "origin", "allowed"),
    [
        ("localhost:8000", "http", "http://localhost:8000", True),
        ("localhost", "http", "http://localhost:80", True),
        ("localhost", "https", "https://localhost", True),
        ("[::1]:8000", "http", "http://[::1]:8000", True),
        ("localhost:8000", "http", "http://127.0.0.1:8000", False),
        ("localhost:8000", "http", "http://localhost", False),
        ("localhost:8000", "http", "https://localhost:8000", False),
        ("localhost:8000", "http", "null", False),
        ("localhost:8000", "http", "", False),
        ("localhost:8000", "http", "http://localhost:8000.evil.example", False),
        ("localhost:8000", "http", "http://localhost:8000/", False),
        ("localhost:8000", "http", "chrome-extension://abc", False),
    ],
)
def test_only_its_own_page_may_change_anything(host, scheme, origin, allowed):
    headers = [("Host", host), ("Origin", origin)]
    assert (ask(Guard(echo), method="POST", headers=headers, scheme=scheme)[0] == 200) is allowed
    assert ask(Guard(echo), method="GET", headers=headers, scheme=scheme)[0] == 200


def test_browsers_say_it_in_another_way_too():
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert ask(Guard(echo), method="POST", headers=[("Host", "localhost"), ("Sec-Fetch-Site", site)])[0] == status
    two = [("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://evil.example")]
    assert ask(Guard(echo), method="POST", headers=two)[0] == 403


@given(st.text(max_size=30))
def test_no_text_is_taken_for_its_own_name_by_mistake(text):
    for parsed in (parse_host(text, "http"), (parse_origin(text) or (None, None))[1]):
        if parsed is not None and parsed[0] in ("localhost", "127.0.0.1", "[::1]"):
            assert parsed[0] in text.lower()
    host = parse_host(text, "http")
    assert host is None or text.lower().startswith(host[0])


FORM, JSON = ("Content-Type", "multipart/form-data; boundary=x"), ("Content-Type", "application/json")
HOST = ("Host", "localhost")


@pytest.mark.parametrize(("kind", "most"), [(FORM, 100), (JSON, 20), (("Content-Type", "text/plain"), 20)])
def test_a_body_is_counted_as_it_comes(kind, most):
    app = Guard(echo, limits=SMALL)
    status, _, body, _ = ask(app, method="POST", headers=[HOST, kind], chunks=[b"x" * 10] * (most // 10))
    assert (status, body) == (200, str(most).encode())
    chunks = [b"x" * 10] * 1000
    status, headers, body, taken = ask(app, method="POST", headers=[HOST, kind], chunks=chunks)
    assert status == 413
    assert taken == most // 10 + 1, "nothing is read after the limit"
    assert f"may have {most} bytes" in json.loads(body)["detail"]
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_body_that_is_said_to_be_too_long_is_not_read_at_all():
    for length in ("101", "9" * 30):
        sent = [HOST, FORM, ("Content-Length", length)]
        status, _, _, taken = ask(Guard(echo, limits=SMALL), method="POST", headers=sent, chunks=[b"x"])
        assert (status, taken) == (413, 0)
    for lie in ("5", "-1", "x", "²"):
        sent = [HOST, FORM, ("Content-Length", lie)]
        assert ask(Guard(echo, limits=SMALL), method="POST", headers=sent, chunks=[b"x" * 200])[0] == 413


def test_a_body_that_does_not_come_is_given_up():
    status, headers, body, _ = ask(
        Guard(echo, limits=SMALL), method="POST", headers=[HOST, JSON], chunks=[b"{", b"}"], slow=True
    )
    assert status == 408
    assert "within 0.05 s" in json.loads(body)["detail"]
    assert headers["connection"] == "close"


def test_waiting_for_the_client_to_go_has_no_deadline():
    """What comes after the body is the end of the connection, and that may be far."""

    async def patient(scope, receive, send):
        await receive()
        await asyncio.wait_for(receive(), 0.2)

    async def receive():
        if taken:
            await asyncio.sleep(60)
        taken.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    taken: list[int] = []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(TimeoutError):
        asyncio.run(Guard(patient, limits=SMALL)(scope, receive, None))


def test_there_are_no_websockets():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(echo)({"type": "websocket", "headers": []}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]

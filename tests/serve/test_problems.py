"""Every kind of error becomes a problem for people, and tells nothing that is not theirs."""

import json

import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect

from convstage.errors import ConfigError, DataError, PatternError
from convstage.serve.problems import MEDIA_TYPE, Problem, answers, busy, install
from support.asking import client_of

RAISED = {
    "problem": Problem(418, "words", {"Retry-After": "3"}, more=1),
    "config": ConfigError("no such thing.\nTake another."),
    "data": DataError("<script>\ud800.png: damaged"),
    "pattern": PatternError("unknown layer.", "INPUT -> CONF", 9, 13, "Did you mean CONV?"),
    "caret": ConfigError("'x' is no number.\n  1 x\n    ^\nWrite rows."),
    "no-caret": ConfigError("odd.\nsecond\nthird"),
    "gone": ClientDisconnect(),
    "ours": RuntimeError("/secret/path and its contents"),
}


@pytest.fixture(scope="module")
def asking():
    app = FastAPI(openapi_url=None)
    install(app)

    @app.get("/{name}")
    async def fail(name: str):
        raise RAISED[name]

    with client_of(app) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "status", "detail", "more"),
    [
        ("problem", 418, "words", {"more": 1}),
        ("config", 422, "no such thing.\nTake another.", {}),
        ("data", 422, "<script>\ud800.png: damaged", {}),
        (
            "pattern",
            422,
            "unknown layer.",
            {"text": "INPUT -> CONF", "start": 9, "end": 13, "hint": "Did you mean CONV?"},
        ),
        ("caret", 422, "'x' is no number.", {"text": "1 x", "start": 2, "end": 3, "hint": "Write rows."}),
        ("no-caret", 422, "odd.\nsecond\nthird", {}),
        ("gone", 400, "the connection ended before the request did.", {}),
        ("ours", 500, "something went wrong here; the server's log says what.", {}),
    ],
)
def test_an_error_is_a_problem(asking, name, status, detail, more):
    answer = asking.get(f"/{name}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.content.isascii()
    problem = json.loads(answer.content)
    assert problem.pop("title")
    usual = {"type": "about:blank", "status": status, "detail": detail, "instance": f"/{name}"}
    assert problem == usual | more


def test_headers_of_a_problem_are_sent(asking):
    assert asking.get("/problem").headers["Retry-After"] == "3"
    assert busy(0.2).headers == {"Retry-After": "1"}
    assert busy(7).headers == {"Retry-After": "7"}


def test_no_such_address_is_a_problem(asking):
    for method, path, status in (("GET", "/a/b", 404), ("POST", "/problem", 405)):
        answer = asking.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)


def test_every_route_may_answer_so():
    assert set(answers()) == {400, 403, 500}
    assert answers(404)[404]["description"] == "There is no such thing."
    assert answers(_200={"description": "x"})[200] == {"description": "x"}


def test_a_lone_surrogate_in_a_request_is_no_accident(client):
    for path, body in (
        ("/api/plan", {"pattern": "INPUT -> \ud800"}),
        ("/api/filter", {"image": {"name": "nine"}, "kernel": "1 \ud800"}),
        ("/api/evidence", {"id": "\ud800", "method": "\ud800"}),
        ("/api/receipt", {"id": "0" * 32, "layer": "\ud800", "cell": [0]}),
        ("/api/walk", {"\ud800": 1}),
        ("/api/predict", {"indices": ["\ud800"]}),
    ):
        answer = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code in (404, 422), path
        assert json.loads(answer.content)["status"] == answer.status_code


def test_what_was_sent_is_repeated_in_short(client):
    answer = client.post("/api/plan", json={"x" * 100_000: 1, "pattern": 5})
    assert answer.status_code == 422
    assert len(answer.content) < 3000
    assert all(len(part) <= 200 for error in answer.json()["errors"] for part in error["loc"])


def test_clients_that_go_away_are_not_waited_for(client):
    """The application is told that the connection has ended while the body was coming in."""
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/plan", "headers": headers, "query_string": b""}
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("localhost", 80), "root_path": "", "client": None}
    client.portal.call(client.app, scope, receive, send)
    assert [message.get("status") for message in sent[:1]] in ([], [400])

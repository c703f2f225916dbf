"""Limits hold whatever is sent: sizes, depths, waiting, memory."""

import asyncio
import gc
import json
import threading
import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage.serve import make_app
from convstage.serve.limits import Limits
from convstage.serve.problems import Problem
from convstage.serve.routes.limited import check_depth
from support.asking import client_of

SMALL = Limits(body_bytes=50_000, json_bytes=3000, images=3, workers=1, waiting=1, walks=2, values_side=4, members=3)


@pytest.fixture(scope="module")
def small(trained):
    with client_of(make_app(trained, limits=SMALL)) as client:
        yield client


def test_every_limit_is_said_and_is_above_zero():
    for field in fields(Limits):
        assert f"{field.name}" in Limits.__doc__
        assert getattr(Limits(), field.name) > 0 or field.name == "fields"


def test_bodies(small, picture):
    assert small.post("/api/walk", files=[("image", ("a.png", picture))]).status_code == 200
    large = small.post("/api/walk", files=[("image", ("a.png", picture + b"x" * 60_000))])
    assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")
    assert "50,000 bytes" in large.json()["detail"]
    for path in ("/api/predict", "/api/walk", "/api/receipt", "/api/evidence", "/api/filter", "/api/plan"):
        answer = small.post(path, json={"x": "y" * 4000})
        assert answer.status_code == 413, path
        assert "3,000 bytes" in answer.json()["detail"]


def test_bodies_without_a_length(small):
    """Chunks without a Content-Length are counted as they come."""

    async def chunks(first):
        yield first
        for _ in range(100):
            yield b"x" * 1000

    sent = small.post("/api/plan", content=chunks(b""), headers={"Content-Type": "application/json"})
    assert "content-length" not in sent.request.headers
    assert sent.status_code == 413
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert small.post("/api/walk", content=chunks(head), headers=form).status_code == 413


def test_images_of_a_request(small, picture):
    files = [("images", (f"{number}.png", picture)) for number in range(4)]
    assert small.post("/api/predict", files=files[:3]).status_code == 200
    assert small.post("/api/predict", files=files).status_code == 400


def test_depth_of_json(client):
    for path in ("/api/predict", "/api/walk", "/api/receipt", "/api/evidence", "/api/filter", "/api/plan"):
        for body in (b"[" * 100_000, b"[" * 9 + b"]" * 9, b'{"a":' * 50_000, b'{"pixels": ' + b"[" * 8):
            answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, path
            assert "nests more than 8 deep" in answer.json()["detail"]


brackets = st.text(alphabet='[]{}"\\x', max_size=5)
nested = st.recursive(
    st.none() | brackets,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(brackets, inner, max_size=2),
)


@given(nested)
def test_depth_is_counted_as_a_reader_would(data):
    def depth(value):
        if isinstance(value, list | dict):
            inner = value.values() if isinstance(value, dict) else value
            return 1 + max(map(depth, inner), default=0)
        return 0

    body = json.dumps(data).encode()
    check_depth(body, replace(Limits(), json_depth=max(1, depth(data))))
    if depth(data) > 1:
        with pytest.raises(Problem):
            check_depth(body, replace(Limits(), json_depth=depth(data) - 1))


def test_values_at_once(small):
    known = small.post("/api/walk", json={"index": 0}).json()["id"]
    path = f"/api/walk/{known}/values/stage1.conv/0"
    assert small.get(path, params={"rows": "0:4", "columns": "0:4"}).status_code == 200
    assert "more than 4" in small.get(path, params={"rows": "0:5", "columns": "0:4"}).json()["detail"]


def test_members(small):
    asked = {"pattern": "INPUT -> [CONV]*N -> CLASSIFIER", "counts": {"N": "1..4"}}
    assert "at most 3 are listed" in small.post("/api/plan", json=asked).json()["detail"]


def test_walks_that_are_kept(small):
    ids = [small.post("/api/walk", json={"index": index}).json()["id"] for index in range(4)]
    found = [small.get(f"/api/walk/{one}/input.png").status_code for one in ids]
    assert found == [404, 404, 200, 200]


def test_heavy_work_that_waits(small):
    """One at work, one waits, the next is refused with a time to come again; live checks are answered meanwhile."""
    context, free = small.app.state.context, threading.Event()

    async def crowd():
        first = asyncio.create_task(context.work(free.wait, 30))
        while context.heavy.borrowed_tokens < 1:
            await asyncio.sleep(0.001)
        plan = {"pattern": "INPUT -> CLASSIFIER", "picture": False}
        second = asyncio.create_task(small.asynchronous.post("/api/plan", json=plan))
        while not context.heavy.statistics().tasks_waiting:
            await asyncio.sleep(0.001)
        third = await small.asynchronous.post("/api/plan", json=plan)
        live = await small.asynchronous.get("/health/live")
        predicted = await small.asynchronous.post("/api/predict", json={"indices": [0]})
        free.set()
        return await first, await second, third, live, predicted

    first, second, third, live, predicted = small.portal.call(crowd)
    assert first
    assert (second.status_code, third.status_code) == (200, 503)
    assert third.headers["Retry-After"] == "1"
    assert "Try again" in third.json()["detail"]
    assert (live.status_code, predicted.status_code) == (200, 200)


def test_predictions_that_wait(trained):
    with client_of(make_app(trained, limits=replace(Limits(), queue=2))) as client:
        batcher = client.app.state.batcher
        free, own = threading.Event(), batcher._probabilities

        def slowly(batch):
            free.wait(30)
            return own(batch)

        batcher._probabilities = slowly

        async def crowd():
            def ask():
                return asyncio.create_task(client.asynchronous.post("/api/predict", json={"indices": [0]}))

            accepted = [ask()]
            while batcher._work is None or batcher.queued:
                await asyncio.sleep(0.001)
            accepted += [ask(), ask()]
            while batcher.queued < 2:
                await asyncio.sleep(0.001)
            refused = await client.asynchronous.post("/api/predict", json={"indices": [0]})
            ready = await client.asynchronous.get("/health/ready")
            free.set()
            return [await one for one in accepted], refused, ready

        accepted, refused, ready = client.portal.call(crowd)
        assert [one.status_code for one in accepted] == [200, 200, 200], "what was accepted is answered"
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert ready.status_code == 503
        assert client.get("/health/ready").status_code == 200


def test_refused_requests_leave_nothing_behind(client):
    """A hundred refused bodies of a megabyte: what the process holds does not grow."""

    def refuse():
        headers = {"Content-Type": "application/json"}
        assert client.post("/api/plan", content=b"x" * 3 * 2**20, headers=headers).status_code == 413
        evil = headers | {"Host": "evil.example"}
        assert client.post("/api/plan", content=b"x" * 2**20, headers=evil).status_code == 403
        assert client.post("/api/walk", json={"index": 999}).status_code == 404

    for _ in range(5):
        refuse()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(34):
        refuse()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2**20


def test_a_large_image_is_made_smaller_before_it_is_filtered(trained):
    with client_of(make_app(trained, limits=replace(Limits(), filtered_pixels=100))) as client:
        known = client.post("/api/walk", json={"index": 0}).json()["id"]
        said = client.post("/api/filter", json={"image": {"id": known}, "kernel": "blur"}).json()
        assert said["image"]["shape"] == [10, 10]
        assert np.prod(said["map"]["shape"]) == 64

"""The server's numbers: counted by route, in Prometheus' format, without names that clients choose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from convstage.predict import load
from convstage.serve.batching import Batcher
from convstage.serve.metrics import Metrics, MetricsMiddleware, Readiness

Ask = Callable[[str, str], httpx.Response]


def broken() -> None:
    raise RuntimeError("broken")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def ask(metrics: Metrics) -> Ask:
    """Return what sends a request to a small application."""
    app = FastAPI()
    app.add_api_route("/item/{name}", lambda name: {"name": name})
    app.add_api_route("/broken", broken)
    app.add_middleware(MetricsMiddleware, metrics=metrics)

    async def send(method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path)

    return lambda method, path: asyncio.run(send(method, path))


def counts(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    """Return how many requests were counted, by route, method and status."""
    text, _ = metrics.render()
    family = next(one for one in text_string_to_metric_families(text.decode()) if one.name == "convstage_requests")
    return {
        (one.labels["route"], one.labels["method"], one.labels["status"]): one.value
        for one in family.samples
        if one.name == "convstage_requests_total"
    }


def test_requests_are_counted_by_template_method_and_status(ask, metrics) -> None:
    assert ask("GET", "/item/1").json() == {"name": "1"}
    ask("GET", "/item/<script>")
    ask("POST", "/item/1")
    ask("GET", "/broken")
    assert counts(metrics) == {
        ("/item/{name}", "GET", "200"): 2,
        ("/item/{name}", "POST", "405"): 1,
        ("/broken", "GET", "500"): 1,
    }
    assert metrics.registry.get_sample_value("convstage_request_seconds_count", {"route": "/item/{name}"}) == 3
    assert metrics.registry.get_sample_value("convstage_requests_in_progress") == 0


def test_what_clients_make_up_makes_no_new_series(ask, metrics) -> None:
    for number in range(5):
        ask("GET", f"/nothing/{number}")
        ask(f"MADE{number}", "/nothing")
    assert counts(metrics) == {("other", "GET", "404"): 5, ("other", "other", "404"): 5}
    assert b"nothing" not in metrics.render()[0]


def test_a_client_that_has_gone_is_counted(metrics) -> None:
    async def gone(scope, receive, send) -> None:
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/"}
    asyncio.run(MetricsMiddleware(gone, metrics)(scope, receive, None))
    assert counts(metrics) == {("other", "POST", "gone"): 1}


def test_what_is_no_request_is_not_counted(metrics) -> None:
    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope["type"])

    asyncio.run(MetricsMiddleware(app, metrics)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
    assert counts(metrics) == {}


def test_batches_queue_and_store_are_followed(trained, metrics) -> None:
    classifier = load(trained)
    batcher = Batcher(classifier, metrics=metrics)
    metrics.follow_store(lambda: 123)
    pixels = np.zeros((5, *classifier.plan.image), np.uint8)
    asyncio.run(batcher.predict_all(pixels))
    value = metrics.registry.get_sample_value
    assert value("convstage_images_predicted_total") == 5
    assert value("convstage_batch_images_sum") == 5
    assert value("convstage_batch_images_bucket", {"le": "4.0"}) == 0
    assert value("convstage_batch_seconds_count") == 1
    assert value("convstage_queue_images") == 0
    assert value("convstage_store_bytes") == 123


def test_the_text_is_what_prometheus_reads(metrics) -> None:
    text, kind = metrics.render()
    assert kind.startswith("text/plain; version=")
    families = {family.name: family.type for family in text_string_to_metric_families(text.decode())}
    assert families["convstage_requests"] == "counter"
    assert families["convstage_request_seconds"] == "histogram"
    assert families["convstage_queue_images"] == "gauge"
    assert "process_resident_memory_bytes" in families


def test_two_applications_have_numbers_of_their_own(metrics) -> None:
    other = Metrics()
    metrics.note_batch(3, 0.1)
    assert other.registry.get_sample_value("convstage_images_predicted_total") == 0


def test_readiness_says_why_not() -> None:
    readiness = Readiness()
    assert (readiness.ready, readiness.reason) == (False, "starting")
    readiness.up()
    assert (readiness.ready, readiness.reason) == (True, "")
    readiness.down("stopping")
    assert (readiness.ready, readiness.reason) == (False, "stopping")

"""What the server does, in numbers: for Prometheus, and for the answer to whether it is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Methods that are counted by name; others could be made up without end.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
#: Status of requests whose client had gone before an answer began.
GONE = "gone"
#: Limits of the histograms: seconds of a request and of a batch, images of a batch.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Readiness:
    """Whether requests should be sent here.

    Attributes
    ----------
    ready : bool
        False until the network is loaded, and again as soon as the server is asked to stop.
    reason : str
        Why not; empty when ready.

    Examples
    --------
    >>> readiness = Readiness()
    >>> readiness.ready, readiness.reason
    (False, 'starting')
    >>> readiness.up()
    >>> readiness.ready
    True
    """

    def __init__(self) -> None:
        self.reason = "starting"

    @property
    def ready(self) -> bool:
        return not self.reason

    def up(self) -> None:
        """From now on, requests are welcome."""
        self.reason = ""

    def down(self, reason: str) -> None:
        """From now on, they are not."""
        self.reason = reason


class Metrics:
    """The numbers of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        more: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "convstage_requests", "Requests by route, method and status.", ("route", "method", "status"), **more
        )
        self.seconds = Histogram(
            "convstage_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            **more,
        )
        self.in_progress = Gauge("convstage_requests_in_progress", "Requests that are being answered.", **more)
        self.images = Counter("convstage_images_predicted", "Images that were predicted.", **more)
        self.batch = Histogram("convstage_batch_images", "Images of a batch.", buckets=IMAGES, **more)
        self.batch_seconds = Histogram("convstage_batch_seconds", "Seconds of a batch.", buckets=SECONDS, **more)
        self.queue = Gauge("convstage_queue_images", "Images that wait for their prediction.", **more)
        self.store = Gauge("convstage_store_bytes", "Memory of the walks that are kept.", **more)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def follow_queue(self, images: Callable[[], int]) -> None:
        """Ask `images` how many wait, whenever the numbers are read."""
        self.queue.set_function(images)

    def follow_store(self, size: Callable[[], int]) -> None:
        """Ask `size` for the bytes of the walks that are kept, whenever the numbers are read."""
        self.store.set_function(size)

    def note_batch(self, images: int, seconds: float) -> None:
        """Count a batch that was predicted."""
        self.images.inc(images)
        self.batch.observe(images)
        self.batch_seconds.observe(seconds)

    def note_request(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests.labels(route, method if method in METHODS else OTHER, status).inc()
        self.seconds.labels(route).observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """Return all numbers in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class MetricsMiddleware:
    """Counts every request by the template of its route, never by its address, which clients choose.

    Parameters
    ----------
    app : ASGI application
        What answers.
    metrics : Metrics
        Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        began = time.perf_counter()
        self.metrics.in_progress.inc()
        try:
            await self.app(scope, receive, noting)
        except Exception:
            status = "500" if status == GONE else status
            raise
        finally:
            self.metrics.in_progress.dec()
            self.metrics.note_request(_route(scope), scope["method"], status, time.perf_counter() - began)


def _route(scope: Scope) -> str:
    """Return the template of the route that answered; all addresses without one count as one."""
    return str(getattr(scope.get("route"), "path", OTHER))

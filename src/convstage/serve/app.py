"""The application: routes, the gate before them, and what happens when it starts and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from ..predict import Classifier, load
from ..run import Run
from .admission import Admission
from .context import Context
from .limits import Limits
from .metrics import Metrics, MetricsMiddleware, Readiness
from .problems import ProblemBody, install
from .routes import ROUTERS
from .security import LOOPBACK, Guard

DESCRIPTION = """\
A trained convolutional network, every stage of it: predictions, feature maps, how any number came about, evidence,
filters at work, and the account of any layer pattern. Errors are problem details (RFC 9457)."""


class Explorer(FastAPI):
    """The application; the gate is around all of it, so that no answer leaves without its headers."""

    def __init__(self, context: Context, hosts: Sequence[str], **settings: Any) -> None:
        self.context = context
        self.hosts = tuple(hosts)
        super().__init__(**settings)
        self.state.context = context
        # Where those who run the server look for them.
        self.state.batcher, self.state.metrics = context.batcher, context.metrics
        self.state.readiness, self.state.classifier = context.readiness, context.classifier

    def build_middleware_stack(self) -> ASGIApp:
        guarded = Guard(Admission(super().build_middleware_stack()), self.hosts, self.context.limits)
        return MetricsMiddleware(guarded, self.context.metrics)

    def openapi(self) -> dict[str, Any]:
        if not self.openapi_schema:
            described = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            schemas = described.setdefault("components", {}).setdefault("schemas", {})
            schemas[ProblemBody.__name__] = ProblemBody.model_json_schema()
            self.openapi_schema = described
        return self.openapi_schema


def make_app(
    run: Run,
    *,
    limits: Limits | None = None,
    hosts: Sequence[str] = LOOPBACK,
    classifier: Classifier | None = None,
    metrics: Metrics | None = None,
    readiness: Readiness | None = None,
) -> FastAPI:
    """Return the explorer of a run as an ASGI application.

    Parameters
    ----------
    run : Run
        Whose network is shown.
    limits : Limits, optional
        How much of everything is taken.
    hosts : sequence of str
        Names that the server answers to; requests for others are refused.
    classifier : Classifier, optional
        The run's network, if it is loaded already.
    metrics : Metrics, optional
        Where requests are counted.
    readiness : Readiness, optional
        Is told when the application has started and when it stops.

    Returns
    -------
    FastAPI
        ``app.state`` has ``context``, ``batcher``, ``metrics``, ``readiness`` and ``classifier``.

    Raises
    ------
    RunError
        A damaged run folder, or one without a finished epoch.
    """
    context = Context.of(
        run, classifier or load(run), limits or Limits(), metrics or Metrics(), readiness or Readiness()
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001  # FastAPI gives it
        await context.work(context.warm_up)
        context.readiness.up()
        yield
        context.readiness.down("stopping")
        await context.batcher.drain()

    app = Explorer(
        context,
        hosts,
        title="convstage explorer",
        version=version("convstage"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        # Its pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the Host that was sent.
        redirect_slashes=False,
    )
    install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app

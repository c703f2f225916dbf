"""Whether the process runs, whether it should be asked, and its numbers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from ..context import Shared
from ..problems import Problem, answers

router = APIRouter(tags=["health"])

#: The description of an answer of text.
_TEXT: dict[str, Any] = {"description": "All numbers.", "content": {"text/plain": {"schema": {"type": "string"}}}}


class Health(BaseModel):
    """A process that runs, or is ready."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str


@router.get("/health/live", responses=answers())
async def live() -> Health:
    """Say that the process runs."""
    return Health(status="ok")


@router.get("/health/ready", responses=answers(503))
async def ready(context: Shared) -> Health:
    """Say whether requests should be sent here: not before the network is loaded, nor when too much waits."""
    if not context.readiness.ready:
        raise Problem(503, f"the server is {context.readiness.reason}.", {"Retry-After": "1"})
    if context.batcher.full:
        raise Problem(503, "as many images wait for their prediction as may.", {"Retry-After": "1"})
    return Health(status="ok")


@router.get("/metrics", responses=answers(_200=_TEXT), response_class=Response)
async def metrics(context: Shared) -> Response:
    """Return the server's numbers in the format of Prometheus."""
    content, kind = context.metrics.render()
    return Response(content, media_type=kind)

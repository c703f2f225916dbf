"""A client of an application in this process: its own event loop in a thread, the lifespan around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

#: As whom the tests ask, unless they say otherwise.
BASE = "http://localhost:8000"


class Client:
    """Sends requests to an application and waits for the answers; what the application raises is a 500."""

    def __init__(self, app: FastAPI, portal: BlockingPortal) -> None:
        self.app = app
        self.portal = portal
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.asynchronous = httpx.AsyncClient(transport=transport, base_url=BASE)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self.asynchronous.request(method, path, **more)

        return self.portal.call(send)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def close(self) -> None:
        self.portal.call(self.asynchronous.aclose)


@contextmanager
def client_of(app: FastAPI) -> Iterator[Client]:
    """Start an application, and stop it afterwards."""

    @asynccontextmanager
    async def lifespan() -> Any:
        async with app.router.lifespan_context(app):
            yield

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(lifespan()):
        client = Client(app, portal)
        try:
            yield client
        finally:
            client.close()

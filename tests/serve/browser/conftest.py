"""The explorer in a browser: the real application on a free loopback port, and Chromium.

Everything here is of this folder alone, and ends with it: while the browser is open, its driver's event
loop runs in this thread, and no other test could start one.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from support.browser import CHROMIUM, PATIENCE

#: Names of classes, which are names of folders: markup, and text from right to left.
CLASSES = ("0-healthy", '<b>bold&amp; "quoted"\'', "שלום 🦠")
#: A name of a file that would run a script, if it were markup.
HOSTILE = "<img src=x onerror=alert(1)>.png"
#: Pixels of the images.
SIDE = 16
#: Maps of the first stage: more than a folded stage shows.
FILTERS = 8


def make_images(root: Path) -> Path:
    """Make a folder for each class: a bright block on noise, further right for every next class."""
    random = np.random.default_rng(0)
    for place, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 90, (SIDE, SIDE), dtype=np.uint8)
            pixels[4:9, place * 5 : place * 5 + 5] += 150
            Image.fromarray(pixels).save(root / name / (HOSTILE if number == 0 else f"{number}.png"))
    return root


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path) -> Any:
    """Return a trained run with two stages and hostile names."""
    import convstage

    return convstage.train(
        make_images(tmp_path_factory.mktemp("browser") / "blobs"),
        pattern=f"INPUT -> [CONV({FILTERS}|4) -> RELU -> POOL]*2 -> FC(6) -> RELU -> CLASSIFIER",
        epochs=4,
        learning_rate=0.01,
        batch_size=8,
        augment=False,
        report=False,
        audit=False,
        out=tmp_path_factory.mktemp("runs"),
    )


@contextmanager
def served(run: Any) -> Iterator[str]:
    """Serve the explorer of a run from a thread of this process; gives its address."""
    import uvicorn

    from convstage.serve.app import make_app

    server = uvicorn.Server(uvicorn.Config(make_app(run), log_level="warning", ws="none"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server has not started"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="package")
def address(run: Any) -> Iterator[str]:
    """Return the address of the explorer of `run`."""
    with served(run) as found:
        yield found


@pytest.fixture(scope="package")
def api(address: str) -> Iterator[httpx.Client]:
    """Return a client that asks the server what the page asks it.

    Each time on a new connection: one that has been idle may be closed by the server just as it is used again.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=address, timeout=30, limits=limits) as client:
        yield client


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """Return the browser; without one the tests fail."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def browsing(chromium: Any) -> Iterator[Any]:
    """Return what pages share: what the browser has kept of the page's files."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


Visit = Callable[..., Any]


@pytest.fixture
def visit(browsing: Any, address: str) -> Iterator[Visit]:
    """Return what opens a page of the explorer.

    ``visit("?view=walk", width=1280, height=900, scheme="light", allowed=(), base=None)``, on the explorer
    of `run` unless it is given another address: afterwards the test fails if a script has failed, or the
    console has an error, unless a text in ``allowed`` is in it.
    """
    pages, problems = [], []

    def open_page(
        query: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        allowed: tuple[str, ...] = (),
        base: str | None = None,
    ) -> Any:
        page = browsing.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(1000 * PATIENCE)

        def said(text: str) -> None:
            if not any(one in text for one in allowed):
                problems.append(text)

        page.on("console", lambda message: said(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said(str(error)))
        page.on("dialog", lambda dialog: (said(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(f"{base or address}/{query}")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


@pytest.fixture
def first(api: httpx.Client) -> dict[str, Any]:
    """Return the first image of the test set, as the server lists it."""
    return dict(api.get("/api/images", params={"part": "test", "limit": 1}).json()["images"][0])


@pytest.fixture
def walked(visit: Visit) -> Callable[..., Any]:
    """Return what opens a page like `visit`, and waits until the walk has come."""

    def open_page(query: str = "", **settings: Any) -> Any:
        page = visit(query, **settings)
        page.wait_for_selector(".walk:not([hidden]) .flow canvas[data-drawn]")
        return page

    return open_page

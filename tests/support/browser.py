"""What tests of the explorer in a browser read off a page, and what they wait for."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
from PIL import Image

#: Debian's, unless told otherwise; without a browser, tests of pages fail.
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
#: In seconds; a page that is slower than this has failed.
PATIENCE = 15.0

_PIXELS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { height: canvas.height, width: canvas.width, data: [...data] };
}"""


@contextmanager
def scripts() -> Iterator[Callable[[str], Any]]:
    """Yield what evaluates functions in an empty page of one browser.

    The browser is driven from a thread of its own: the driver's event loop would keep other tests of this
    thread from having one.
    """
    from playwright.sync_api import sync_playwright

    with ThreadPoolExecutor(1) as thread:
        driver = thread.submit(lambda: sync_playwright().start()).result()
        try:
            browser = thread.submit(driver.chromium.launch, executable_path=CHROMIUM, args=["--no-sandbox"]).result()
            page = thread.submit(browser.new_page).result()
            yield lambda script: thread.submit(page.evaluate, script).result()
            thread.submit(browser.close).result()
        finally:
            thread.submit(driver.stop).result()


def until(page: Any, expression: str) -> Any:
    """Wait until an expression is true in the page, and return it. The page's policy forbids Playwright's own way."""
    end = time.monotonic() + PATIENCE
    while True:
        value = page.evaluate(expression)
        if value:
            return value
        assert time.monotonic() < end, f"still not true: {expression}"
        page.wait_for_timeout(20)


def pixels_of(page: Any, selector: str) -> npt.NDArray[np.uint8]:
    """Return what a canvas shows, height × width × RGBA."""
    found = page.eval_on_selector(selector, _PIXELS)
    return np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 4)


def picture(api: httpx.Client, src: str) -> npt.NDArray[np.uint8]:
    """Return a picture of the server, height × width × RGBA."""
    return np.asarray(Image.open(io.BytesIO(api.get(src).content)).convert("RGBA"))


def mark_of(page: Any, selector: str) -> dict[str, float]:
    """Return where the mark of a map lies, in percent."""
    read = "(node, name) => node.style.getPropertyValue(name)"
    return {name: float(page.eval_on_selector(selector, read, f"--{name}").rstrip("%")) for name in "xywh"}


def walk_of(api: httpx.Client, index: int) -> dict[str, Any]:
    """Return the walk of one of the run's images."""
    return dict(api.post("/api/walk", json={"index": index}).json())


def wait_for_receipt(page: Any, layer: str, cell: str) -> None:
    """Wait until the receipt of a cell is shown."""
    page.wait_for_selector(f'.receipt:not([hidden])[aria-busy="false"][data-layer="{layer}"][data-cell="{cell}"]')


def has_sideways_scroll(page: Any) -> bool:
    """Whether the page as a whole can be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

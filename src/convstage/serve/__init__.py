"""The explorer: a page in the browser, and the HTTP API behind it.

`make_app` makes the ASGI application for a run. FastAPI is imported on first use, so that the rest
of the package can say what to install when it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import make_app

__all__ = ["make_app"]


def __getattr__(name: str) -> Any:
    if name != "make_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .app import make_app

    return make_app

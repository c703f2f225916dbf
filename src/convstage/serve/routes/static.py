"""The page's own files, from a list that is made once: no address reaches the file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..problems import Problem, answers

router = APIRouter(tags=["page"])

#: Endings of files that are served.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
#: What ``/`` is.
INDEX = "index.html"
#: Browsers ask each time whether theirs is still the one: a new version of the package is seen at once.
CACHE = "no-cache"

_FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in TYPES.values()},
}
_SAME: dict[str, Any] = {"description": "The file that the browser has is still the one."}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page: its content, its type, and a digest that tells one version from another."""

    content: bytes
    kind: str
    etag: str


@cache
def page_files() -> dict[str, File]:
    """Return all files of the page by their names."""
    found: dict[str, File] = {}
    for entry in files(__package__.rpartition(".")[0]).joinpath("static").iterdir():
        kind = TYPES.get("." + entry.name.rpartition(".")[2])
        if kind is not None and entry.is_file():
            content = entry.read_bytes()
            found[entry.name] = File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


@router.get("/", responses=answers(404, _200=_FILE, _304=_SAME), response_class=Response)
async def index(request: Request) -> Response:
    """Return the page."""
    return _answer(request, INDEX)


@router.get("/static/{name}", responses=answers(404, 422, _200=_FILE, _304=_SAME), response_class=Response)
async def static(request: Request, name: str) -> Response:
    """Return a style sheet, a script or a picture of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    file = page_files().get(name)
    if file is None:
        raise Problem(404, "the page has no such file.")
    headers = {"ETag": file.etag, "Cache-Control": CACHE}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.kind)

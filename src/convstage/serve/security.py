"""What every request must pass before the application sees it, and what every answer carries.

A page of another origin can send requests to a server on localhost, and by DNS rebinding even read the
answers; that such a server is out of reach is no protection. So the Host must be one of ours, and what
changes anything must come from our own page (OWASP, Cross-Site Request Forgery Prevention Cheat Sheet).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limits import Limits
from .problems import MEANINGS, Problem, problem_response

#: The names of this machine for itself.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: What the page may load and do: its own files, pictures that it was sent, nothing else.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "style-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    )
)
#: What every answer carries.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Of answers that do not say themselves how long they hold.
NO_STORE = "no-store"

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:/\\@\[\]?#]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>.+)")
_PORTS = {"http": 80, "https": 443}

#: Name and port.
Host = tuple[str, int]


class Guard:
    """The gate: hosts, origins, sizes of bodies; and the headers of every answer. Pure ASGI.

    Parameters
    ----------
    app : ASGI application
    hosts : iterable of str
        Names that this server answers to, whatever the port; IPv6 addresses in brackets.
    limits : Limits
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = LOOPBACK, limits: Limits | None = None) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)
        self.limits = limits or Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets here
            await send({"type": "websocket.close", "code": 1008})
            return

        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", NO_STORE)
            await send(message)

        try:
            await self._pass(scope, receive, send_guarded)
        except Problem as problem:
            # Also of a body that turned out too long before anybody could read it.
            if started:
                raise
            response = problem_response(scope["path"], problem.status, problem.detail, problem.headers)
            await response(scope, receive, send_guarded)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._check(scope, headers)
        most = self._most(headers)
        if _said(headers.get("content-length")) > most:
            raise too_large(most)
        await self.app(scope, _counted(receive, most, self.limits.body_seconds), send)

    def _most(self, headers: Headers) -> int:
        form = headers.get("content-type", "").strip().lower().startswith("multipart/form-data")
        return self.limits.body_bytes if form else self.limits.json_bytes

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Refuse a request for another host, and one that would change something from another origin."""
        scheme = scope.get("scheme", "http")
        given = headers.getlist("host")
        host = parse_host(given[0], scheme) if len(given) == 1 else None
        if host is None:
            raise Problem(400, "the request has no Host, or more than one, or one that is none.")
        if host[0] not in self.hosts:
            raise Problem(
                403, "the request is for another host than this one.\nStart the server with --allow-host to allow it."
            )
        if scope["method"] in SAFE_METHODS:
            return
        # Browsers of today say so in both ways; programs in neither.
        foreign = any(parse_origin(origin) != (scheme, host) for origin in headers.getlist("origin"))
        if foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Problem(403, "the request comes from a page of another origin: only the server's own may send it.")


def parse_host(text: str, scheme: str) -> Host | None:
    """Return name and port of a Host header, None when it is none.

    Examples
    --------
    >>> parse_host("LocalHost:8000", "http"), parse_host("[::1]", "https"), parse_host("a@b", "http")
    (('localhost', 8000), ('[::1]', 443), None)
    """
    match = _HOST.fullmatch(text)
    return match and (match["name"].lower(), int(match["port"] or _PORTS.get(scheme, 0)))


def parse_origin(text: str) -> tuple[str, Host] | None:
    """Return scheme and host of an Origin header, None when it has none, such as ``null``.

    Examples
    --------
    >>> parse_origin("http://localhost:8000"), parse_origin("null")
    (('http', ('localhost', 8000)), None)
    """
    match = _ORIGIN.fullmatch(text.lower())
    host = match and parse_host(match["host"], match["scheme"])
    return (match["scheme"], host) if match and host else None


def _said(length: str | None) -> int:
    """Return how long a body is said to be; what does not say so is counted as it comes."""
    return int(length[:20]) if length is not None and length.isascii() and length.isdigit() else 0


#: The rest of a body that nobody reads would be taken for the next request.
_CLOSE = {"Connection": "close"}


def too_large(most: int) -> Problem:
    """Return the problem of a body of more bytes than are taken."""
    return Problem(413, f"{MEANINGS[413]} It may have {most:,} bytes.", _CLOSE)


def _counted(receive: Receive, most: int, seconds: float) -> Receive:
    """Return what receives a body and gives up as soon as it is too long or too slow; nothing of it is kept here."""
    total, coming = 0, True
    until = asyncio.get_running_loop().time() + seconds

    async def receive_counted() -> Message:
        nonlocal total, coming
        if not coming:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {seconds:g} s.", _CLOSE) from None
        coming = bool(message.get("more_body"))
        total += len(message.get("body", b""))
        if total > most:
            raise too_large(most)
        return message

    return receive_counted

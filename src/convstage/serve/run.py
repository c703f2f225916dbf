"""What must be right before a server starts: the packages, the run, the address, the names that it answers to."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import threading
import webbrowser
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError
from ..run import Run

if TYPE_CHECKING:
    from ..predict import Classifier

#: What the extra ``serve`` brings: module -> package.
NEEDED = {
    "fastapi": "fastapi",
    "httptools": "httptools",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "uvicorn": "uvicorn",
}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\]")


def serve(
    run: str | Path | Run,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    open_browser: bool = False,
    allow_hosts: Sequence[str] = (),
) -> None:
    """Serve a run's network until the process is asked to stop.

    Parameters
    ----------
    run : path or Run
        A folder that training made.
    host : str
        The address that is listened on: a name or an address of this machine.
    port : int
        The port; 0 takes a free one.
    open_browser : bool
        Whether to show the page.
    allow_hosts : sequence of str
        Names, beside those of this machine, that the server may be asked by.

    Raises
    ------
    ConfigError
        A package is missing, a name is none, the address is none of this machine's, or the port is taken.
    RunError
        No run folder, or one without a trained network.
    """
    check_packages()
    run = run if isinstance(run, Run) else Run.open(run)
    names = [host_name(name) for name in allow_hosts]
    with listen(host, port) as listener:
        try:
            _serve(run, listener, names, open_browser)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _unusable(host, port, error) from None


def _serve(run: Run, listener: socket.socket, names: Sequence[str], open_browser: bool) -> None:
    # Before torch is loaded: threads that spin while they wait would take the processor from the loop that answers.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Only now: these need the extra, and torch.
    import numpy as np

    from .app import make_app
    from .lifecycle import Server
    from .metrics import Metrics, Readiness
    from .security import LOOPBACK

    own = address(listener)
    hosts = list(dict.fromkeys((*LOOPBACK, *names, *_literal(own))))
    if not own.is_loopback:
        click.echo(warning(hosts), err=True)
    readiness = Readiness()
    app = make_app(run, hosts=hosts, metrics=Metrics(), readiness=readiness)
    # The first prediction packs the filters and chooses the ways; nobody should wait for that.
    classifier: Classifier = app.state.classifier
    classifier.probabilities(np.zeros((1, *classifier.plan.image), np.uint8))

    def started() -> None:
        click.echo(f"{run.path} at {url(listener)} (stop with Ctrl-C)")
        if open_browser:
            # It may wait for the browser; the page is there at once.
            threading.Thread(target=webbrowser.open, args=(url(listener),), daemon=True).start()

    Server(app, readiness, started).run([listener])


def check_packages() -> None:
    """Raise `ConfigError` if a package of the extra is missing."""
    missing = []
    for module, package in NEEDED.items():
        try:
            import_module(module)
        except ImportError:
            missing.append(package)
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(
            f"the server needs {', '.join(missing)}, which {verb} not installed.\n"
            "Install what it needs: pip install 'convstage[serve]'"
        )


def host_name(text: str) -> str:
    """Return a name that the server may be asked by, as a Host header has it, without the port.

    Raises
    ------
    ConfigError
        It is no name and no address.

    Examples
    --------
    >>> host_name("Lab.Example.org"), host_name("fe80::1")
    ('lab.example.org', '[fe80::1]')
    """
    name = text.strip().lower()
    if name.count(":") > 1 and not name.startswith("["):
        name = f"[{name}]"
    if not _NAME.fullmatch(name) or (name.startswith("[") and not _is_address(name[1:-1])):
        raise ConfigError(
            f"--allow-host takes a name such as lab.example.org, or an address, without http:// and without a port; "
            f"got {text!r}."
        )
    return name


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that has the address; nobody can connect to it yet.

    Raises
    ------
    ConfigError
        The address is none of this machine's, or the port is taken or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise ConfigError(
            f"--host {host}: there is no such address.\nUse 127.0.0.1, or an address of this machine."
        ) from None
    # Of a name with several addresses the older kind: it is what other programs try, too.
    family, kind, protocol, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # A port that was served from a moment ago is free; one that somebody listens on is not, even so.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
    except OSError as error:
        listener.close()
        raise _unusable(host, port, error) from None
    return listener


def _unusable(host: str, port: int, error: OSError) -> ConfigError:
    match error.errno:
        case errno.EADDRINUSE:
            return ConfigError(
                f"port {port} of {host} is in use by another program.\n"
                f"Choose another one with --port, or let --port 0 take a free one."
            )
        case errno.EACCES:
            return ConfigError(f"port {port} is not allowed to you.\nChoose one above 1023 with --port.")
        case errno.EADDRNOTAVAIL:
            return ConfigError(
                f"--host {host}: that is no address of this machine.\nUse 127.0.0.1, or an address of this machine."
            )
    return ConfigError(f"--host {host} --port {port} cannot be used: {error.strerror}.")


def address(listener: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that a socket has."""
    return ipaddress.ip_address(str(listener.getsockname()[0]).partition("%")[0])


def url(listener: socket.socket) -> str:
    """Return where a browser on this machine finds the page.

    Examples
    --------
    >>> with listen("127.0.0.1", 0) as listener:
    ...     url(listener).rpartition(":")[0]
    'http://127.0.0.1'
    """
    own = address(listener)
    if own.is_unspecified:  # all addresses: this machine's own is one of them
        own = ipaddress.ip_address("127.0.0.1" if own.version == 4 else "::1")
    return f"http://{_written(own)}:{listener.getsockname()[1]}"


def warning(hosts: Sequence[str]) -> str:
    """Return what to say when others than this machine can reach the server."""
    return (
        "convstage: other machines can reach this server. It has no password and no encryption: whoever reaches it\n"
        "can see the run's images and use its network. It answers only to the names\n"
        f"{', '.join(hosts)}; --allow-host adds one."
    )


def _literal(own: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """Return the listener's own address as a name: no foreign page can have it, as it could have a name."""
    return [] if own.is_unspecified else [_written(own)]


def _written(own: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"[{own}]" if own.version == 6 else str(own)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""Which process a worker is, so that another one on the same machine can tell that it is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def me() -> dict[str, Any]:
    """Return machine and process of this worker, as plain data."""
    return {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid())}


def is_gone(worker: Any) -> bool:
    """Return whether a worker is a process of this machine that has ended; of other machines nobody here can tell."""
    if not isinstance(worker, dict) or worker.get("host") != _host():
        return False
    pid = worker.get("pid")
    if not isinstance(pid, int):
        return False
    began = _began(pid)
    return began is None or (worker.get("began") is not None and began != worker["began"])


def machine_name(worker: Any) -> str:
    """Return the name of the machine that a worker is on, for people."""
    return str(worker.get("host", "")).rpartition("#")[0] if isinstance(worker, dict) else ""


def _host() -> str:
    """Return the machine's name, and the space of process numbers: containers may share the one and not the other."""
    try:
        space = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        space = ""
    return f"{socket.gethostname()}#{space}"


def _began(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine did; None when there is none, or it has died."""
    try:
        # The name of a program may hold spaces and brackets; what follows the last bracket is numbers.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None if Path("/proc").is_dir() else _answers(pid)
    return None if fields[0] in "ZX" else fields[19]


def _answers(pid: int) -> str | None:
    """Return whether a process is there, on systems that do not tell when it began."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "there"
    return "there"

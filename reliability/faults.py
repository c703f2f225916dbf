"""Faults at a chosen call of a chosen write: the process is killed there, or the system refuses.

Production code is as it is: `at_call` patches the calls of the operating system that `convstage.files`
writes with, for the time of a ``with`` block.
"""

from __future__ import annotations

import os
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import safetensors.torch

#: The steps of a write, in their order; the process can be killed between any two of them.
STEPS = ("begun", "made", "half written", "written", "flushed", "renamed", "folder flushed")

Told = Callable[[str, Path], None]


def kill_at(number: int, step: str) -> Told:
    """Return what kills this process at a step of the `number`-th write, counted from 0."""
    count = -1

    def told(now: str, path: Path) -> None:
        nonlocal count
        count += now == STEPS[0]
        if count == number and now == step:
            if now == "half written":
                os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    return told


@contextmanager
def steps_told(told: Told) -> Iterator[None]:
    """Call `told` with every step of every atomic write, and the temporary file that it is about."""
    mkstemp, fsync, replace = tempfile.mkstemp, os.fsync, os.replace
    path = Path()

    def make(*arguments: Any, **options: Any) -> tuple[int, str]:
        nonlocal path
        told("begun", Path())
        handle, name = mkstemp(*arguments, **options)
        path = Path(name)
        told("made", path)
        return handle, name

    def flush(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if not is_folder:
            told("half written", path)
            told("written", path)
        fsync(descriptor)
        told("folder flushed" if is_folder else "flushed", path)

    def rename(source: Any, target: Any) -> None:
        replace(source, target)
        told("renamed", Path(target))

    with (
        mock.patch.object(tempfile, "mkstemp", make),
        mock.patch.object(os, "fsync", flush),
        mock.patch.object(os, "replace", rename),
    ):
        yield


@contextmanager
def failing(call: str, error: OSError, only: Callable[[Path], bool] = lambda _: True) -> Iterator[list[Path]]:
    """Let a call of every write fail, as the system lets it fail; yield the files whose write has failed.

    Parameters
    ----------
    call : str
        One of `CALLS`.
    error : OSError
        What the system says. For a write of tensors, safetensors wraps it as it does.
    only : callable, optional
        Whether a file's write fails. It is asked with the file where the call knows it, else with the temporary
        one, which has the same folder and suffix.
    """
    failed: list[Path] = []

    def refuse(path: Path) -> None:
        if only(path):
            failed.append(path)
            raise error

    with ExitStack() as patches:
        for where, name, function in _PATCHES[call](refuse):
            patches.enter_context(mock.patch.object(where, name, function))
        yield failed


Refuse = Callable[[Path], None]
Patches = list[tuple[Any, str, Callable[..., Any]]]


def _make(refuse: Refuse) -> Patches:
    mkstemp = tempfile.mkstemp

    def make(*arguments: Any, **options: Any) -> tuple[int, str]:
        refuse(Path(options["dir"]) / f"new{options['suffix']}")
        return mkstemp(*arguments, **options)

    return [(tempfile, "mkstemp", make)]


def _write(refuse: Refuse) -> Patches:
    """Write half of a file, then fail."""
    write_text, save_file = Path.write_text, safetensors.torch.save_file

    def write(path: Path, text: str, *arguments: Any, **options: Any) -> int:
        write_text(path, text[: len(text) // 2], *arguments, **options)
        refuse(path)
        return write_text(path, text, *arguments, **options)

    def save(tensors: Any, path: Any, *arguments: Any) -> None:
        save_file(tensors, path, *arguments)
        os.truncate(path, Path(path).stat().st_size // 2)
        try:
            refuse(Path(path))
        except OSError as said:
            words = f"Error while serializing: I/O error: {said.strerror} (os error {said.errno})"
            raise safetensors.SafetensorError(words) from None
        save_file(tensors, path, *arguments)

    return [(Path, "write_text", write), (safetensors.torch, "save_file", save)]


def _chmod(refuse: Refuse) -> Patches:
    chmod = Path.chmod

    def change(path: Path, mode: int) -> None:
        refuse(path)
        chmod(path, mode)

    return [(Path, "chmod", change)]


def _fsync(refuse: Refuse, of_folder: bool) -> Patches:
    fsync = os.fsync

    def flush(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == of_folder:
            refuse(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    return [(os, "fsync", flush)]


def _rename(refuse: Refuse) -> Patches:
    replace = os.replace

    def rename(source: Any, target: Any) -> None:
        refuse(Path(target))
        replace(source, target)

    return [(os, "replace", rename)]


_PATCHES: dict[str, Callable[[Refuse], Patches]] = {
    "make": _make,
    "write": _write,
    "chmod": _chmod,
    "fsync": lambda refuse: _fsync(refuse, of_folder=False),
    "rename": _rename,
    "fsync folder": lambda refuse: _fsync(refuse, of_folder=True),
}
#: The calls of a write that can fail, in their order.
CALLS = tuple(_PATCHES)

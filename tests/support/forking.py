"""Commands in processes of their own, forked from one that has everything imported.

A command is run as ``python -m convstage …`` would be: arguments, folder and environment of its own, a real
exit code, what it wrote, signals. Only the seconds that importing torch takes are paid once. That the
program also starts from nothing is what `tests/cli/test_commands.py` shows, with interpreters of its own.

This file is also the program that is forked from; it is told what to do on its standard input.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Self

#: What commands import late.
IMPORTED = (
    "convstage.cli.train",
    "convstage.evaluation",
    "convstage.explain",
    "convstage.report",
    "convstage.training",
    "convstage.walkthrough",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "rich.progress",
)
#: In seconds; a command that takes longer is killed, and its exit code says so.
LIMIT = 300


class Process:
    """A command that runs; `start` it, send it signals by `pid`, and `wait`."""

    def __init__(self, starter: Starter, arguments: list[str], out: Path, error: Path | None) -> None:
        self._starter, self.arguments, self._out, self._error = starter, arguments, out, error
        self.pid = int(starter.answer())

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Return how it has ended, and what it has written; both streams in one if they were to be together."""
        code = os.waitstatus_to_exitcode(int(self._starter.answer()))
        out, error = (None if path is None else path.read_text(encoding="utf-8") for path in (self._out, self._error))
        return subprocess.CompletedProcess(self.arguments, code, out, error)


class Starter:
    """Starts commands, one at a time, in forks of a process that has everything imported."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._server = subprocess.Popen(
            # What a command writes to both streams stays in order.
            [sys.executable, "-u", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._count = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=30)
        self._folder.cleanup()

    def answer(self) -> str:
        """Return the next thing that the server says."""
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, f"the process that commands are forked from has ended: {self._server.wait()}"
        return line

    def start(
        self,
        *arguments: object,
        cwd: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        script: str | Path | None = None,
        together: bool = False,
    ) -> Process:
        """Start ``convstage …``, or a script.

        Parameters
        ----------
        *arguments : object
            The command line, without the program.
        cwd : path, optional
            Where it runs; here unless given.
        environment : mapping of str to str, optional
            Variables beside those of this process.
        script : path, optional
            A file of Python to run instead.
        together : bool
            Whether both streams are one, as a terminal shows them.
        """
        self._count += 1
        out, error = (Path(self._folder.name, f"{self._count}.{stream}") for stream in ("out", "err"))
        for path in (out, error):
            path.touch()  # a signal may end it before it writes
        told = {
            "arguments": [str(argument) for argument in arguments],
            "script": None if script is None else str(script),
            "cwd": str(cwd or Path.cwd()),
            "environment": {**os.environ, **(environment or {})},
            "out": str(out),
            "error": str(out if together else error),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(told) + "\n")
        self._server.stdin.flush()
        return Process(self, told["arguments"], out, None if together else error)

    def __call__(self, *arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run ``convstage …`` to its end; see `start`."""
        return self.start(*arguments, **settings).wait()

    def python(self, code: str, *arguments: object, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in Python to its end; of convstage nothing was used before it, but all is imported."""
        script = Path(self._folder.name, "program.py")
        script.write_text(code, encoding="utf-8")
        return self(*arguments, script=script, **settings)


# ------------------------------------------------------------- the process that is forked


def tell(number: int) -> None:
    """Answer the tests."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve() -> dict[str, Any] | None:
    """Fork for every line of standard input; return what to do in the forks, and nothing here, at the end."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return dict(json.loads(line))
        tell(child)
        tell(os.waitpid(child, 0)[1])
    return None


def become(told: dict[str, Any]) -> None:
    """Take on the streams, the folder, the environment and the arguments of a command."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, (path, how) in enumerate([(os.devnull, os.O_RDONLY), (told["out"], flags), (told["error"], flags)]):
        descriptor = os.open(path, how, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    signal.alarm(LIMIT)
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = [told["script"] or "convstage", *told["arguments"]]
    sys.path[0] = str(Path(told["script"]).parent) if told["script"] else told["cwd"]


def run(script: str | None) -> int:
    """Run the command; return the exit code that its end means, after all that is to be said is said."""
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_module("convstage", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def leave(code: int) -> None:
    """End at once: to take all modules apart would touch, and so copy, what is shared with the other forks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    ends: list[int] = []
    # What is registered first is called last, after what the command has registered.
    atexit.register(lambda: leave(*ends) if ends else None)
    for module in IMPORTED:
        import_module(module)
    # Nothing of this is ever freed, so that collections need not copy it for every fork.
    gc.collect()
    gc.freeze()
    if task := serve():
        become(task)
        ends.append(run(task["script"]))

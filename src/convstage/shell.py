"""The program in a shell: streams that take every text, readers that go away, and how it ends.

The exit codes are a promise, which docs/shell.md makes: 0, `FOUND`, `WRONG`, `FAULT`, and `SIGNALLED` with the
number of a signal.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from .errors import ConvstageError, TrainingStopped, WriteError

#: What was looked for was found: an error among the findings of ``audit --strict``.
FOUND = 1
#: A mistake in what was asked or given, said in one message.
WRONG = 2
#: A fault of convstage itself, with a traceback; as in BSD's sysexits.
FAULT = 70
#: To this the number of the signal is added.
SIGNALLED = 128
#: Nobody reads what is written, as after ``| head``; not all systems have the signal.
PIPE = SIGNALLED + 13

#: What streams do with characters that they cannot write.
_HANDLER = "convstage"
_SPELLED = {
    "×": "x", "→": "->", "←": "<-", "↓": "v", "…": "...", "–": "-", "−": "-", "─": "-", "·": "*", "±": "+/-",
    "├": "|", "└": "`", "│": "|", "²": "^2", "√": "sqrt", "≤": "<=", "≥": ">=", "’": "'",
}  # fmt: skip
#: Reasons why nothing can be written to a stream, of which no file is told.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run(command: Callable[..., Any]) -> None:
    """Run a command line to its end: errors for people are printed without a traceback; exit with its code."""
    use_plain_letters()
    sys.exit(_code(command))


def _code(command: Callable[..., Any]) -> int:
    try:
        # Not standalone: click's own exit code for Ctrl-C and for a closed pipe is 1, which means something else here.
        code = command(prog_name="convstage", standalone_mode=False)
    except click.Abort:
        return _say("Aborted!", SIGNALLED + signal.SIGINT)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return error.exit_code
    except TrainingStopped as stopped:
        return _say(f"convstage: {stopped}", SIGNALLED + stopped.signal)
    except ConvstageError as error:
        return _say(f"convstage: {error}", WRONG)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
            _discard(sys.stdout)
            return _say(f"convstage: {WriteError('the output', error)}", WRONG)
        with suppress(OSError):
            traceback.print_exc()
        return _say("convstage: this is a fault of convstage itself.\nReport it with the lines above.", FAULT)
    return code if isinstance(code, int) else 0


def _say(text: str, code: int) -> int:
    with suppress(OSError):  # a full disk or a reader that is gone does not change how it ends
        click.echo(text, err=True)
    return code


def use_plain_letters() -> None:
    r"""Have stdout and stderr take every text, whatever their encoding.

    Where it is not UTF-8, as on many Windows terminals, × becomes x and → becomes ->; other characters, and
    bytes of file names that are no text, become escapes such as ``\xe9``.
    """
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    spelled = [_SPELLED.get(one) or one.encode("ascii", "backslashreplace").decode() for one in characters]
    return "".join(spelled), error.end


@contextmanager
def read_by_somebody() -> Iterator[None]:
    """End quietly where nobody reads stdout or stderr any more.

    Raises
    ------
    SystemExit
        With code `PIPE`.
    ConnectionError
        It was another pipe, of which nobody should take the end for that of the output.
    """
    try:
        yield
    except BrokenPipeError as error:
        if not (_is_unread(sys.stdout) or _is_unread(sys.stderr)):
            raise ConnectionError(str(error)) from error
        leave_pipe()


def leave_pipe() -> None:
    """Exit for want of a reader; what is still in the buffers goes nowhere."""
    for stream in (sys.stdout, sys.stderr):
        if _is_unread(stream):
            _discard(stream)
    sys.exit(PIPE)


def _is_unread(stream: TextIO | None) -> bool:
    """Return whether the other end of a pipe is closed; where no system call tells, it is taken to be."""
    if stream is None:
        return False
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return False  # no file of the system
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _discard(stream: TextIO | None) -> None:
    """Let a stream lead nowhere: Python would try once more to write to it when it exits."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)

"""Every error that convstage raises on purpose.

All are ``ValueError`` subclasses, so ``except ValueError`` keeps working, and all
carry a message for a person: what was wrong, what was expected, what to do.

ConvstageError
 ├── PatternError    a layer pattern that cannot be read or does not fit its input
 ├── ConfigError     a setting that does not exist or has an impossible value
 ├── DataError       images that cannot be found, read or split
 ├── RunError        a run folder that is missing, damaged or of another version
 ├── WriteError      a file that cannot be written: a full disk, no permission; an OSError, too
 ├── TrainingError   a training that cannot go on (a loss that is not finite)
 └── TrainingStopped a training that was asked to stop, and saved where it stands
"""

from __future__ import annotations

import errno
from pathlib import Path

#: What to do about a file that cannot be written, by the system's reason.
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Make room on the disk."),
    errno.EFBIG: "The system limits the size of files, see ulimit -f.",
    errno.EIO: "The disk may be failing: look at the system's log.",
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Choose a place that you may write to."),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR), "Its folder is not there (any more)."),
}


class ConvstageError(ValueError):
    """Base of all errors raised on purpose."""


class ConfigError(ConvstageError):
    """A setting that does not exist or has an impossible value."""


class DataError(ConvstageError):
    """Images that cannot be found, read or split."""


class RunError(ConvstageError):
    """A run folder that is missing, damaged or of another version."""


class WriteError(ConvstageError, OSError):
    """A file that cannot be written; the one that was there before is untouched.

    Parameters
    ----------
    path : str or Path
        The file that was to be written, not the temporary one.
    error : OSError
        What the system says; `errno` and `strerror` are its own.
    hint : str
        What to do; found from the system's reason when it is not given.

    Examples
    --------
    >>> print(WriteError("runs/a/last.safetensors", OSError(28, "No space left on device")))
    runs/a/last.safetensors cannot be written: No space left on device.
    Make room on the disk.
    """

    def __init__(self, path: str | Path, error: OSError, hint: str = "") -> None:
        self.errno = error.errno
        self.strerror = error.strerror or str(error)
        self.filename = str(path)
        self.hint = hint or _REMEDIES.get(error.errno or 0, "")
        super().__init__("\n".join(filter(None, [f"{path} cannot be written: {self.strerror}.", self.hint])))

    def __str__(self) -> str:
        return str(self.args[0])  # OSError would say its own


class TrainingError(ConvstageError):
    """A training that cannot go on."""


class TrainingStopped(ConvstageError):
    """A training that was asked to stop, by Ctrl-C or SIGTERM, and saved where it stands.

    Parameters
    ----------
    run : Path
        The run folder.
    signal : int
        Number of the signal.
    command : str
        The command that goes on with it.
    """

    def __init__(self, run: Path, signal: int, command: str = "train") -> None:
        self.run = run
        self.signal = signal
        super().__init__(f"stopped and saved.\nGo on with: convstage {command} --resume {run}")


class PatternError(ConvstageError):
    """A layer pattern that cannot be read, or does not fit its input.

    Parameters
    ----------
    problem : str
        One sentence: what is wrong.
    text : str
        The pattern as it was written.
    start, end : int
        The offending part of `text`, as character offsets; `end` is exclusive.
    hint : str, optional
        The arithmetic that failed and the way out.

    Examples
    --------
    >>> print(PatternError("unknown layer 'CONF'.", "INPUT -> CONF", 9, 13, "Did you mean CONV?"))
    unknown layer 'CONF'.
      INPUT -> CONF
               ^^^^
    Did you mean CONV?
    """

    def __init__(self, problem: str, text: str, start: int, end: int, hint: str = "") -> None:
        self.problem = problem
        self.text = text
        self.start = start
        self.end = end
        self.hint = hint
        super().__init__("\n".join(filter(None, [problem, *mark(text, start, end), hint])))


def mark(text: str, start: int, end: int) -> tuple[str, str]:
    """Return the line of `text` that holds `start`, and a line of carets under the part.

    Long lines are cut around the part, so that the carets stay in view.
    """
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)].expandtabs(1)
    start, end = start - first, min(end - first, len(line))
    window = 100
    cut = max(0, start - window // 2) if len(line) > window else 0
    shown = line[cut : cut + window]
    shown = ("…" if cut else "") + shown + ("…" if cut + window < len(line) else "")
    offset = start - cut + (1 if cut else 0)
    width = max(1, min(end - start, len(shown) - offset))
    return f"  {shown}", f"  {' ' * offset}{'^' * width}"

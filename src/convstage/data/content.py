"""The content of an image file, read whole: of regular files only, and never more than there is room for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ..text import memory

#: A longer file is refused unread: the largest picture that is read, of 16 bits and three channels, fits.
MAX_BYTES = 320 * 2**20


def read_file(path: str | Path) -> bytes:
    """Return the content of an image file.

    Devices and pipes have no end, or keep whoever reads them waiting for one; they are refused.

    Raises
    ------
    OSError
        It cannot be read; `strerror` says why, in words.
    """
    try:
        # Of a pipe that nobody writes to, opening alone would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # names with a NUL, or that the system has no bytes for
        raise OSError(errno.EINVAL, f"no file can be called so: {error}") from None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no file but a device, a pipe or a socket")
        # It may grow while it is read.
        content = file.read(MAX_BYTES + 1) if status.st_size <= MAX_BYTES else b""
    if status.st_size > MAX_BYTES or len(content) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has {memory(max(status.st_size, len(content)))}, more than {memory(MAX_BYTES)}")
    return content

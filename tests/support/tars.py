"""Tar archives as tests write them, good and bad."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path


def write_tar(path: Path, files: Mapping[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> Path:
    """Write an archive of these files, in this order; `change` may make anything of a member's header."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if change is not None:
                change(info)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return one block: the header of a member that says it has so many bytes."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)

"""Files that are written whole or not at all, and tensors that notice when a bit has turned.

Everything that convstage stores goes through here. No pickle: tensors are
safetensors, the rest is JSON, CSV or images.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RunError

if TYPE_CHECKING:
    from torch import Tensor

#: Key of a tensor file's metadata that holds the digest of all the rest.
DIGEST = "sha256"
#: Names of files that are being written begin so.
TEMPORARY = ".writing-"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); rename it to `path` on success.

    The file is flushed to the disk before the rename and the folder after it, so that
    a crash leaves the old file or the new one, never a part. On an error the
    temporary file is removed and the old one stays.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes it private; the user's own mask decides
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8, atomically; of a file name that is no UTF-8, the odd bytes as JSON escapes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, data: Any) -> None:
    """Write data as JSON, atomically; numbers that are not finite are refused."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    RunError
        The file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically, with a digest over names, shapes, values and metadata."""
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = dict(metadata or {})
    metadata[DIGEST] = digest(plain, metadata)
    with atomic_path(path) as temporary:
        save_file(plain, temporary, metadata)


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a tensor file and check its digest.

    Returns
    -------
    tensors, metadata : dict
        As they were written.

    Raises
    ------
    RunError
        The file is missing, damaged, or was not written by convstage.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise RunError(f"{path} is missing.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    except (SafetensorError, OSError, ValueError, KeyError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged or no safetensors file: {error}.") from None
    expected = metadata.pop(DIGEST, None)
    if expected is None:
        raise RunError(f"{path} has no digest: it was not written by convstage.")
    if expected != digest(tensors, metadata):
        raise RunError(f"{path} is damaged: its contents do not match its SHA-256. Restore it from a copy.")
    return tensors, metadata


def digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> str:
    """Return the SHA-256 of named tensors and metadata; the order of the names does not matter."""
    import torch

    sha = hashlib.sha256(json.dumps(sorted((metadata or {}).items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        sha.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()

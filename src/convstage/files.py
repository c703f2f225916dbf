"""Files that are written whole or not at all, and tensors that notice when a bit has turned.

Everything that convstage stores goes through here. No pickle: tensors are
safetensors, the rest is JSON, CSV or images.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RunError, WriteError

if TYPE_CHECKING:
    from torch import Tensor

#: Key of a tensor file's metadata that holds the digest of all the rest.
DIGEST = "sha256"
#: Names of files that are being written begin so.
TEMPORARY = ".writing-"
#: A byte of a file name that is no UTF-8, as `write_text` writes it.
_ODD = re.compile(r"\\u(dc[89a-f][0-9a-f])")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); rename it to `path` on success.

    The file is flushed to the disk before the rename and the folder after it, so that
    a crash leaves the old file or the new one, never a part. On an error the
    temporary file is removed and the old one stays.

    Raises
    ------
    WriteError
        The temporary file cannot be made, flushed or renamed. What is raised within the
        ``with`` block passes as it is: `written` is for that.
    """
    path = Path(path)
    with written(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with written(path):
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


@contextmanager
def written(path: str | Path) -> Iterator[None]:
    """Turn what the system says of a failed write into a `WriteError` that names `path`."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(path, error) from None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8, atomically; of a file name that is no UTF-8, the odd bytes as JSON escapes.

    Raises
    ------
    WriteError
        It cannot be written; the old file stays.
    """
    with atomic_path(path) as temporary, written(path):
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, data: Any) -> None:
    """Write data as JSON, atomically; numbers that are not finite are refused."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file as strictly as `write_json` writes it: no NaN, no key twice in an object.

    Raises
    ------
    RunError
        The file is missing or damaged.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {_reason(error)}.") from None
    return parse_json(text, path)


def parse_json(text: str, file: str | Path) -> Any:
    """Return what a JSON text says, as `read_json` does; `file` is where it is from, for the message."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except RecursionError:
        raise RunError(f"{file} cannot be read: it is nested too deeply.") from None
    except ValueError as error:
        raise RunError(f"{file} cannot be read: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON has")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of two values under one key, no reader could say which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV text."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def read_csv(
    path: str | Path,
    columns: Sequence[str] = (),
    numbers: str = "",
    remedy: str = "Restore it from a copy.",
) -> list[dict[str, str]]:
    """Read a CSV file with a header.

    Parameters
    ----------
    path : path
    columns : sequence of str
        Names that the header must have; it may have more.
    numbers : str
        A regular expression for the names of columns that hold finite numbers.
    remedy : str
        What to do about a damaged file, for the message.

    Returns
    -------
    list of dict of str to str
        One for each line, as text.

    Raises
    ------
    RunError
        The file is missing or damaged.
    """
    try:
        text = _ODD.sub(lambda found: chr(int(found[1], 16)), Path(path).read_bytes().decode("utf-8"))
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, [])
        rows = list(reader)
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {_reason(error)}.") from None
    problem = _problem(header, rows, columns, numbers)
    if problem:
        raise RunError(f"{path} is damaged: {problem}.\n{remedy}")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _problem(header: list[str], rows: list[list[str]], columns: Sequence[str], numbers: str) -> str:
    """Return what is wrong with a table; nothing when all is well."""
    missing = [name for name in columns if name not in header]
    if missing:
        return f"it has no column {missing[0]!r}"
    if len(set(header)) < len(header):
        return "it has two columns of one name"
    numeric = [place for place, name in enumerate(header) if numbers and re.fullmatch(numbers, name)]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            return f"row {number} has {len(row)} values, and the header {len(header)}"
        for place in numeric:
            if not _is_finite(row[place]):
                return f"row {number} has {row[place]!r} for {header[place]!r}, which should be a number"
    return ""


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically, with a digest over names, shapes, values and metadata.

    Raises
    ------
    WriteError
        It cannot be written; the old file stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = dict(metadata or {})
    metadata[DIGEST] = digest(plain, metadata)
    with atomic_path(path) as temporary, written(path):
        try:
            save_file(plain, temporary, metadata)
        except SafetensorError as error:
            raise _of_the_system(error) from None


def _of_the_system(error: Exception) -> OSError:
    """Return the system's error of a failed write, which safetensors wraps in its own: "… (os error 28)"."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))


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

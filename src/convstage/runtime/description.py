"""What an ONNX file says of itself: JSON texts under the names of `ExportRecord`'s fields, and a digest over all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ..errors import RunError
from ..files import DIGEST, parse_json
from ..records import Count, ModelRecord, Record, Share, Text, checked

#: Layout of the metadata; raised when an older convstage could not read it.
FORMAT = 1
#: What stands in place of the digest while it is computed.
_BLANK = "SHA-256 of this file".ljust(64, "-")

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class CheckedRecord(Record):
    """How the file was compared with the run when it was made."""

    images: Count
    part: Literal["test", "val"]
    largest_difference: Share
    equal_decisions: Count


class Int8Record(Record):
    """How the weights and maps became whole numbers of eight bits, and what that cost."""

    calibrated_on: Count
    seed: int
    accuracy_before: Share
    accuracy_after: Share
    difference: dict[Text, float]
    conclusion: Text


class ExportRecord(ModelRecord):
    """The metadata of an ONNX file; `pattern` to `shifts` are those of the run's model."""

    format: int
    version: Text
    temperature: Annotated[float, Field(gt=0)]
    weights_sha256: Sha256
    card: Text | None
    run: Text
    checked: CheckedRecord | None = None
    int8: Int8Record | None = None


def describe(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata as an ONNX file holds it: texts, each of them JSON in ASCII, with a place for the digest."""
    return {name: json.dumps(value, allow_nan=False) for name, value in {**fields, DIGEST: _BLANK}.items()}


def sealed(content: bytes) -> bytes:
    """Return a file with the SHA-256 of all that is in it; its metadata are those of `describe`."""
    before, blank, after = content.partition(_BLANK.encode())
    if not blank or _BLANK.encode() in after:
        raise ValueError("the file must have one place for the digest.")
    return before + hashlib.sha256(content).hexdigest().encode() + after


def read_description(entries: Any, content: bytes, file: str) -> dict[str, Any]:
    """Return what a file says of itself.

    Parameters
    ----------
    entries : iterable of messages
        Its metadata, each with ``key`` and ``value``.
    content : bytes
        The whole file, for its digest.
    file : str
        Its name, for messages.

    Raises
    ------
    RunError
        It was not made by convstage, or by a later one, or is damaged.
    """
    texts = {entry.key: entry.value for entry in entries}
    if "format" not in texts or DIGEST not in texts:
        raise RunError(
            f"{file} was not made by convstage: it does not say which classes it knows and how it wants its images.\n"
            f"Make it from a run folder: convstage export RUN -o {file}"
        )
    remedy = f"Make it anew: convstage export RUN -o {file}"
    layout = parse_json(texts["format"], file)
    if layout != FORMAT:
        raise RunError(f"{file} has layout {layout}; this version of convstage reads layout {FORMAT}.")
    digest = texts.pop(DIGEST).strip('"').encode()
    blanked = content.replace(digest, _BLANK.encode(), 1) if len(digest) == len(_BLANK) else b""
    if hashlib.sha256(blanked).hexdigest().encode() != digest:
        raise RunError(f"{file} is damaged: its contents do not match its SHA-256.\n{remedy}")
    fields = {name: parse_json(text, file) for name, text in texts.items() if name in ExportRecord.model_fields}
    return checked(file, fields, ExportRecord, remedy)


__all__ = ["FORMAT", "ExportRecord", "describe", "read_description", "sealed"]

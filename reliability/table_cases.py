"""Spoiled tables, arrays, split files and filters by number: read, or refused with an error of our own."""

from __future__ import annotations

import gzip
import json
import os
import struct
import tempfile
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from convstage.data.formats import find_source
from convstage.data.split_file import read_split_file
from convstage.errors import ConvstageError
from convstage.filters import parse_kernel
from mutations import mutate

#: Items of a list that are read and opened.
OPENED = 3
NAMES = [f"a/{number}.png" for number in range(8)]
TABLE = "path,label,split,patient\n" + "".join(f'{name},"{n % 2} x",train,p{n}\n' for n, name in enumerate(NAMES))
IMAGES, LABELS = np.arange(8 * 6 * 5, dtype=np.uint8).reshape(8, 6, 5), np.arange(8, dtype=np.uint8) % 2

#: What a text is spoiled with, beside what spoils any file.
PIECES = (
    b"\0", b'"', b'"' * 99, b",", b";", b"\t", b"\r", b"\n", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"a" * 140_000,
    "🙂".encode(), "\u202e".encode(), b"path", b"label,label", b"../../etc/passwd", b"/dev/zero", b"/proc/self/mem",
    b"1e9", b"1/0", b"(", b")/9", b"-", b"[" * 5000, b"9" * 5000, b"NaN", b"{}", b"null",
)  # fmt: skip


def arrays(compressed: bool = False, **named: Any) -> bytes:
    buffer = BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **named)
    return buffer.getvalue()


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@cache
def seeds() -> dict[str, list[bytes]]:
    """Return valid files, by what they are called."""
    texts = [TABLE, TABLE.replace(",", ";"), TABLE.replace(",", "\t"), "\ufeff" + TABLE.replace("\n", "\r\n")]
    parts = {f"{kind}_{part}": value for part in ("train", "test") for kind, value in (("x", IMAGES), ("y", LABELS))}
    split = {"images": [{"name": name, "part": "train"} for name in NAMES]}
    names = np.array(["healthy", "corona"])[LABELS]
    return {
        "data.csv": [text.encode() for text in texts],
        "data.tsv": [TABLE.replace(",", "\t").encode()],
        "data.npz": [
            arrays(images=IMAGES, labels=LABELS),
            arrays(compressed=True, images=IMAGES, labels=names),
            arrays(images=np.repeat(IMAGES[..., None], 3, 3), labels=names.astype("S")),
            arrays(images=IMAGES, labels=LABELS, classes=names[:2]),
            arrays(**parts),
            arrays(images=(IMAGES / 255).astype(np.float32), labels=LABELS.astype(np.float64)),
        ],
        "train-images-idx3-ubyte": [idx(IMAGES)],
        "train-images-idx3-ubyte.gz": [gzip.compress(idx(IMAGES))],
        "train-labels-idx1-ubyte": [idx(LABELS)],
        "train-labels-idx1-ubyte.gz": [gzip.compress(idx(LABELS))],
        "split.csv": [("name,part\n" + "".join(f"{name},val\n" for name in NAMES)).encode()],
        "split.json": [json.dumps(split).encode()],
        "filter": [b"1 0 -1; 2 0 -2; 1 0 -1", b"(1 1 1; 1 1 1)/9", b"sobel", b"-1/2 .5, 2"],
    }


def spoiled(number: int, seed: int) -> tuple[str, bytes]:
    """Return a case by its number: what the file is called, and its content."""
    files, random = seeds(), Random(f"{seed} {number}")
    name = list(files)[number % len(files)]
    data = bytearray(random.choice(files[name]))
    for _ in range(random.randrange(3)):
        place = random.randrange(len(data) + 1)
        data[place : place + random.choice((0, 0, 1, 5))] = random.choice(PIECES)
    other = random.choice(files[random.choice(list(files))])
    return name, mutate(bytes(data), other, random) if random.random() < 0.8 else bytes(data)


def judge(name: str, content: bytes, folder: Path) -> tuple[str, str]:
    """Return why a file is refused, "" when it is read; and "" for what is wrong about that.

    Nothing but an error of our own may come out, with words for people.
    """
    path = folder / name
    for old in folder.iterdir():
        old.unlink()
    if "idx" in name:  # images without labels are none
        other = name.replace("images-idx3", "*").replace("labels-idx1", "images-idx3").replace("*", "labels-idx1")
        (folder / other).write_bytes(seeds()[other][0])
    path.write_bytes(content)
    try:
        _read(path, folder)
    except ConvstageError as error:
        words = str(error)
        return words, "" if words.strip() and len(words) < 2000 else f"no words for people: {words[:300]!r}"
    return "", ""


def _read(path: Path, folder: Path) -> None:
    if path.name.startswith("split"):
        read_split_file(path, NAMES)
    elif path.name == "filter":
        parse_kernel(path.read_bytes().decode("utf-8", "surrogateescape"))
    else:
        source = find_source(folder if "idx" in path.name else path)
        for index in range(min(OPENED, len(source.items))):
            try:
                source.open(source.read(index))
            except (ConvstageError, OSError):
                continue  # such files are listed as unreadable


def judge_spoiled(seed: int, number: int) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return judge(*spoiled(number, seed), Path(folder))


def judge_made(made: list[tuple[str, Path]], number: int) -> tuple[str, str]:
    """Judge a file that lies somewhere, under the name that it should have."""
    name, place = made[number]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        os.link(place, path) if place.parent.stat().st_dev == Path(folder).stat().st_dev else path.symlink_to(place)
        try:
            _read(path, Path(folder))
        except ConvstageError as error:
            return str(error), ""
    return "", ""


def task_of_cases(seed: int) -> partial[tuple[str, str]]:
    return partial(judge_spoiled, seed)


def task_of_files(made: list[tuple[str, Path]]) -> partial[tuple[str, str]]:
    return partial(judge_made, made)

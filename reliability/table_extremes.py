"""Tables and arrays that are as costly as they can be: bombs, headers that lie, lists without end."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO

import numpy as np

from convstage.data.bounds import MAX_CLASSES, MAX_IMAGES
from table_cases import IMAGES, LABELS, arrays

ONE_MEGABYTE = b"0" * 2**20

Made = tuple[str, bytes]


def npy(shape: tuple[int, ...], content: bytes, kind: str = "|u1") -> bytes:
    """Return an array's file whose header says what it likes."""
    head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


def npz(**members: bytes) -> Made:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return "data.npz", buffer.getvalue()


def idx_bomb() -> Made:
    head = struct.pack(">BBBBIII", 0, 0, 8, 3, 1_500_000, 28, 28)
    return "train-images-idx3-ubyte.gz", gzip.compress(head + bytes(1_500_000 * 784), 1)


def many_rows(count: int, classes: int) -> Made:
    return "data.csv", b"path,label\n" + b"".join(b"%d,%d\n" % (n, n % classes) for n in range(count))


EXTREMES: dict[str, Callable[[], Made]] = {
    "CSV too many images": lambda: many_rows(MAX_IMAGES + 1, 2),
    "CSV most classes": lambda: many_rows(MAX_CLASSES, MAX_CLASSES),
    "CSV too many classes": lambda: many_rows(300_000, 300_000),
    "CSV one line": lambda: ("data.csv", ONE_MEGABYTE * 200),
    "CSV one line of emoji": lambda: ("data.csv", "🙂".encode() * 50_000_000),
    "CSV columns": lambda: ("data.csv", b"path,label" + b"," * 1_000_000 + b"\na,b\n"),
    "CSV columns in all lines": lambda: ("data.csv", b"path,label" + (b"," * 9000 + b"\n") * 9000),
    "CSV open quotation": lambda: ("data.csv", b'path,label\n"' + b"a\n" * 50_000_000),
    "CSV too long": lambda: ("data.csv", b"path,label\n" + ONE_MEGABYTE * 300),
    "CSV zeros": lambda: ("data.csv", bytes(100_000_000)),
    "CSV /dev/zero": lambda: ("data.csv", b"path,label\n/dev/zero,a\n/dev/random,b\n/proc/self/mem,b\n/dev/stdin,b\n"),
    "NPZ header of petabytes": lambda: npz(images=npy((10**6, 10**5, 10**4), b"few"), labels=npy((10**6,), b"few")),
    "NPZ header of gigabytes": lambda: npz(images=npy((3, 40_000, 40_000), b"few"), labels=npy((3,), b"abc")),
    "NPZ negative": lambda: npz(images=npy((-1, -6, -5), b"few"), labels=npy((3,), b"abc")),
    "NPZ nested header": lambda: npz(images=npy((), b"", "(" * 3000), labels=npy((3,), b"abc")),
    "NPZ unpacks": lambda: npz(images=npy((2, 20_000, 20_000), bytes(800_000_000)), labels=npy((2,), b"ab")),
    "NPZ many large": lambda: npz(**{f"more{n}": npy((60_000_000,), bytes(60_000_000)) for n in range(20)},
                                  images=npy((2, 2, 2), b"abcdefgh"), labels=npy((2,), b"ab")),
    "NPZ too many images": lambda: npz(images=npy((9_000_000, 1, 1), bytes(9_000_000)),
                                       labels=npy((9_000_000,), bytes(9_000_000))),
    "NPZ wide labels": lambda: npz(images=npy((2, 2, 2), b"abcdefgh"),
                                   labels=npy((2,), bytes(80_000_000), "<U10000000")),
    "NPZ labels of records": lambda: ("data.npz", arrays(images=IMAGES, labels=np.zeros(8, "i4,i4"))),
    "NPZ labels of times": lambda: ("data.npz", arrays(images=IMAGES, labels=LABELS.astype("M8[s]"))),
    "NPZ labels that are no numbers": lambda: ("data.npz", arrays(images=IMAGES, labels=np.array([np.nan, 1] * 4))),
    "NPZ complex": lambda: ("data.npz", arrays(images=IMAGES, labels=LABELS * 1j)),
    "IDX unpacks": idx_bomb,
    "split nested": lambda: ("split.json", b"[" * 1_000_000),
    "split digits": lambda: ("split.json", b'{"images": ' + b"9" * 1_000_000 + b"}"),
    "filter": lambda: ("filter", b"1 " * 5_000_000),
    "filter rows": lambda: ("filter", b"1;" * 2_000_000),
    "filter characters": lambda: ("filter", b"x" * 20_000_000),
}  # fmt: skip

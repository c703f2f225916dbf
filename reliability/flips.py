"""Every turned bit and every cut of a tensor file is noticed, within twice the file's size of memory.

A tiny network is trained; bits of its model.safetensors and last.safetensors are turned one at a time, every bit
of the headers among them, and the files are cut off at random lengths. Reading each must end with `RunError`.
Memory is measured in a process of its own that reads one large file, and one whose header claims to be huge.

    python reliability/flips.py [--flips 10000] [--cuts 1000] [--mebibytes 64] [--seconds 600] [--result FILE]
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from convstage import RunError
from convstage.files import read_tensors
from outcome import end, parser

#: Reads files in a process of its own; prints by how many bytes its peak has grown with each, and what was said.
_READ = r"""
import re, sys, torch
from pathlib import Path
import safetensors.torch  # the libraries themselves are no part of the measurement
from convstage.files import read_tensors, write_tensors
from convstage import RunError
write_tensors(sys.argv[1], {"a": torch.ones(1)})
read_tensors(sys.argv[1])
# Not ru_maxrss: a process starts with that of its parent.
peak = lambda: int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
for path in sys.argv[2:]:
    before, said = peak(), ""
    try:
        read_tensors(path)
    except RunError as error:
        said = str(error)
    print((peak() - before) * 1024, said)
"""


@dataclass
class Tally:
    """What was changed, and which changes were not noticed, or noticed with another error."""

    flips: int = 0
    of_header: int = 0
    cuts: int = 0
    problems: list[str] = field(default_factory=list)

    def read(self, path: Path, what: str) -> None:
        """Read a changed file, which must be refused in one way."""
        try:
            read_tensors(path)
        except RunError as error:
            if not str(error).startswith(f"{path} "):
                self.problems.append(f"{what}: the message does not name the file: {error}")
        except BaseException as error:
            self.problems.append(f"{what}: {type(error).__name__}: {error}")
        else:
            self.problems.append(f"{what}: not noticed")


def header_size(content: bytes) -> int:
    """Return how long the length and the header of a tensor file are."""
    return 8 + struct.unpack("<Q", content[:8])[0]


def flip(path: Path, scratch: Path, count: int, random: Random, tally: Tally, in_time: Callable[[], bool]) -> None:
    """Turn bits of a file, one at a time: every bit of its header as far as `count` goes, the others at random."""
    content = path.read_bytes()
    header = 8 * header_size(content)
    bits = random.sample(range(header), min(count // 2, header))
    bits += [random.randrange(header, 8 * len(content)) for _ in range(count - len(bits))]
    for bit in bits:
        if not in_time():
            return
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        scratch.write_bytes(damaged)
        tally.read(scratch, f"{path.name}, bit {bit % 8} of byte {bit // 8}")
        tally.flips += 1
        tally.of_header += bit < header


def cut(path: Path, scratch: Path, count: int, random: Random, tally: Tally, in_time: Callable[[], bool]) -> None:
    """Cut a file off, mostly anywhere, often within its header."""
    content = path.read_bytes()
    header = header_size(content)
    for number in range(count):
        if not in_time():
            return
        length = random.randrange(header if number % 4 == 0 else len(content))
        scratch.write_bytes(content[:length])
        tally.read(scratch, f"{path.name}, {length} of {len(content)} bytes")
        tally.cuts += 1


# ------------------------------------------------------------- memory


def grown(paths: list[Path]) -> list[tuple[int, str]]:
    """Return by how many bytes the peak of a process grows with each of some files, and why each was refused, if so."""
    small = paths[0].with_name("small.safetensors")
    command = [sys.executable, "-c", _READ, small, *paths]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    told = [line.partition(" ") for line in lines]
    return [(int(growth), said) for growth, _, said in told]


def boasting(folder: Path) -> dict[str, Path]:
    """Return small files whose headers claim to be huge, by what they claim."""

    def file(name: str, header: bytes, length: int | None = None, values: bytes = b"") -> Path:
        path = folder / f"{name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + values)
        return path

    def tensor(shape: list[int], size: int) -> bytes:
        return json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()

    return {
        "header of 2⁶³ bytes": file("header", b"{}", 2**63),
        "header of 2⁶⁴ - 1 bytes": file("longest", b"{}", 2**64 - 1),
        "header of 90 MB": file("header90", b"{}", 90_000_000),
        "tensor of 1 TiB": file("tensor", tensor([2**38], 2**40), values=bytes(64)),
        "shape whose size overflows": file("overflow", tensor([2**62, 2**62], 64), values=bytes(64)),
        "shape of 2⁶⁴ cells": file("cells", tensor([2**32, 2**32], 64), values=bytes(64)),
        "negative shape": file("negative", tensor([-16], 64), values=bytes(64)),
        "offsets backwards": file("backwards", tensor([16], -64), values=bytes(64)),
        "nested 100,000 deep": file("nested", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    }


def memory(folder: Path, mebibytes: int, problems: list[str]) -> dict[str, float]:
    """Return how much a process grows that reads a large file, as a multiple of the file; and boasting ones, in MiB."""
    import torch

    from convstage.files import write_tensors

    large = folder / "large.safetensors"
    write_tensors(large, {f"{number}": torch.rand(2**18) for number in range(mebibytes)})
    boasts = boasting(folder)
    # The large one last: a peak hides whatever comes after it.
    *others, (growth, said) = grown([*boasts.values(), large])
    share = growth / large.stat().st_size
    if share > 2 or said:
        problems.append(f"reading {mebibytes} MiB grows by {share:.2f} times as much: {said or 'too much'}")
    for (what, path), (of_boast, why) in zip(boasts.items(), others, strict=True):
        if not why or of_boast > 2 * path.stat().st_size + 2**20:
            problems.append(f"{what}: grown by {of_boast / 2**20:.1f} MiB; {why or 'not refused'}")
    return {
        f"reading {mebibytes} MiB, growth in file sizes": round(share, 2),
        "boasting files, growth in MiB at most": round(max(other for other, _ in others) / 2**20, 1),
    }


def run() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--flips", type=int, default=10_000)
    flags.add_argument("--cuts", type=int, default=1_000)
    flags.add_argument("--mebibytes", type=int, default=64, help="size of the file that memory is measured with")
    asked = flags.parse_args()
    began, random, tally = time.monotonic(), Random(asked.seed), Tally()

    def in_time() -> bool:
        return time.monotonic() - began < asked.seconds

    with tempfile.TemporaryDirectory() as scratch:
        import convstage

        folder = Path(scratch)
        made = convstage.train(
            "digits",
            pattern="INPUT -> CONV(2) -> BN -> RELU -> POOL(4) -> CLASSIFIER",
            epochs=1,
            audit=False,
            report=False,
            out=folder,
        )
        for name in ("model.safetensors", "last.safetensors"):
            flip(made.path / name, folder / name, asked.flips // 2, random, tally, in_time)
            cut(made.path / name, folder / name, asked.cuts // 2, random, tally, in_time)
        figures = memory(folder, asked.mebibytes, tally.problems)
    if tally.flips < asked.flips // 2 * 2 or tally.cuts < asked.cuts // 2 * 2:
        tally.problems.append(f"the time was up after {tally.flips} flips and {tally.cuts} cuts")
    counts = {"flips": tally.flips, "of these in headers": tally.of_header, "cuts": tally.cuts}
    end(asked.result, "turned bits and cuts of tensor files", {**counts, **figures}, tally.problems, began)


if __name__ == "__main__":
    run()

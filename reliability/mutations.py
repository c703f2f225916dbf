"""What spoils a file: bits, lengths, parts in another order, two files in one.

`mutate` is a function of its random generator alone, so that a case can be made again from its number.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

#: Numbers that lengths, offsets and sizes are set to.
EXTREMES = (0, 1, 2, 3, 127, 128, 255, 256, 4095, 30_000, 32_767, 32_768, 65_500, 65_535, 65_536, 2**24, 2**31 - 1,
            2**31, 2**32 - 16, 2**32 - 1)  # fmt: skip
#: How the numbers may be stored.
STORED = (">H", "<H", ">I", "<I", "B", ">Q")
#: Headers, where a change does most, are within so many bytes.
HEADER = 64
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Most changes to one file.
MOST_CHANGES = 4
#: No case is longer, however often its parts were repeated.
LONGEST = 1 << 20

Change = Callable[[bytearray, bytes, Random], bytes | bytearray]


def mutate(data: bytes, other: bytes, random: Random) -> bytes:
    """Return a spoiled copy of a file; `other` is one of another kind, of which it may get a part."""
    changed: bytes | bytearray = bytearray(data)
    for _ in range(random.randint(1, MOST_CHANGES)):
        changed = random.choice(CHANGES)(bytearray(changed), other, random)[:LONGEST]
    if changed[:8] == PNG_SIGNATURE and random.random() < 0.7:
        # With the old checksums nearly all changes would end at the first test.
        changed = b"".join([PNG_SIGNATURE, *map(_with_checksum, _chunks(bytes(changed)))])
    return bytes(changed)


def _place(data: bytearray, random: Random) -> int:
    """Return a place in the file, in its header as often as behind it."""
    return random.randrange(max(1, min(len(data), HEADER) if random.random() < 0.5 else len(data)))


def _flip(data: bytearray, _other: bytes, random: Random) -> bytearray:
    for _ in range(random.choice((1, 1, 2, 8, 64)) if data else 0):
        data[_place(data, random)] ^= 1 << random.randrange(8)
    return data


def _set(data: bytearray, _other: bytes, random: Random) -> bytearray:
    if data:
        data[_place(data, random)] = random.choice((0, 255, random.randrange(256)))
    return data


def _number(data: bytearray, _other: bytes, random: Random) -> bytearray:
    """Set a number, as a length or a size may be."""
    stored = random.choice(STORED)
    size, place = struct.calcsize(stored), _place(data, random)
    if place + size <= len(data):
        value = random.choice((*EXTREMES, len(data), len(data) - place, random.randrange(2**32)))
        data[place : place + size] = struct.pack(stored, value & ((1 << 8 * size) - 1))
    return data


def _cut(data: bytearray, _other: bytes, random: Random) -> bytearray:
    return data[: _place(data, random)]


def _part(data: bytes | bytearray, random: Random) -> slice:
    start = random.randrange(len(data) + 1)
    return slice(start, start + random.choice((1, 2, 4, 16, 100, 1000)))


def _insert(data: bytearray, _other: bytes, random: Random) -> bytearray:
    place = random.randrange(len(data) + 1)
    data[place:place] = random.choice((random.randbytes(random.randint(1, 40)), bytes(200), b"\xff" * 200))
    return data


def _delete(data: bytearray, _other: bytes, random: Random) -> bytearray:
    del data[_part(data, random)]
    return data


def _copy(data: bytearray, _other: bytes, random: Random) -> bytearray:
    """Put a part of the file somewhere else, over what was there or between it, perhaps many times."""
    part = data[_part(data, random)]
    place = random.randrange(len(data) + 1)
    data[place : place + random.choice((0, len(part)))] = part * random.choice((1, 1, 1, 50))
    return data


def _splice(data: bytearray, other: bytes, random: Random) -> bytes:
    """Go on with another file, or put a part of it in."""
    cut = random.randrange(len(data) + 1)
    return random.choice((
        bytes(data[:cut]) + other[random.randrange(len(other)) :],
        bytes(data[:cut]) + other[_part(other, random)] + bytes(data[cut:]),
        other[: random.randrange(len(other))] + bytes(data[cut:]),
    ))  # fmt: skip


def _join(data: bytearray, other: bytes, random: Random) -> bytes:
    return random.choice((bytes(data) * 2, bytes(data) + other, other + bytes(data)))


def _reorder(data: bytearray, _other: bytes, random: Random) -> bytes:
    """Move, repeat or drop one of the parts that the format has."""
    head, parts = _parts(bytes(data))
    if parts:
        part = parts.pop(random.randrange(len(parts)))
        for _ in range(random.choice((0, 1, 1, 2, 300))):
            parts.insert(random.randrange(len(parts) + 1), part)
    return head + b"".join(parts)


CHANGES: tuple[Change, ...] = (
    _flip, _flip, _set, _number, _number, _number, _cut, _insert, _delete, _copy, _splice, _join, _reorder, _reorder
)  # fmt: skip


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return what comes before the parts of a file, and the parts: chunks, segments, entries, or blocks."""
    if data[:8] == PNG_SIGNATURE:
        return PNG_SIGNATURE, _chunks(data)
    if data[:2] == b"\xff\xd8":
        first, *rest = data.split(b"\xff")
        return first, [b"\xff" + part for part in rest]
    if data[:4] in (b"II*\0", b"MM\0*") and len(data) > 8:
        order = "<" if data[:1] == b"I" else ">"
        (at,) = struct.unpack(order + "I", data[4:8])
        (count,) = struct.unpack(order + "H", data[at : at + 2]) if at + 2 <= len(data) else (0,)
        if 0 < count < 100:  # Pillow and others write the entries behind the picture
            entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
            return data[: at + 2], [*entries, data[at + 2 + 12 * count :]]
    if data[:4] == b"RIFF":
        return data[:12], _riff(data)
    return b"", [data[start : start + 32] for start in range(0, len(data), 32)]


def _chunks(data: bytes) -> list[bytes]:
    """Return the chunks of a PNG file, each with length, name and checksum, and at the end whatever is left."""
    found, place = [], len(PNG_SIGNATURE)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            break
        found.append(data[place:end])
        place = end
    return [*found, data[place:]]


def _with_checksum(chunk: bytes) -> bytes:
    if len(chunk) < 12:
        return chunk
    return chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4]))


def _riff(data: bytes) -> list[bytes]:
    found, place = [], 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        found.append(data[place:end])
        place = end
    return found

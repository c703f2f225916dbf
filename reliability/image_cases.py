"""Spoiled images by number, and the property that all files have: accepted, or refused with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from random import Random

from convstage.data.content import read_file
from convstage.data.images import describe, is_coloured, open_image, to_pixels
from convstage.errors import DataError
from image_seeds import seeds
from mutations import mutate

#: Height and width that images are brought to.
SIZE = (6, 5)


@cache
def _seeds() -> dict[str, list[bytes]]:
    return seeds()


def kinds() -> list[str]:
    """Return the formats, in the order in which the cases go through them."""
    return list(_seeds())


def spoiled(number: int, seed: int) -> tuple[str, bytes]:
    """Return a case by its number: the format that it was made from, and its content."""
    files, random = _seeds(), Random(f"{seed} {number}")
    kind = kinds()[number % len(files)]
    other = random.choice(files[random.choice(kinds())])
    return kind, mutate(random.choice(files[kind]), other, random)


def judge(data: bytes) -> tuple[str, str]:
    """Return why a file is refused, "" when it is accepted; and what is wrong about that, "" when nothing is.

    Nothing but `DataError` may come out; everything else does, for the caller to see.
    """
    headers = reason = ""
    try:
        facts = describe(data)
    except DataError as error:
        headers = str(error)
    try:
        image = open_image(data)
        pixels = [to_pixels(image, channels, SIZE) for channels in ("colour", "grey", "binary")]
        coloured = is_coloured(image)
    except DataError as error:
        reason = str(error)
        return reason, wrong_words(reason)
    if headers:
        return "", f"it is read, but not described: {headers}"
    if {facts.width, facts.height} != {image.width, image.height}:
        return "", f"described as {facts.width}×{facts.height}, but {image.width}×{image.height}"
    if [part.shape for part in pixels] != [(*SIZE, 3), (*SIZE, 1), (*SIZE, 1)] or coloured not in (True, False):
        return "", "other pixels than were asked for"
    return "", ""


def wrong_words(reason: str) -> str:
    """Return what is wrong with a reason; "" when people can be told so."""
    if not reason.strip() or len(reason) > 400 or not reason.isprintable():
        return f"no words for people: {reason[:200]!r}"
    if "MemoryError" in reason or "Traceback" in reason:
        return f"asks for too much: {reason}"
    return ""


def judge_spoiled(seed: int, number: int) -> tuple[str, str]:
    return judge(spoiled(number, seed)[1])


def judge_file(paths: Sequence[Path], number: int) -> tuple[str, str]:
    try:
        return judge(read_file(paths[number]))
    except OSError as error:
        return str(error.strerror), ""


def task_of_cases(seed: int) -> partial[tuple[str, str]]:
    return partial(judge_spoiled, seed)


def task_of_files(paths: Sequence[Path]) -> partial[tuple[str, str]]:
    return partial(judge_file, paths)

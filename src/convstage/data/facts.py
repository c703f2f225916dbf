"""Facts about every image file: what the audit works from, found in one pass over the data.

All files are decoded once, by threads; what is kept of each is a few numbers, a digest
of its pixels, a small grey thumbnail and the lowest frequencies. Facts are cached by content beside the pixel
cache, in one file.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..files import atomic_path
from . import cache
from .cache_folder import cache_folder, make_room, mark_used
from .formats import Source
from .images import describe, to_pixels
from .reading import digests, each

#: Part of every key, beside the version of decoding: raise it when other facts are kept.
VERSION = 1
#: Side of the thumbnails. Twice as large ones told the shortcut probe no more, and took it twice as long.
SIDE = 48
#: Lowest frequencies that are kept in each direction.
FREQUENCIES = 8
#: Of an image in the cache, about.
BYTES = SIDE * SIDE + 512
#: Grey values up to the first count as black, from the second on as white.
BLACK, WHITE = 5, 250


@dataclass(frozen=True)
class Facts:
    """What the items of a source are like. Arrays have an entry per item; those of unreadable ones are 0.

    Attributes
    ----------
    sha256 : list of str, length n
        Digest of every item's content.
    unreadable : dict of int to str
        Items that are no use, each with the reason.
    readable : ndarray of bool, shape (n,)
    digest : ndarray of uint8, shape (n, 32)
        SHA-256 of the decoded pixels: the same for one picture in two lossless formats.
    format, mode : ndarray of str, shape (n,)
        Of the file, as Pillow calls them; an item that is no file (of a ``.npz``) has format ``array``.
    bits, file_bytes : ndarray of int, shape (n,)
        Bits per channel; the file's length, 0 for what is no file.
    quality : ndarray of float, shape (n,)
        Mean luminance quantisation of a JPEG, the larger the coarser; NaN for all else.
    height, width : ndarray of int, shape (n,)
        Of the upright picture.
    mean, std : ndarray of float, shape (n,)
        Of the grey values 0..255.
    black, white : ndarray of float, shape (n,)
        Share of the pixels that are saturated, dark or bright.
    thumbnails : ndarray of uint8, shape (n, SIDE, SIDE)
        The grey picture, stretched.
    spectrum : ndarray of float, shape (n, FREQUENCIES, FREQUENCIES)
        The lowest frequencies of the grey picture; see `spectrum`.
    """

    sha256: list[str]
    unreadable: dict[int, str]
    readable: npt.NDArray[np.bool_]
    digest: npt.NDArray[np.uint8]
    format: npt.NDArray[np.str_]
    mode: npt.NDArray[np.str_]
    bits: npt.NDArray[np.int64]
    file_bytes: npt.NDArray[np.int64]
    quality: npt.NDArray[np.float64]
    height: npt.NDArray[np.int64]
    width: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    black: npt.NDArray[np.float64]
    white: npt.NDArray[np.float64]
    thumbnails: npt.NDArray[np.uint8]
    spectrum: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Image:
    """What is kept of one image; the fields are those of `Facts`."""

    digest: npt.NDArray[np.uint8]
    format: str
    mode: str
    bits: int
    file_bytes: int
    quality: float
    height: int
    width: int
    mean: float
    std: float
    black: float
    white: float
    thumbnails: npt.NDArray[np.uint8]
    spectrum: npt.NDArray[np.float32]


#: In place of an image that cannot be read.
NOTHING = _Image(
    digest=np.zeros(32, np.uint8),
    format="",
    mode="",
    bits=0,
    file_bytes=0,
    quality=float("nan"),
    height=0,
    width=0,
    mean=0.0,
    std=0.0,
    black=0.0,
    white=0.0,
    thumbnails=np.zeros((SIDE, SIDE), np.uint8),
    spectrum=np.zeros((FREQUENCIES, FREQUENCIES), np.float32),
)


def facts(source: Source) -> Facts:
    """Look at every file of a source once; what was looked at before comes from the cache.

    Raises
    ------
    DataError
        There is no place for the cache, or a file changed meanwhile.
    """
    count = len(source.items)
    sha256 = digests(source)
    key = hashlib.sha256(json.dumps([VERSION, cache.VERSION, sha256]).encode()).hexdigest()[:32]
    path = cache_folder() / f"{key}.facts"
    try:
        kept = _load(path, count)
        if kept is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            make_room(count * BYTES)
            kept = _look_at_all(source, sha256)
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **kept)  # type: ignore[arg-type]  # it takes no array for its option
        mark_used(path)
    except OSError as error:
        raise DataError(
            f"the cache of facts cannot be written: {error}.\nSet CONVSTAGE_CACHE to a folder with space for it."
        ) from None
    reasons = {int(index): str(reason) for index, reason in zip(kept.pop("items"), kept.pop("reasons"), strict=True)}
    return Facts(sha256=sha256, unreadable=reasons, **kept)


def _load(path: Path, count: int) -> dict[str, npt.NDArray[Any]] | None:
    """Return what the cache holds; None when it is not there, or damaged."""
    try:
        # NumPy leaves a file open that it has opened itself and cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            kept = {name: archive[name] for name in archive.files}  # which checks their checksums
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    return kept if len(kept["readable"]) == count else None


def _look_at_all(source: Source, sha256: list[str]) -> dict[str, npt.NDArray[Any]]:
    """Return the facts of every item, as arrays by name."""
    seen = list(each(source, sha256, lambda content: look_at(source, content), "Looking at images"))
    reasons = {index: image for index, image in enumerate(seen) if isinstance(image, str)}
    images = [NOTHING if isinstance(image, str) else image for image in seen]
    return {
        **{name: np.array([getattr(image, name) for image in images]) for name in asdict(NOTHING)},
        "readable": ~np.isin(np.arange(len(seen)), list(reasons)),
        "items": np.array(list(reasons), np.int64),
        "reasons": np.array(list(reasons.values()), np.str_),
    }


def look_at(source: Source, content: bytes) -> _Image:
    """Decode an item's content and return its facts."""
    image = source.open(content)
    size = (image.height, image.width)
    colour = to_pixels(image, "colour", size)
    grey = to_pixels(image, "grey", size)
    levels = np.bincount(grey.ravel(), minlength=256) / grey.size
    mean = float(levels @ np.arange(256))
    try:
        header = describe(content)
        file = header.format, header.mode, header.bits, header.file_bytes, header.quality
    except DataError:  # no file of its own, but a row of an array
        file = "array", image.mode, 8, 0, None
    kind, mode, bits, file_bytes, quality = file
    return _Image(
        digest=np.frombuffer(hashlib.sha256(f"{size}".encode() + colour.tobytes()).digest(), np.uint8),
        format=kind,
        mode=mode,
        bits=bits,
        file_bytes=file_bytes,
        quality=float("nan") if quality is None else quality,
        height=size[0],
        width=size[1],
        mean=mean,
        std=float(np.sqrt(levels @ (np.arange(256) - mean) ** 2)),
        black=float(levels[: BLACK + 1].sum()),
        white=float(levels[WHITE:].sum()),
        thumbnails=to_pixels(image, "grey", (SIDE, SIDE))[:, :, 0],
        spectrum=spectrum(grey[:, :, 0]),
    )


def spectrum(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the lowest frequencies of a picture: its discrete cosine transform (DCT-II; Ahmed et al. 1974), cut off.

    Taken at the picture's own resolution: interpolation would weaken the frequencies of a
    small picture, and a resized one would look less like its original.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)

    Returns
    -------
    ndarray of float, shape (FREQUENCIES, FREQUENCIES)
        Of the mean of the pixels, not of their sum, so that the size does not matter.
    """
    down, across = (_cosines(length) for length in grey.shape)
    return np.asarray(down @ grey.astype(np.float32) @ across.T, np.float32)


@lru_cache(maxsize=64)
def _cosines(length: int) -> npt.NDArray[np.float32]:
    """Return the lowest cosines over a length, orthogonal, of mean square 1: (FREQUENCIES, length), divided by it."""
    frequency, place = np.arange(FREQUENCIES)[:, None], np.arange(length)
    cosines = np.cos(np.pi * frequency * (2 * place + 1) / (2 * length)) * np.where(frequency, np.sqrt(2), 1)
    cosines[length:] = 0  # a short side has no more than its length
    return (cosines / length).astype(np.float32)

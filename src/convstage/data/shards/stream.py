"""Images that are read and decoded when they are asked for, by threads that know what comes next."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ..images import to_pixels
from ..preprocess import Geometry
from .order import Ints
from .source import Shards

#: Bytes of decoded pixels that are held ready, and batches at most; one batch always is.
AHEAD_BYTES, AHEAD_BATCHES = 64 * 1024**2, 16

Pixels = npt.NDArray[np.uint8]


class Streamed:
    """An array of images, shape (n, height, width, channels), of which nothing is in memory but what comes next.

    Indexed by a number or by an array of them. Safe to use from several threads.

    Parameters
    ----------
    source : Shards
        Where the images lie.
    rows : ndarray of int, shape (n,)
        Which of its images these are.
    geometry : Geometry
        How they become pixels.
    threads : int, optional
        Threads that read and decode; as many as there are processors.
    """

    ndim = 4

    def __init__(self, source: Shards, rows: Ints, geometry: Geometry, threads: int | None = None) -> None:
        self.source, self.rows, self.geometry = source, rows, geometry
        self.threads = threads or os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="shards")
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        self._lock = threading.Lock()
        self._plan: list[Ints] = []
        self._place: dict[bytes, int] = {}
        self._ready: dict[bytes, list[Future[Pixels]]] = {}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of images, height, width, channels."""
        return len(self.rows), *self.geometry.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Pixels:
        """Return an image, shape (height, width, channels), or several, (n, height, width, channels).

        Raises
        ------
        DataError
            An image that could be read before cannot be any more; the message names it.
        """
        rows = np.asarray(index, np.int64)
        if rows.ndim == 0:
            image: Pixels = self._load(rows[None])[0]
            return image
        with self._lock:
            key = rows.tobytes()
            parts = self._ready.pop(key, None) or self._start(rows)
            place = self._place.get(key)
            if place is not None:
                for batch in islice(self._plan, place + 1, place + 1 + self._ahead(len(rows))):
                    if batch.tobytes() not in self._ready:
                        self._ready[batch.tobytes()] = self._start(batch)
        return np.concatenate([part.result() for part in parts]) if parts else np.empty((0, *self.shape[1:]), np.uint8)

    def expect(self, batches: Iterable[npt.NDArray[np.int64]]) -> None:
        """Take note of the order in which batches will be asked for; reading ahead begins at the first that is."""
        with self._lock:
            self._plan = [np.asarray(batch, np.int64) for batch in batches]
            self._place = {batch.tobytes(): place for place, batch in enumerate(self._plan)}
            for key in [key for key in self._ready if key not in self._place]:
                for part in self._ready.pop(key):
                    part.cancel()

    def places(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return in which shard some images lie, and where in it."""
        items = self.rows[rows]
        return self.source.shard[items], self.source.offset[items]

    def _ahead(self, images: int) -> int:
        """Return how many batches of a size are held ready."""
        size = max(1, images) * int(np.prod(self.geometry.shape))
        return max(1, min(AHEAD_BATCHES, AHEAD_BYTES // size))

    def _start(self, rows: Ints) -> list[Future[Pixels]]:
        """Let the threads read a batch, in as many parts as there are threads."""
        parts = np.array_split(rows, min(len(rows), self.threads)) if len(rows) else []
        return [self._pool.submit(self._load, part) for part in parts]

    def _load(self, rows: Ints) -> Pixels:
        """Read and decode some images."""
        pixels = np.empty((len(rows), *self.geometry.shape), np.uint8)
        for place, item in enumerate(self.rows[rows].tolist()):
            content = self.source.read(item)
            try:
                image = self.source.open(content)
                pixels[place] = to_pixels(image, self.geometry.channels, self.geometry.size, self.geometry.resize)
            except DataError as error:
                raise DataError(
                    f"{self.source.words(item)} could be decoded when the shard was listed, and cannot be now: {error}."
                ) from None
        return pixels

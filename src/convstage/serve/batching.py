"""Predictions of several clients as one batch: the work of a call is shared, the answers are the same."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..predict import Classifier, batch_for

if TYPE_CHECKING:
    from .metrics import Metrics

Pixels = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float64]

#: Seconds after which somebody who was refused may come again: never less, never more.
SOONEST, LATEST = 1, 10


class Overloaded(Exception):
    """More images wait than are taken; come again later.

    Parameters
    ----------
    reason : str
        What is the matter, for people.
    retry_after : int
        Seconds.
    """

    def __init__(self, reason: str, retry_after: int = SOONEST) -> None:
        self.retry_after = retry_after
        super().__init__(f"{reason}\nTry again in {retry_after} s.")


@dataclass(slots=True)
class _Asked:
    """Images of one caller, (n, height, width, channels), and who waits for their probabilities."""

    pixels: Pixels
    answer: asyncio.Future[Probabilities]


class Batcher:
    """Collects the images of concurrent callers, and predicts them together in one thread.

    While a batch is being worked on, the next one gathers. It then waits a few milliseconds for as
    many callers as the last one had, so that a single client never waits.
    An image's probabilities do not depend on what else is in its batch.

    Parameters
    ----------
    classifier : Classifier
        What predicts.
    window_s : float
        Seconds that a batch waits for more images.
    most : int
        Images of a batch; fewer where their feature maps would take too much memory.
    queue : int
        Images that may wait.
    metrics : Metrics, optional
        Is told the size of every batch, and how many images wait.

    Notes
    -----
    For one event loop at a time. Callers that were cancelled, because their client has gone, are
    dropped before they cost anything.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        window_s: float = 0.003,
        most: int = 32,
        queue: int = 256,
        metrics: Metrics | None = None,
    ) -> None:
        self.classifier = classifier
        self.window_s = window_s
        self.most = max(1, min(most, batch_for(classifier.plan)))
        self.queue = queue
        self._metrics = metrics
        self._waiting: deque[_Asked] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="convstage-predict")
        self._work: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._draining = False
        self._expected = 1
        self._seconds_each = 0.0
        if metrics is not None:
            metrics.follow_queue(lambda: self.queued)

    @property
    def queued(self) -> int:
        """Number of images that wait for their turn."""
        return sum(len(asked.pixels) for asked in self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next image would be refused."""
        return self._draining or self.queued >= self.queue

    async def predict(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities, shape (classes,), of an image (height, width, channels).

        Raises
        ------
        Overloaded
            Too many images wait already, or the server stops.
        ValueError
            The image has not the shape that the network takes.
        """
        return np.asarray((await self.predict_all(pixels[None]))[0])

    async def predict_all(self, pixels: Pixels) -> Probabilities:
        """Return the probabilities, shape (n, classes), of images (n, height, width, channels).

        All of them are taken, or none. More than fit into the queue are taken when nobody waits.

        Raises
        ------
        Overloaded, ValueError
            As `predict`.
        """
        plan = self.classifier.plan
        if pixels.dtype != np.uint8 or pixels.shape[1:] != plan.image:
            height, width, channels = plan.image
            raise ValueError(
                f"images are uint8 of shape (n, {height}, {width}, {channels}), not {pixels.dtype} {pixels.shape}."
            )
        if not len(pixels):
            return np.empty((0, len(self.classifier.classes)))
        self._admit(len(pixels))
        asked = _Asked(pixels, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._arrived.set()
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._until_empty())
        return await asked.answer

    async def drain(self) -> None:
        """Take no more images, and finish those that were taken."""
        self._draining = True
        self._arrived.set()
        while self._work is not None and not self._work.done():
            await asyncio.wait([self._work])
        self._thread.shutdown(wait=False)

    def _admit(self, images: int) -> None:
        """Raise `Overloaded` if there is no place for so many images."""
        if self._draining:
            raise Overloaded("the server is stopping.")
        queued = self.queued
        if queued and queued + images > self.queue:
            seconds = math.ceil(queued * self._seconds_each)
            raise Overloaded(
                f"{queued} images wait for their prediction, and {self.queue} may.", max(SOONEST, min(LATEST, seconds))
            )

    async def _until_empty(self) -> None:
        """Work until nobody waits; whoever comes later starts it anew."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather()
            batch = list(self._next())
            if not batch:
                continue
            # The pixels are put together in the thread: the loop has others to serve.
            began = time.perf_counter()
            try:
                rows = await loop.run_in_executor(self._thread, self._probabilities, batch)
            except Exception as error:
                for asked in batch:
                    _fail(asked.answer, error)
                continue
            except BaseException:  # the loop is being closed
                for asked in batch:
                    asked.answer.cancel()
                raise
            images = len(rows)
            self._note(images, time.perf_counter() - began)
            self._expected = len(batch)
            start = 0
            for asked in batch:
                stop = start + len(asked.pixels)
                if not asked.answer.done():
                    asked.answer.set_result(rows[start:stop])
                start = stop

    async def _gather(self) -> None:
        """Wait until as many callers are there as the last time, a batch is full, or the window is over."""
        until = time.perf_counter() + self.window_s
        while len(self._waiting) < self._expected and self.queued < self.most and not self._draining:
            left = until - time.perf_counter()
            if left <= 0:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _next(self) -> Iterator[_Asked]:
        """Take the next callers off the queue, in their order, as many as fit; those who have gone are dropped."""
        images = 0
        while self._waiting:
            asked = self._waiting[0]
            if images and images + len(asked.pixels) > self.most and not asked.answer.done():
                return
            self._waiting.popleft()
            if not asked.answer.done():
                images += len(asked.pixels)
                yield asked

    def _probabilities(self, batch: list[_Asked]) -> Probabilities:
        pixels = batch[0].pixels if len(batch) == 1 else np.concatenate([asked.pixels for asked in batch])
        return self.classifier.probabilities(pixels)

    def _note(self, images: int, seconds: float) -> None:
        each = seconds / images
        self._seconds_each = each if not self._seconds_each else 0.8 * self._seconds_each + 0.2 * each
        if self._metrics is not None:
            self._metrics.note_batch(images, seconds)


def _fail(answer: asyncio.Future[Probabilities], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)

"""What all routes share: the run, its network, the walks that are kept, and how heavy work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, TypeVar

import anyio.to_thread
import numpy as np
import numpy.typing as npt
from fastapi import Depends, Request

from ..pictures import Scale
from ..predict import Classifier
from ..run import Run
from ..subject import Subject
from ..walkthrough import Walk
from ..walkthrough.groups import groups_of
from ..walkthrough.steps import steps_of
from .batching import Batcher, Overloaded
from .images import RunImages
from .limits import Limits
from .metrics import Metrics, Readiness
from .problems import Problem, busy
from .store import Entry, Store, network_digest, walk_id

Floats = npt.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Context:
    """What all routes share.

    Attributes
    ----------
    run : Run
    classifier : Classifier
        The run's network.
    limits : Limits
    images : RunImages
    store : Store
        Walks that are kept.
    batcher : Batcher
        Runs images that are to be predicted together.
    metrics : Metrics
    readiness : Readiness
    network : str
        Digest of the network.
    heavy, quick : anyio.CapacityLimiter
        Threads for what takes long, and those for what does not, so that it need not wait for the former.
    """

    run: Run
    classifier: Classifier
    limits: Limits
    images: RunImages
    store: Store
    batcher: Batcher
    metrics: Metrics
    readiness: Readiness
    network: str
    heavy: anyio.CapacityLimiter
    quick: anyio.CapacityLimiter

    @classmethod
    def of(cls, run: Run, classifier: Classifier, limits: Limits, metrics: Metrics, readiness: Readiness) -> Context:
        """Return what the routes need to serve a run."""
        store = Store(limits.walks, limits.walk_bytes)
        metrics.follow_store(lambda: store.bytes)
        return cls(
            run=run,
            classifier=classifier,
            limits=limits,
            images=RunImages(run, classifier),
            store=store,
            batcher=Batcher(classifier, queue=limits.queue, metrics=metrics),
            metrics=metrics,
            readiness=readiness,
            network=network_digest(classifier),
            heavy=anyio.CapacityLimiter(limits.workers),
            quick=anyio.CapacityLimiter(limits.workers),
        )

    @cached_property
    def stages(self) -> list[tuple[str, str, list[str]]]:
        """Name, title and layers of everything that a walk shows together; found by walking a black image."""
        subject = Subject("", np.zeros(self.classifier.plan.image, np.uint8))
        groups = groups_of(steps_of(self.classifier, subject).values())
        return [(group.name, group.title, [step.name for step in group.steps]) for group in groups]

    def warm_up(self) -> None:
        """Do once what is slow the first time: load what paints, and run the network."""
        for scale in (Scale(-1.0, 1.0, True), Scale(0.0, 1.0, False)):
            scale.bar()
        assert self.stages

    async def work(self, function: Callable[..., T], *args: object) -> T:
        """Return what a function returns that takes long: a walk, evidence, a drawing; run in a thread.

        Raises
        ------
        Problem
            503: as much is waiting as may.
        """
        if self.heavy.statistics().tasks_waiting >= self.limits.waiting:
            raise busy(self.limits.retry_seconds)
        return await anyio.to_thread.run_sync(function, *args, limiter=self.heavy)

    async def soon(self, function: Callable[..., T], *args: object) -> T:
        """Return what a function returns that takes milliseconds: a decoded image, a picture of a map."""
        return await anyio.to_thread.run_sync(function, *args, limiter=self.quick)

    async def probabilities(self, images: list[npt.NDArray[np.uint8]]) -> Floats:
        """Return the probabilities, shape (n, classes), of images as the network reads them.

        Raises
        ------
        Problem
            503: as many wait as may.
        """
        try:
            return await self.batcher.predict_all(np.stack(images))
        except Overloaded as error:
            raise busy(error.retry_after, str(error)) from None

    def walk(self, subject: Subject) -> Entry:
        """Return the walk of an image, made anew or kept from before; takes long."""
        id = walk_id(self.network, subject.pixels_hwc)  # noqa: A001  # it is what it is called
        kept = self.store.get(id)
        if kept is not None:
            return kept
        made = Walk(self.run, subject, self.classifier, steps_of(self.classifier, subject), None, ())
        return self.store.put(Entry(id, made))

    def entry(self, id: str) -> Entry:  # noqa: A002  # it is what it is called
        """Return a walk that is kept.

        Raises
        ------
        Problem
            404: there is none of that id, or none any more.
        """
        entry = self.store.get(id)
        if entry is None:
            raise Problem(404, "there is no such walk, or none any more.\nSend the image again.")
        return entry


async def shared(request: Request) -> Context:
    """Return what all routes share."""
    context: Context = request.app.state.context
    return context


#: A parameter of a route.
Shared = Annotated[Context, Depends(shared)]

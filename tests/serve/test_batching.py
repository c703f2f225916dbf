"""Batches of concurrent callers: the same answers, bounded, nobody forgotten."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convstage.predict import Classifier, load
from convstage.serve.batching import Batcher, Overloaded
from convstage.serve.metrics import Metrics


@pytest.fixture(scope="module")
def classifier(trained) -> Classifier:
    return load(trained)


@pytest.fixture(scope="module")
def pixels(classifier: Classifier) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, *classifier.plan.image), dtype=np.uint8)


class Held:
    """A classifier that works when it is told to, and remembers the sizes of its batches."""

    def __init__(self, classifier: Classifier) -> None:
        self.plan, self.classes = classifier.plan, classifier.classes
        self.inner = classifier
        self.sizes: list[int] = []
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.fail = False

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        self.sizes.append(len(pixels))
        self.begun.release()
        assert self.go.acquire(timeout=20)
        if self.fail:
            raise MemoryError("not enough memory for these images.")
        return self.inner.probabilities(pixels)

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=20)


@pytest.fixture
def held(classifier: Classifier) -> Held:
    return Held(classifier)


async def ask(batcher: Batcher, pixels: np.ndarray) -> list[asyncio.Task]:
    """Ask for every image on its own, and let all of them arrive."""
    tasks = [asyncio.create_task(batcher.predict(one)) for one in pixels]
    await asyncio.sleep(0)
    return tasks


def test_one_image_alone_is_answered_as_offline(classifier, pixels) -> None:
    answer = asyncio.run(Batcher(classifier).predict(pixels[0]))
    np.testing.assert_array_equal(answer, classifier.probabilities(pixels[:1])[0])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.integers(1, 9), min_size=1, max_size=8), most=st.integers(1, 16))
def test_in_any_batch_the_answer_is_the_same(classifier, pixels, parts, most) -> None:
    offline = np.concatenate([classifier.probabilities(one[None]) for one in pixels])

    async def go() -> list[np.ndarray]:
        batcher = Batcher(classifier, most=most)
        bounds = np.cumsum([0, *parts]) % len(pixels)
        chosen = [np.arange(start, start + part) % len(pixels) for start, part in zip(bounds, parts, strict=False)]
        answers = await asyncio.gather(*(batcher.predict_all(pixels[one]) for one in chosen))
        for one, answer in zip(chosen, answers, strict=True):
            np.testing.assert_allclose(answer, offline[one], rtol=0, atol=1e-6)
        await batcher.drain()
        return answers

    assert [len(answer) for answer in asyncio.run(go())] == parts


def test_what_gathers_meanwhile_is_one_batch(held, classifier, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held)
        first = await ask(batcher, pixels[:1])
        await held.until_begun()
        rest = await ask(batcher, pixels[1:20])
        assert batcher.queued == 19
        held.go.release(2)
        answers = np.stack(await asyncio.gather(*first, *rest))
        np.testing.assert_allclose(answers, classifier.probabilities(pixels[:20]), rtol=0, atol=1e-6)

    asyncio.run(go())
    assert held.sizes == [1, 19]


def test_a_batch_is_no_larger_than_said_and_keeps_the_order(held, pixels) -> None:
    async def go() -> list[int]:
        batcher, done = Batcher(held, most=8), []
        tasks = []
        for number, images in enumerate((1, 3, 4, 5, 12, 2)):
            task = asyncio.create_task(batcher.predict_all(pixels[:images]))
            task.add_done_callback(lambda _, number=number: done.append(number))
            tasks.append(task)
            await asyncio.sleep(0)
        held.go.release(9)
        await asyncio.gather(*tasks)
        return done

    assert asyncio.run(go()) == [0, 1, 2, 3, 4, 5]
    # What is larger than a batch goes alone; nobody overtakes.
    assert held.sizes == [1, 7, 5, 12, 2]


def test_a_batch_waits_for_as_many_as_the_last_one_had(classifier, pixels) -> None:
    metrics = Metrics()

    async def go() -> None:
        batcher = Batcher(classifier, window_s=30, metrics=metrics)
        await asyncio.gather(*(batcher.predict(one) for one in pixels[:4]))
        tasks = await ask(batcher, pixels[:1])
        await asyncio.sleep(0.05)
        tasks += await ask(batcher, pixels[1:3])
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks)
        assert batcher.queued == 3
        tasks += await ask(batcher, pixels[3:4])
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(go(), 20))
    assert metrics.registry.get_sample_value("convstage_batch_images_bucket", {"le": "2.0"}) == 0
    assert metrics.registry.get_sample_value("convstage_batch_images_count") == 2
    assert metrics.registry.get_sample_value("convstage_images_predicted_total") == 8


def test_who_is_expected_and_does_not_come_is_waited_for_no_longer_than_the_window(classifier, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(classifier, window_s=0.05)
        await asyncio.gather(*(batcher.predict(one) for one in pixels[:4]))
        assert (await batcher.predict(pixels[0])).shape == (2,)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_a_single_client_never_waits(classifier, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(classifier, window_s=30)
        for one in pixels[:5]:
            await batcher.predict(one)

    asyncio.run(asyncio.wait_for(go(), 20))


def test_of_too_many_the_last_are_refused(held, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held, queue=5)
        tasks = await ask(batcher, pixels[:1])
        await held.until_begun()
        assert not batcher.full
        tasks += await ask(batcher, pixels[1:6])
        assert batcher.full
        with pytest.raises(
            Overloaded, match=r"5 images wait for their prediction, and 5 may.\nTry again in 1 s"
        ) as one:
            await batcher.predict(pixels[6])
        assert one.value.retry_after == 1
        held.go.release(2)
        assert len(await asyncio.gather(*tasks)) == 6
        assert not batcher.full

    asyncio.run(go())


def test_several_images_are_taken_or_not_as_a_whole(held, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held, queue=5)
        tasks = await ask(batcher, pixels[:1])
        await held.until_begun()
        tasks += await ask(batcher, pixels[:3])
        with pytest.raises(Overloaded):
            await batcher.predict_all(pixels[:3])
        assert batcher.queued == 3
        held.go.release(9)
        await asyncio.gather(*tasks)
        # More than the queue holds, when nobody waits.
        assert len(await batcher.predict_all(pixels[:20])) == 20

    asyncio.run(go())


def test_clients_that_have_gone_cost_nothing(held, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held)
        first = await ask(batcher, pixels[:1])
        await held.until_begun()
        gone, stays = await ask(batcher, pixels[1:3])
        first[0].cancel()
        gone.cancel()
        await asyncio.sleep(0)
        held.go.release(2)
        assert (await stays).shape == (2,)
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(go())
    assert held.sizes == [1, 1]


def test_an_error_reaches_those_of_its_batch_and_nobody_else(held, classifier, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held)
        held.fail = True
        tasks = await ask(batcher, pixels[:3])
        held.go.release()
        for task in tasks:
            with pytest.raises(MemoryError, match="not enough memory"):
                await task
        held.fail = False
        held.go.release()
        np.testing.assert_array_equal(await batcher.predict(pixels[0]), classifier.probabilities(pixels[:1])[0])

    asyncio.run(go())


def test_draining_finishes_what_was_taken_and_takes_no_more(held, pixels) -> None:
    async def go() -> None:
        batcher = Batcher(held, window_s=30)
        tasks = await ask(batcher, pixels[:1])
        await held.until_begun()
        tasks += await ask(batcher, pixels[1:4])
        drained = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        assert batcher.full
        with pytest.raises(Overloaded, match="the server is stopping"):
            await batcher.predict(pixels[0])
        assert not drained.done()
        held.go.release(9)
        await drained
        assert all(task.done() for task in tasks)

    asyncio.run(asyncio.wait_for(go(), 20))
    assert held.sizes == [1, 3]


@pytest.mark.parametrize("wrong", [np.zeros((24, 24), np.uint8), np.zeros((5, 24, 1), np.uint8), np.zeros((24, 24, 1))])
def test_other_shapes_are_refused_alone(classifier, pixels, wrong) -> None:
    async def go() -> None:
        batcher = Batcher(classifier)
        right, refused = await asyncio.gather(
            batcher.predict(pixels[0]), batcher.predict(wrong), return_exceptions=True
        )
        assert right.shape == (2,)
        assert str(refused).startswith("images are uint8 of shape (n, 24, 24, 1), not ")

    asyncio.run(go())


def test_it_serves_one_loop_after_the_other(classifier, pixels) -> None:
    batcher = Batcher(classifier)
    for _ in range(2):
        assert asyncio.run(batcher.predict_all(pixels[:0])).shape == (0, 2)
        assert asyncio.run(batcher.predict(pixels[0])).shape == (2,)

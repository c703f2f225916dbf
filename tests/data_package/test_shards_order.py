"""The order of streamed images: each once an epoch, near to how they lie, whoever shares the work."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convstage.data.shards.order import batches_near


@st.composite
def shards(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images in random order: numbers, shards, offsets."""
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=12))
    shard = np.repeat(np.arange(len(sizes)), sizes)
    offset = np.concatenate([np.arange(size) * 1000 + 512 for size in sizes])
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(shard))
    return order + 7, shard[order], offset[order]


def epoch(images: tuple, batch: int, seed: int, window: int = 50) -> list[np.ndarray]:
    count = -(-len(images[0]) // batch)
    return batches_near(*images, count, np.random.default_rng((seed, 0)), window)


@given(shards(), st.integers(1, 50), st.integers(0, 9), st.integers(1, 500))
def test_every_image_comes_once_an_epoch_in_batches_of_nearly_one_size(images, batch, seed, window) -> None:
    batches = epoch(images, batch, seed, window)
    assert_array_equal(np.sort(np.concatenate(batches)), np.sort(images[0]))
    count = -(-len(images[0]) // batch)
    assert [len(part) for part in batches] == [len(part) for part in np.array_split(images[0], count)]


@given(shards(), st.integers(1, 20), st.integers(0, 9))
def test_images_that_are_drawn_more_often_come_as_often(images, batch, seed) -> None:
    twice = tuple(np.concatenate([values, values[: len(values) // 2]]) for values in images)
    assert_array_equal(np.sort(np.concatenate(epoch(twice, batch, seed))), np.sort(twice[0]))


@given(shards(), st.integers(1, 50), st.integers(0, 9), st.integers(1, 9))
def test_the_shares_of_any_number_of_processes_are_all_of_it(images, batch, seed, size) -> None:
    batches = epoch(images, batch, seed)
    shares = [
        part[len(part) * rank // size : len(part) * (rank + 1) // size] for part in batches for rank in range(size)
    ]
    assert_array_equal(np.sort(np.concatenate(shares)), np.sort(images[0]))


@given(shards(), st.integers(2, 50), st.integers(0, 9), st.integers(2, 4))
def test_processes_read_different_shards(images, batch, seed, size) -> None:
    numbers, shard, _ = images
    of_image = dict(zip(numbers, shard, strict=True))
    batches = epoch(images, batch, seed)
    lanes = [{of_image[part[place]] for part in batches if place < len(part)} for place in range(len(batches[0]))]
    read = [
        {
            of_image[image]
            for part in batches
            for image in part[len(part) * rank // size : len(part) * (rank + 1) // size]
        }
        for rank in range(size)
    ]
    # Two of them meet at the lanes around a border only.
    widest = max(map(len, lanes))
    assert sum(map(len, read)) <= len(set(shard)) + (size - 1) * 2 * (widest + 1)


def test_equal_shards_are_shared_out_whole() -> None:
    shard, offset = np.divmod(np.arange(8 * 64), 64)
    batches = batches_near(np.arange(512), shard, offset, 32, np.random.default_rng(3))
    first, second = ({int(shard[image]) for part in batches for image in part[half]} for half in (np.s_[:8], np.s_[8:]))
    assert (len(first), len(second)) == (4, 4)
    assert not first & second


@given(st.integers(1, 300), st.integers(1, 30), st.integers(1, 400), st.integers(0, 9))
def test_each_place_of_a_batch_reads_on_within_its_window(n, batch, window, seed) -> None:
    images = np.arange(n), np.zeros(n, np.int64), np.arange(n)
    batches = epoch(images, batch, seed, window)
    width = max(1, window // len(batches[0]))
    for place in range(len(batches[0])):
        lane = [part[place] for part in batches if place < len(part)]
        where = np.argsort(np.argsort(lane))  # which of the lane's images, as they lie, comes at each step
        assert np.ptp(lane) == len(lane) - 1
        assert (np.abs(where - np.arange(len(lane))) < width).all()


@given(shards(), st.integers(1, 20), st.integers(0, 9))
def test_the_order_is_a_function_of_where_images_lie_and_of_the_seed(images, batch, seed) -> None:
    other = np.random.default_rng(1).permutation(len(images[0]))
    again = epoch(tuple(values[other] for values in images), batch, seed)
    assert all(np.array_equal(a, b) for a, b in zip(epoch(images, batch, seed), again, strict=True))


def test_epochs_and_seeds_differ() -> None:
    shard, offset = np.divmod(np.arange(400), 50)
    orders = [
        np.concatenate(batches_near(np.arange(400), shard, offset, 25, np.random.default_rng(key)))
        for key in ((0, 0), (0, 1), (1, 0))
    ]
    assert all((a != b).mean() > 0.9 for a, b in zip(orders, orders[1:] + orders[:1], strict=True))


def test_a_batch_holds_images_from_all_over_the_shards() -> None:
    shard, offset = np.divmod(np.arange(32 * 100), 100)
    batches = batches_near(np.arange(3200), shard, offset, 100, np.random.default_rng(0))
    assert np.mean([len(set(shard[part])) for part in batches]) == 32

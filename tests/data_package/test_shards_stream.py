"""Streamed images are those that the shards hold, read ahead within bounds, and checked as they are read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage import ConfigError, DataError
from convstage.data import Dataset, Geometry, choose_geometry, dataset, load_dataset, open_source, to_audit
from convstage.data.pixel_rows import PixelRows
from convstage.data.shards import source as shards_source
from convstage.data.shards import stream
from convstage.data.shards.stream import Streamed
from convstage.distributed import World
from support.datasets import assert_same, model_of
from support.shards import GEOMETRY, load, picture_folder, sharded


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return sharded(tmp_path, picture_folder(tmp_path / "data", (40, 40)), images=10)


def batches(dataset: Dataset, size: int = 8, seed: int = 0) -> list[np.ndarray]:
    rows = dataset.rows("train")
    random = np.random.default_rng(seed)
    return dataset.batches(random.permutation(rows), -(-len(rows) // size), random)


def reads(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by every image that is read."""
    images, read = [], shards_source.Shards.read

    def noted(self: shards_source.Shards, index: int) -> bytes:
        images.append(index)
        return read(self, index)

    monkeypatch.setattr(shards_source.Shards, "read", noted)
    return images


def settled(dataset: Dataset) -> None:
    """Wait until nothing is being read any more."""
    for parts in list(dataset.pixels.array._ready.values()):
        for part in parts:
            part.result()


def test_streamed_and_decoded_are_the_same_data(shards: Path) -> None:
    assert_same(load(shards, stream=True), load(shards, stream=False))


@pytest.mark.parametrize(
    "index",
    [2, -1, slice(None), slice(1, 3), slice(9, 12), np.array([3, 0, 0]), np.array([], np.int64), (slice(1, 3), 0)],
    ids=str,
)
def test_indexed_they_are_as_an_array(index, shards: Path) -> None:
    streamed, decoded = load(shards, stream=True), load(shards, stream=False)
    assert_array_equal(streamed.pixels.take(np.arange(20, 30))[index], np.asarray(decoded.pixels)[20:30][index])
    assert streamed.pixels.shape == decoded.pixels.shape
    assert streamed.pixels[index].dtype == np.uint8


@pytest.mark.parametrize("position", [0, 1, 4, 6])
def test_an_epoch_goes_on_at_any_step_with_what_was_left(
    position: int, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, begun = load(shards, stream=True), load(shards, stream=True)
    order = batches(whole)
    assert all(np.array_equal(a, b) for a, b in zip(order, batches(begun), strict=True))
    whole.expect(order)
    every = [whole.pixels[batch] for batch in order]
    images = reads(begun, monkeypatch)
    begun.expect(order)
    rest = [begun.pixels[batch] for batch in order[position:]]
    assert all(np.array_equal(a, b) for a, b in zip(every[position:], rest, strict=True))
    # No image is read that is not wanted any more, and none twice.
    assert len(images) == len(set(images)) == sum(map(len, order[position:]))


def test_processes_read_what_is_theirs_and_together_all(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = load(shards, stream=False)
    theirs = []
    for rank in range(3):
        data = load(shards, stream=True)
        order = batches(data)
        mine = [batch[World(rank, 3).share(len(batch))] for batch in order]
        images = reads(data, monkeypatch)
        data.expect(mine)
        for part in mine:
            assert_array_equal(data.pixels[part], decoded.pixels[part])
        settled(data)
        theirs.append(images)
        monkeypatch.undo()
    assert sorted(image for images in theirs for image in images) == sorted(
        data.pixels.array.rows[data.pixels.rows[data.rows("train")]]
    )


def test_no_more_is_read_ahead_than_memory_is_given_to(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(shards, stream=True)
    order = batches(data)
    monkeypatch.setattr(stream, "AHEAD_BYTES", 2 * 8 * 30)  # two batches of 8 images of 30 bytes
    decoded = load(shards, stream=False)
    images = reads(data, monkeypatch)
    data.expect(order)
    for number, batch in enumerate(order):
        assert_array_equal(data.pixels[batch], decoded.pixels[batch])
        settled(data)
        assert len(images) <= sum(map(len, order[: number + 3]))
        assert len(data.pixels.array._ready) <= 2
    assert not data.pixels.array._ready


def test_another_plan_forgets_the_one_before(shards: Path) -> None:
    data = load(shards, stream=True)
    first, second = batches(data), batches(data, seed=1)
    data.expect(first)
    data.pixels[first[0]]
    assert data.pixels.array._ready
    data.expect(second)
    assert not data.pixels.array._ready
    decoded = load(shards, stream=False)
    for batch in second:
        assert_array_equal(data.pixels[batch], decoded.pixels[batch])


def test_taken_in_turn_they_are_read_ahead(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(shards, stream=True)
    pixels = data.pixels.take(data.rows("val"))
    images = reads(data, monkeypatch)
    pixels[0:4]
    settled(data)
    assert len(images) == 8
    assert_array_equal(np.concatenate([pixels[start : start + 4] for start in range(4, 16, 4)]), np.asarray(pixels)[4:])


def test_many_threads_may_ask(shards: Path) -> None:
    data, decoded = load(shards, stream=True), np.asarray(load(shards, stream=False).pixels)
    data.expect(batches(data))
    asked = [np.random.default_rng(number).integers(0, 80, 9) for number in range(40)] + batches(data)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: data.pixels[rows], asked))
    assert all(np.array_equal(pixels, decoded[rows]) for rows, pixels in zip(asked, found, strict=True))


def test_few_files_are_open_however_many_shards(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_source, "MOST_OPEN", 3)
    data = load(shards, stream=True)
    asked = np.random.default_rng(0).permutation(80)
    assert_array_equal(data.pixels[asked], load(shards, stream=False).pixels[asked])
    files = data.pixels.array.source._files
    assert len(files._open) <= 3 < len(data.pixels.array.source.paths)


def test_its_threads_end_with_it(shards: Path) -> None:
    data = load(shards, stream=True)
    data.pixels[np.arange(8)]
    threads = list(data.pixels.array._pool._threads)
    assert all(thread in threading.enumerate() for thread in threads)
    del data
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


# ------------------------------------------------------------- shards that have changed


def one(shards: Path, data: Dataset) -> tuple[int, Path, int]:
    """Return an image's row, its shard, and where its content begins there."""
    source, row = data.pixels.array.source, 5
    item = int(data.pixels.array.rows[data.pixels.rows[row]])
    return row, source.paths[source.shard[item]], int(source.offset[item])


@pytest.mark.parametrize("place", [-400, -512, 30], ids=["header", "name", "content"])
def test_a_bit_that_has_turned_is_noticed(place: int, shards: Path) -> None:
    data = load(shards, stream=True)
    row, shard, offset = one(shards, data)
    healthy = data.pixels[[0]]
    content = bytearray(shard.read_bytes())
    content[offset + place] ^= 4
    shard.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.pixels[np.array([0, row])]
    message = str(caught.value)
    assert data.names[row] in message and str(shard) in message
    assert "is not what the index says: the shard is damaged, or was changed." in message
    assert_array_equal(data.pixels[[0]], healthy)


@pytest.mark.parametrize("change", [lambda shard: shard.unlink(), lambda shard: shard.write_bytes(b"")])
def test_a_shard_that_is_gone_is_named(change, shards: Path) -> None:
    data = load(shards, stream=True)
    row, shard, _ = one(shards, data)
    change(shard)
    data.pixels.array.source._files._open.clear()  # a file that is open is there until it is closed
    with pytest.raises(DataError) as caught:
        data.pixels[[row]]
    assert f"of {shard}) cannot be read: " in str(caught.value)


def test_an_image_that_cannot_be_decoded_any_more_is_named(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(shards, stream=True)

    def broken(self: shards_source.Shards, content: bytes) -> None:
        raise DataError("the decoder is gone")

    monkeypatch.setattr(shards_source.Shards, "open", broken)
    with pytest.raises(
        DataError, match="could be decoded when the shard was listed, and cannot be now: the decoder is gone"
    ):
        data.pixels[3]


# ------------------------------------------------------------- when it is streamed, and what follows


def test_it_is_streamed_when_the_cache_is_too_small(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load(shards).streamed
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "2399")
    assert load(shards).streamed
    assert not load(shards, stream=False).streamed
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "2400")  # 80 images of 30 bytes
    assert not load(shards).streamed
    assert load(shards, stream=True).streamed


def test_nothing_else_is_streamed(shards: Path) -> None:
    data = shards.parent / "data"
    assert not load(data, stream=False).streamed
    with pytest.raises(ConfigError) as caught:
        load(data, stream=True)
    assert str(caught.value) == (
        f"stream = True: {data} is no shards, and nothing else is read as it is needed.\n"
        f"Make some: convstage shard {data} -o OUT"
    )


def test_classes_and_groups_may_be_chosen_of_streamed_data(shards: Path) -> None:
    name, source = open_source(shards, classes=["class 1"], group_regex=r"(\d+)\.")
    with pytest.raises(DataError, match="has one class only"):
        load_dataset(name, source, GEOMETRY, val=0.2, test=0.2, seed=0, stream=True)
    reverse = open_source(shards)[1].classes[::-1]
    name, source = open_source(shards, classes=reverse, group_regex=r"(\d+)\.")
    streamed, decoded = (
        load_dataset(name, source, GEOMETRY, val=0.2, test=0.2, seed=0, stream=stream) for stream in (True, False)
    )
    assert_same(streamed, decoded)
    assert streamed.classes == reverse


def test_a_run_finds_its_images_again(shards: Path) -> None:
    before = load(shards, stream=True)
    again = dataset.restore_dataset(before.source, before.split_rows(), model_of(before), stream=True)
    assert again.streamed
    assert_same(again, before)
    assert_same(dataset.restore_dataset(before.source, before.split_rows(), model_of(before)), before)


def test_large_data_is_measured_and_audited_by_a_sample(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(shards, stream=True)
    monkeypatch.setattr(dataset, "MEASURED_ON", 20)
    monkeypatch.setattr(dataset, "AUDITED", 30)
    some = load(shards, stream=True)
    assert some.notes == [
        "read from the shards as they are needed: shuffled in windows, and not decoded into the cache",
        f"mean and standard deviation are those of 20 of the {len(some.rows('train'))} training images",
        "audited are 30 of the 80 images, and exact copies among all of them",
    ]
    assert some.standardisation != whole.standardisation
    assert abs(some.standardisation.mean[0] - whole.standardisation.mean[0]) < 0.05
    assert load(shards, stream=True).standardisation == some.standardisation
    assert load(shards, stream=False).standardisation == whole.standardisation
    source = open_source(shards)[1]
    sample = to_audit(source, some)
    assert len(sample.items) == len({item.name for item in sample.items}) == 30
    assert sum(item.label for item in sample.items) == 15
    assert to_audit(source, whole.with_parts(whole.parts)).items == sample.items
    assert to_audit(source, load(shards, stream=False)) is source


def test_unreadable_images_of_others_shards_are_listed_as_ever(tmp_path: Path, shards: Path) -> None:
    from support.tars import write_tar

    files = {}
    for number, path in enumerate(sorted((tmp_path / "data").rglob("*.png"))[:40]):
        files |= {f"{number:03d}.png": path.read_bytes(), f"{number:03d}.cls": bytes([48 + number % 2])}
    files["007.png"] = b"no image"
    tar = write_tar(tmp_path / "others.tar", files)
    streamed, decoded = (load(tar, stream=stream, max_unreadable=0.1) for stream in (True, False))
    assert streamed.unreadable == decoded.unreadable
    assert [name for name, _ in streamed.unreadable] == ["others/007.png"]
    assert_same(streamed, decoded)


def test_what_is_asked_for_is_a_plan_of_rows_of_the_data(shards: Path) -> None:
    data = load(shards, stream=True)
    assert isinstance(data.pixels.array, Streamed)
    assert isinstance(data.pixels, PixelRows)
    assert choose_geometry(open_source(shards)[1]) == Geometry(6, 5, "grey")

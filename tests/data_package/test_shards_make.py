"""`convstage shard`: what is put into shards, how, and that an attempt that was cut off does no harm."""

import hashlib
import json
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from convstage import ConfigError, DataError
from convstage.data.formats import find_source
from convstage.data.shards import make, pack
from convstage.data.shards.make import make_shards
from support.datasets import assert_same
from support.shards import load, picture_folder, sharded


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_data_and_settings_give_the_same_bytes(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    for place in ("one", "two"):
        make_shards(data, tmp_path / place, images=4, seed=3)
    (tmp_path / "elsewhere").mkdir()
    data.rename(tmp_path / "elsewhere/images")
    make_shards(tmp_path / "elsewhere/images", tmp_path / "three", images=4, seed=3)
    make_shards(tmp_path / "elsewhere/images", tmp_path / "other", images=4, seed=4)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert contents(tmp_path / "one")["000.tar"] != contents(tmp_path / "other")["000.tar"]


def test_the_layout_is_one_that_other_programs_read(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    made = make_shards(data, tmp_path / "shards", images=4)
    assert (made.images, made.shards, sum(made.parts.values())) == (25, 7, 25)
    found = {}
    for path in sorted((tmp_path / "shards").glob("*.tar")):
        with tarfile.open(path) as archive:
            infos = archive.getmembers()
            assert all(
                (info.mtime, info.uid, info.gid, info.uname, info.mode) == (0, 0, 0, "", 0o644) for info in infos
            )
            pairs = list(zip(infos[::2], infos[1::2], strict=True))
            said = [json.loads(archive.extractfile(described).read()) for _, described in pairs]
            assert len({row["part"] for row in said}) == 1
            for (image, described), row in zip(pairs, said, strict=True):
                assert image.name.rpartition(".")[0] == described.name.removesuffix(".json")
                found[row["name"]] = (row, archive.extractfile(image).read(), image.name)
        assert len(pairs) <= 4
    source = find_source(data)
    assert set(found) == {item.name for item in source.items}
    for number, item in enumerate(source.items):
        row, content, name = found[item.name]
        assert content == (data / item.name).read_bytes()
        assert name == f"{number:08d}.{item.name.rpartition('.')[2]}"
        assert (row["class"], row["label"]) == (source.classes[item.label], item.label)
        assert row["sha256"] == hashlib.sha256(content).hexdigest()


def test_shards_give_a_training_what_the_data_gives_it(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    kept = load(sharded(tmp_path, data, val=0.2, test=0.2, seed=5))
    whole = load(data, seed=5)
    assert_same(kept, whole)
    assert kept.source == str(tmp_path / "shards")


def test_groups_classes_and_a_split_file_are_kept(tmp_path: Path) -> None:
    lines = ["path,label,patient"]
    for number in range(30):
        Image.fromarray(np.full((6, 5), 8 * number, np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{'abc'[number % 3]},P{number // 3}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    chosen = [number for number in range(24) if number % 3 != 1]
    named = [f"{number}.png,{('train', 'val', 'test')[number // 3 % 3]}" for number in chosen]
    (tmp_path / "split.csv").write_text("\n".join(["name,split", *named]))
    shards = sharded(tmp_path, tmp_path / "table.csv", classes=["c", "a"], split_file=tmp_path / "split.csv")
    dataset = load(shards)
    assert dataset.classes == ("c", "a")
    assert {row["name"]: row["part"] for row in dataset.split_rows()} == {
        line.split(",")[0]: line.split(",")[1] for line in named
    }
    assert dataset.groups[:3] == ["P0", "P0", "P1"]


def test_rows_of_arrays_become_files(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 2**16, (12, 6, 5), dtype=np.uint16)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(12) % 2)
    kept, whole = load(sharded(tmp_path, tmp_path / "data.npz")), load(tmp_path / "data.npz")
    assert_array_equal(kept.pixels, whole.pixels)
    assert (kept.names, kept.classes) == (whole.names, whole.classes)
    assert kept.parts.tolist() == whole.parts.tolist()


def test_names_that_are_no_text_come_back(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    odd = os.fsdecode(b"caf\xe9 \xff.png")
    next((data / "class 1").glob("*.png")).rename(data / "class 1" / odd)
    shards = sharded(tmp_path, data, val=0.2, test=0.2)
    dataset = load(shards, stream=True)
    assert "class 1/caf\udce9 \udcff.png" in dataset.names
    assert_same(dataset, load(data))
    for index in shards.glob("*.index.json"):
        index.unlink()
    assert_same(load(shards), load(data))


def test_shards_of_a_size_are_no_larger(tmp_path: Path) -> None:
    shards = sharded(tmp_path, images=None, size="15 kB")
    assert {path.stat().st_size for path in shards.glob("*.tar")} == {10_240}  # 20,480 would be the next
    # An image that is larger than a shard has one for itself.
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 150), dtype=np.uint8)).save(
        next((tmp_path / "data").iterdir()) / "large.png"
    )
    make_shards(tmp_path / "data", tmp_path / "more", size="15 kB")
    assert max(path.stat().st_size for path in (tmp_path / "more").glob("*.tar")) > 22_500


def test_unreadable_files_are_left_out_and_listed(tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    (data / 'class 1/broken, "so".png').write_bytes(b"no image")
    made = make_shards(data, tmp_path / "shards")
    assert [name for name, _ in made.unreadable] == ['class 1/broken, "so".png']
    assert made.images == 25
    assert 'class 1/broken, ""so"".png' in (tmp_path / "shards/unreadable.csv").read_text()
    with pytest.raises(DataError, match=r"1 of 26 files \(3\.8%\) cannot be read; at most 1\.0% may be\."):
        make_shards(data, tmp_path / "none", max_unreadable=0.01)
    assert not (tmp_path / "none").exists()


def test_an_unfinished_attempt_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture_folder(tmp_path / "data")
    make_shards(data, tmp_path / "whole", images=4)
    calls = []

    def full(*arguments) -> pack.Index:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return pack.write_shard(*arguments)

    monkeypatch.setattr(make, "write_shard", full)
    with pytest.raises(DataError) as caught:
        make_shards(data, tmp_path / "shards", images=3)
    assert str(caught.value) == (
        f"the shards cannot be written to {tmp_path}/shards: No space left on device.\n"
        "Make room and begin again, or choose another folder with -o."
    )
    assert sorted(path.name for path in (tmp_path / "shards").glob("*.tar")) == ["000.tar", "001.tar"]
    make_shards(data, tmp_path / "shards", images=4)
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ("000.tar", "is not empty: it holds 000.tar.\nChoose a new folder with -o."),
        ("photo.png", "is not empty: it holds photo.png."),
    ],
)
def test_what_is_there_already_stays(there: str, said: str, tmp_path: Path) -> None:
    data = picture_folder(tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / there).write_bytes(b"mine")
    with pytest.raises(DataError) as caught:
        make_shards(data, tmp_path / "out")
    assert said in str(caught.value)
    assert contents(tmp_path / "out") == {there: b"mine"}
    with pytest.raises(DataError, match=rf"/{re.escape(there)} is no folder\.\nChoose another with -o\."):
        make_shards(data, tmp_path / "out" / there)


def test_finished_shards_are_not_overwritten(tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    before = contents(shards)
    with pytest.raises(DataError, match=r"holds shards already\.\nChoose another folder with -o, or remove this one\."):
        make_shards(tmp_path / "data", shards)
    assert contents(shards) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": "large"}, "size = 'large' is no size.\nExpected one such as 20 GB or 500 MB."),
        ({"size": "1 kB"}, "size = '1 kB': a shard takes 10,240 bytes at least."),
        ({"images": 0}, "images = 0: a shard holds 1 image at least."),
    ],
)
def test_sizes_that_cannot_be(settings: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        make_shards(tmp_path, tmp_path / "out", **settings)
    assert message in str(caught.value)


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = picture_folder(tmp_path / "data")
    begin = make._begin

    def disturbed(*arguments) -> None:
        begin(*arguments)
        for path in data.rglob("*.png"):
            Image.new("L", (5, 6), 77).save(path)

    monkeypatch.setattr(make, "_begin", disturbed)
    with pytest.raises(DataError, match=r"changed while the images were being read\.\nStart again\."):
        make_shards(data, tmp_path / "shards")
    assert not list((tmp_path / "shards").glob("*.tar"))

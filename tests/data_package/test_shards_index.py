"""Indexes are believed as far as they can be true, and shards that have none get one on first use."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import DataError
from convstage.data import open_source
from convstage.data.shards import source as shards_source
from convstage.data.shards.index import Entry, Index, find_index, index_path, read_index
from support.datasets import assert_same
from support.names import HOSTILE
from support.shards import change_index, load, picture_folder, sharded

SHA = "0" * 64
TEXT = st.text(st.characters(codec=None), max_size=8)


@given(st.lists(st.tuples(TEXT, st.integers(0, 900), TEXT, TEXT), max_size=5), st.sampled_from(["", "train", "test"]))
@settings(deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows: list, part: str) -> None:
    path = tmp_path_factory.mktemp("index") / "0.index.json"
    entries = [
        Entry(f"{number:08d}", "png", 512 + 2048 * number, length, 1, SHA, name, part, group, 6, 5, mode)
        for number, (name, length, group, mode) in enumerate(rows)
    ]
    index = Index(20_000, HOSTILE, entries)
    index.write(path)
    assert read_index(path, 20_000) == index


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"what": "something else"}, "is no index of this version."),
        ({"format": 2}, "is no index of this version."),
        ({"bytes": 10**6}, "is of a shard of 1,000,000 bytes; this one has 10,240."),
        ({"bytes": "many"}, "is damaged."),
        ({"images": []}, "is damaged."),
        ({"classes": "ab"}, "is damaged: a column holds something else than it should."),
        ({"offset": lambda values: [str(value) for value in values]}, "a column holds something else than it should."),
        ({"offset": lambda values: [True, *values[1:]]}, "a column holds something else than it should."),
        ({"offset": lambda values: values[1:]}, "is damaged."),
        ({"offset": lambda values: [-512, *values[1:]]}, "bytes from byte -512 on, of 10,240."),
        ({"length": lambda values: [10**12, *values[1:]]}, "has 1,000,000,000,000 bytes from byte 512 on, of 10,240."),
        ({"length": lambda values: [9000, *values[1:]]}, "lies where another image does."),
        ({"offset": lambda values: [values[0]] * len(values)}, "lies where another image does."),
        ({"label": lambda values: [9, *values[1:]]}, "has class number 9, of 2 classes."),
        ({"sha256": lambda values: ["0" * 63 + "\n", *values[1:]]}, "has no SHA-256."),
        ({"part": lambda values: ["exam", *values[1:]]}, "has part 'exam'."),
    ],
)
def test_an_index_that_cannot_be_true(columns: dict, said: str, tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    change_index(shards / "000.tar", **columns)
    with pytest.raises(DataError) as caught:
        open_source(shards)
    assert f"{shards}/000.index.json" in str(caught.value)
    assert said in str(caught.value)
    assert str(caught.value).endswith("Make the shards anew; or remove it, and one is made on first use.")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b"3", b"null", b'{"what": "convstage shard index"}']
)
def test_an_index_that_is_none(content: bytes, tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    (shards / "000.index.json").write_bytes(content)
    with pytest.raises(DataError, match=r"000\.index\.json is damaged\.\nMake the shards anew"):
        open_source(shards)


def test_a_shard_that_was_cut_off_or_replaced_is_noticed_at_once(tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    data = (shards / "001.tar").read_bytes()
    (shards / "001.tar").write_bytes(data[:-512])
    with pytest.raises(DataError, match=r"001\.index\.json is of a shard of [0-9,]+ bytes; this one has [0-9,]+\."):
        open_source(shards)


def test_without_their_indexes_shards_say_the_same(tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    before = load(shards)
    for index in shards.glob("*.index.json"):
        index.unlink()
    assert_same(load(shards), before)


def test_an_index_is_made_once_and_again_for_another_shard(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = sharded(tmp_path, images=100) / "000.tar"
    index_path(shard).unlink()
    made = []

    def scan(path: Path) -> Index:
        made.append(path)
        return shards_source.scan(path)

    first = find_index(shard, scan)
    assert find_index(shard, scan) == first
    assert made == [shard]
    (kept,) = folder.glob("*.index")
    kept.write_bytes(kept.read_bytes()[:-30])  # a damaged cache is made anew
    assert find_index(shard, scan) == first
    assert made == [shard] * 2
    os.utime(shard, ns=(1, 1))
    assert find_index(shard, scan) == first
    assert made == [shard] * 3


def test_no_place_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = sharded(tmp_path) / "000.tar"
    index_path(shard).unlink()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVSTAGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be kept: .*\nSet CONVSTAGE_CACHE to a folder with space for it\."):
        find_index(shard, shards_source.scan)


def test_an_image_is_there_once(tmp_path: Path) -> None:
    shards = sharded(tmp_path)
    data = (shards / "000.index.json").read_bytes(), (shards / "000.tar").read_bytes()
    (shards / "900.index.json").write_bytes(data[0])
    (shards / "900.tar").write_bytes(data[1])
    with pytest.raises(DataError, match=r"4 images of .* are there more than once: .*\nName every shard once"):
        open_source(shards)


def test_some_of_the_shards_are_data_of_their_own(tmp_path: Path) -> None:
    shards = sharded(tmp_path, picture_folder(tmp_path / "data", (40, 40)), images=10)
    _, source = open_source(f"{shards}/{{000..002}}.tar")
    assert len(source.items) == 30
    assert source.classes == open_source(shards)[1].classes
    columns = json.loads((shards / "001.index.json").read_text())["images"]
    assert set(columns["name"]) <= {item.name for item in source.items}

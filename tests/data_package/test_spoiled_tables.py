"""Spoiled tables, arrays, split files and filters are read or refused; bounds of what a list may hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import DataError
from convstage.data import arrays as arrays_module
from convstage.data import bounds, decoding, table
from convstage.data import idx as idx_module
from convstage.data.formats import find_source
from convstage.data.split_file import read_split_file
from convstage.errors import ConfigError
from convstage.filters import parse_kernel
from table_cases import IMAGES, LABELS, arrays, idx, judge, seeds, spoiled
from table_extremes import npy, npz


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spoiled")


@pytest.mark.filterwarnings("ignore")
@given(number=st.integers(0, 2**32), seed=st.integers(0, 99))
@settings(max_examples=400, deadline=None)
def test_a_spoiled_file_is_read_or_refused(number: int, seed: int, place: Path) -> None:
    _, failure = judge(*spoiled(number, seed), place)
    assert not failure


def test_valid_files_are_read(tmp_path: Path) -> None:
    for name, contents in seeds().items():
        for content in contents:
            assert judge(name, content, tmp_path) == ("", "")


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        find_source(path)
    return str(caught.value).removeprefix(f"{path}")


# ------------------------------------------------------------- tables


def test_a_path_that_no_file_can_have_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"path,label\na\0b,x\n/dev/zero,y\n")
    source = find_source(tmp_path / "data.csv")
    for index in range(2):
        with pytest.raises(OSError, match="no file"):
            source.read(index)


def test_more_images_classes_characters_or_bytes_than_are_read(tmp_path: Path, monkeypatch) -> None:
    path, rows = tmp_path / "data.csv", b"path,label\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(6))
    monkeypatch.setattr(bounds, "MAX_CLASSES", 5)
    assert refusal(path, rows) == " has 6 classes; at most 5 are read.\nAre its labels the labels?"
    monkeypatch.setattr(bounds, "MAX_CLASSES", 6)
    assert len(find_source(path).items) == 6
    monkeypatch.setattr(bounds, "MAX_IMAGES", 5)
    assert refusal(path, rows) == " lists 6 images; at most 5 are read.\nSplit it into several."
    monkeypatch.setattr(table, "MAX_LINE", 9)
    assert refusal(path, rows) == ", line 1: more than 9 characters.\nIs it a table?"
    monkeypatch.setattr(table, "MAX_BYTES", 30)
    assert refusal(path, rows) == " has 35 B; at most 30 B are read.\nSplit it into several."


def test_what_is_quoted_is_cut(tmp_path: Path) -> None:
    long = "x" * 100_000
    for text in (f"path,label,split\na,b,{long}\n", f"path,label\n{long},b\n{long},b\n"):
        assert len(refusal(tmp_path / "data.csv", text.encode())) < 300
    (tmp_path / "split.csv").write_text(f"name,split\n{long},train\n")
    with pytest.raises(DataError) as caught:
        read_split_file(tmp_path / "split.csv", ["a"])
    assert len(str(caught.value)) < 400
    for text in (long, f"1 {long}"):
        with pytest.raises(ConfigError) as refused:
            parse_kernel(text)
        assert len(str(refused.value)) < 1000


def test_a_split_file_of_brackets(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="is no split file"):
        read_split_file(tmp_path / "split.json", ["a"])


# ------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    ("shape", "said"),
    [((10**6, 10**5, 10**4), "909.5 TiB"), ((3, 40_000, 40_000), "4.5 GiB"), ((2, 2, 2), "8 B")],
)
def test_a_header_that_lies_takes_no_memory(shape: tuple[int, ...], said: str, tmp_path: Path) -> None:
    name, content = npz(images=npy(shape, b"few"), labels=npy((3,), b"abc"))
    assert refusal(tmp_path / name, content) == (
        f" cannot be read: images.npy is damaged: its header says {said}, but it has 3 B."
    )


@pytest.mark.parametrize(
    "labels", [np.zeros(8, "i4,i4"), LABELS.astype("M8[s]"), LABELS * 1j], ids=lambda a: a.dtype.kind
)
def test_labels_that_are_neither_numbers_nor_names(labels: np.ndarray, tmp_path: Path) -> None:
    said = refusal(tmp_path / "data.npz", arrays(images=IMAGES, labels=labels))
    assert said == f": labels must be numbers or names, one for each image; got {labels.dtype}."


def test_more_images_in_arrays_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_IMAGES", 7)
    assert refusal(tmp_path / "data.npz", arrays(images=IMAGES, labels=LABELS)).startswith(" lists 8 images; at most 7")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    assert refusal(tmp_path / "train-images-idx3-ubyte", idx(IMAGES)).startswith(" lists 8 images; at most 7")


def test_images_of_more_pixels_than_a_file_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 29)
    said = ": its images of 5×6 pixels are more than 29.\nMake them smaller."
    assert refusal(tmp_path / "data.npz", arrays(images=IMAGES, labels=LABELS)) == said
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    assert refusal(tmp_path / "train-images-idx3-ubyte", idx(IMAGES)) == said


def test_a_filter_that_is_too_long() -> None:
    for text in ("1 " * 60_000, "x" * 100_001):
        with pytest.raises(ConfigError, match=r"^the filter has 1\d\d,\d\d\d characters; at most 100,000 are read"):
            parse_kernel(text)


def test_arrays_that_are_not_asked_for_are_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.npz").write_bytes(arrays(images=IMAGES, labels=LABELS, more=IMAGES))
    loaded = []
    monkeypatch.setattr(arrays_module, "LARGE", -1)
    monkeypatch.setattr(arrays_module, "_mapped", lambda path, archive, name: loaded.append(name) or IMAGES[0, 0, :1])
    with pytest.raises(DataError):
        find_source(tmp_path / "data.npz")
    assert sorted(loaded) == ["images.npy", "labels.npy"]


def test_large_packed_files_are_unpacked_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_module, "LARGE", 10)
    for name, values in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
        (tmp_path / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(idx(values)))
    source = find_source(tmp_path)
    assert [block.shape for block in source.blocks] == [IMAGES.shape]
    np.testing.assert_array_equal(source.blocks[0], IMAGES)

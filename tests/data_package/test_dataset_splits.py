"""What decides on the parts of a data set: groups, copies, a split file, chosen classes; and what is too little."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage import DataError
from convstage.data import Geometry, cache, open_source, read_images
from convstage.data.preprocess import measure
from support.datasets import assert_same, load, restore

CLASSES = ("0-healthy", "1-corona", "2-pneumonia")


@pytest.fixture
def folder(tmp_path: Path, make_folder) -> Path:
    """Make twelve images of each of three classes."""
    return make_folder(tmp_path / "images", dict.fromkeys(CLASSES, 12), size=8)


def table(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


# ------------------------------------------------------------- groups


def test_groups_of_a_table_stay_together_and_are_kept(folder: Path) -> None:
    rows = [(f"{name}/{number}.png", name, f"{name} {number // 2}") for name in CLASSES for number in range(12)]
    dataset = load(table(folder / "table.csv", [("path", "label", "patient"), *rows]))
    assert dataset.groups == [row[2] for row in rows]
    assert all(len(set(dataset.parts[row : row + 2])) == 1 for row in range(0, 36, 2))
    assert [row["group"] for row in dataset.split_rows()] == dataset.groups
    restored = restore(dataset)
    assert_same(restored, dataset)
    assert restored.groups == dataset.groups


def test_images_without_a_group_are_their_own(folder: Path) -> None:
    dataset = load(folder)
    assert dataset.groups == dataset.names
    assert dataset.units == list(range(36))
    assert restore(dataset).groups == dataset.names
    assert not any("group" in row for row in dataset.split_rows())


def test_groups_by_name(folder: Path) -> None:
    dataset = load(folder, group_regex=r"/(\d)")  # 10 and 11 belong to 1
    assert dataset.groups[:12] == [*"0123456789", "1", "1"]
    assert all(len(set(dataset.parts[[group == one for group in dataset.groups]])) == 1 for one in "0123456789")
    assert dataset.notes == ["10 groups, read off the names"]


# ------------------------------------------------------------- copies


def test_copies_are_drawn_into_one_part(folder: Path) -> None:
    for number in range(3):
        shutil.copy(folder / "0-healthy/0.png", folder / f"0-healthy/copy {number}.png")
    shutil.copy(folder / "0-healthy/5.png", folder / "1-corona/wrong.png")
    for seed in range(20):
        dataset = load(folder, seed=seed)
        part = dict(zip(dataset.names, dataset.parts, strict=True))
        assert len({part["0-healthy/0.png"], *(part[f"0-healthy/copy {number}.png"] for number in range(3))}) == 1
        assert part["0-healthy/5.png"] == part["1-corona/wrong.png"]
    assert len(dataset.names) == 40
    assert len(set(dataset.units)) == 36
    assert dataset.notes == [
        "1 image is in more than one class: 0-healthy/5.png (0-healthy) = 1-corona/wrong.png (1-corona)",
        "4 images are exact copies of others, and in the same part: 0-healthy/copy 0.png = 0-healthy/0.png, "
        "1-corona/wrong.png = 0-healthy/5.png",
    ]


def test_copies_that_join_groups_join_them_in_the_split(folder: Path) -> None:
    shutil.copy(folder / "0-healthy/0.png", folder / "0-healthy/1.png")
    rows = [(f"{name}/{number}.png", name, f"{name} {number // 2 % 5}") for name in CLASSES for number in range(12)]
    rows[1] = (*rows[1][:2], "0-healthy 3")
    path = table(folder / "table.csv", [("path", "label", "group"), *rows])
    for seed in range(10):
        dataset = load(path, seed=seed)
        joined = [group in ("0-healthy 0", "0-healthy 3") for group in dataset.groups]
        assert len(set(dataset.parts[joined])) == 1


def test_copies_of_test_images_are_left_out_of_training(tmp_path: Path, make_folder) -> None:
    for seed, (part, count) in enumerate({"train": 6, "val": 3, "test": 4}.items()):
        make_folder(tmp_path / part, {"a": count, "b": count}, size=8, seed=seed)
    shutil.copy(tmp_path / "test/a/0.png", tmp_path / "train/a/0.png")
    shutil.copy(tmp_path / "test/a/1.png", tmp_path / "val/a/1.png")
    shutil.copy(tmp_path / "val/b/2.png", tmp_path / "train/a/5.png")
    dataset = load(tmp_path)
    assert [len(dataset.rows(part)) for part in ("train", "val", "test")] == [10, 5, 8]
    gone = {"train/a/0.png", "val/a/1.png", "train/a/5.png"}
    assert not gone & set(dataset.names)
    assert dataset.notes == [
        "1 image is in more than one class: train/a/5.png (a) = val/b/2.png (b)",
        "3 left out, since a copy is in another part: train/a/0.png = test/a/0.png, "
        "train/a/5.png = val/b/2.png, val/a/1.png = test/a/1.png",
    ]
    images = read_images(open_source(tmp_path)[1], Geometry(8, 8))
    kept = [row for row, name in enumerate(images.names) if name not in gone]
    assert_array_equal(dataset.pixels, images.pixels[np.array(kept)])
    assert_same(restore(dataset), dataset)


# ------------------------------------------------------------- classes


def test_chosen_classes_in_an_order(folder: Path) -> None:
    dataset = load(folder, classes=["2-pneumonia", "0-healthy"])
    assert dataset.classes == ("2-pneumonia", "0-healthy")
    assert_array_equal(dataset.labels, [1] * 12 + [0] * 12)
    assert dataset.notes == ["left out, as other classes were chosen: 1-corona (12 images)"]
    restored = restore(dataset)
    assert_same(restored, dataset)
    assert_array_equal(restored.pixels, load(folder).pixels[np.r_[0:12, 24:36]])


def test_what_was_left_out_is_not_decoded_to_restore_the_rest(folder: Path, monkeypatch) -> None:
    dataset = load(folder, classes=["0-healthy", "1-corona"])
    monkeypatch.delattr(cache, "to_pixels")
    assert_same(restore(dataset), dataset)


# ------------------------------------------------------------- a split file


def test_a_split_file_is_honoured(folder: Path, tmp_path: Path) -> None:
    parts = {f"{name}/{number}.png": ("train", "val", "test")[number % 3] for name in CLASSES for number in range(12)}
    dataset = load(folder, split_file=table(tmp_path / "split.csv", [("name", "split"), *parts.items()]))
    assert dict(zip(dataset.names, dataset.parts, strict=True)) == parts
    assert dataset.notes == []


def test_the_split_of_a_run_gives_the_same_one_to_other_seeds(folder: Path, tmp_path: Path, make_folder) -> None:
    dataset = load(folder)
    (tmp_path / "split.json").write_text(json.dumps({"images": dataset.split_rows()}))
    make_folder(folder, {"0-healthy/more": 2}, size=8, seed=7)
    again = load(folder, seed=5, split_file=tmp_path / "split.json")
    assert_same(again, dataset)
    assert again.notes == [
        f"2 left out, since {tmp_path}/split.json does not name them: 0-healthy/more/0.png, 0-healthy/more/1.png"
    ]


def test_a_part_that_a_split_file_does_not_have_is_drawn(folder: Path, tmp_path: Path) -> None:
    parts = {f"{name}/{number}.png": ("train", "test")[number < 3] for name in CLASSES for number in range(12)}
    dataset = load(folder, split_file=table(tmp_path / "split.csv", [("name", "split"), *parts.items()]))
    assert_array_equal(dataset.counts("test"), [3, 3, 3])
    assert_array_equal(dataset.counts("val"), [2, 2, 2])


def test_a_split_file_of_other_images_is_refused_before_any_is_decoded(folder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delattr(cache, "to_pixels")
    path = table(tmp_path / "split.csv", [("name", "split"), ("0-healthy/0.png", "train"), ("0.png", "test")])
    with pytest.raises(DataError, match=r"names 1 of 2 images that the data does not have: 0\.png\."):
        load(folder, split_file=path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load(folder, split_file=tmp_path / "gone.csv")


# ------------------------------------------------------------- too much that is unreadable


def test_a_large_share_of_unreadable_files_is_refused(folder: Path) -> None:
    for number in range(7):
        (folder / f"1-corona/bad {number}.png").write_bytes(b"")
    listed = "".join(f"  1-corona/bad {number}.png: the file is empty\n" for number in range(5))
    with pytest.raises(DataError) as caught:
        load(folder, max_unreadable=0.16)
    assert str(caught.value) == (
        f"7 of 43 files (16.3%) cannot be read; at most 16.0% may be.\n{listed}  and 2 more\n"
        "Mend them or move them away; or accept it with --max-unreadable 0.17."
    )
    assert len(load(folder, max_unreadable=0.17).unreadable) == 7


def test_a_share_may_be_none(folder: Path) -> None:
    assert load(folder, max_unreadable=0).unreadable == []
    (folder / "1-corona/bad.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^1 of 37 files \(2\.7%\) cannot be read; at most 0\.0% may be\."):
        load(folder, max_unreadable=0)


# ------------------------------------------------------------- other parts


def test_other_parts_are_measured_anew(folder: Path) -> None:
    dataset = load(folder)
    parts = np.roll(dataset.parts, 5)
    other = dataset.with_parts(parts)
    assert_array_equal(other.parts, parts)
    assert other.standardisation == measure(np.asarray(dataset.pixels), np.flatnonzero(parts == "train"))
    assert other.standardisation != dataset.standardisation
    assert other.with_parts(dataset.parts).standardisation == dataset.standardisation
    assert (other.pixels, other.names) == (dataset.pixels, dataset.names)


def test_images_are_copied_only_when_they_are_indexed(folder: Path) -> None:
    (folder / "0-healthy/0.png").unlink()
    dataset = load(folder)
    shutil.copy(folder / "0-healthy/2.png", folder / "0-healthy/0.png")
    restored = restore(dataset)
    assert_same(restored, dataset)
    assert isinstance(restored.pixels.array, np.memmap)
    assert len(restored.pixels.array) == 36

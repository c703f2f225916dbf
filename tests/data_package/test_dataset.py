"""From a folder to a data set, and back to the same one when a run goes on."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from convstage import DataError
from convstage.data import (
    SAMPLES,
    open_source,
    read_images,
)
from convstage.data.preprocess import measure
from support.datasets import GEOMETRY, assert_same, load, restore


@pytest.fixture
def folder(tmp_path: Path, make_folder) -> Path:
    """Make ten images of each of two classes, and two files that are none."""
    path = make_folder(tmp_path / "images", {"0-healthy": 10, "1-corona": 10}, size=8)
    (path / "0-healthy" / "notes.txt").write_text("no image")
    (path / "1-corona" / "empty.png").write_bytes(b"")
    return path


# ------------------------------------------------------------- sources


def test_a_sample_goes_by_its_name() -> None:
    name, source = open_source("digits")
    assert (name, len(source.items)) == ("digits", 5000)


def test_a_path_is_made_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, path in ((folder.parent, "images"), (folder, "."), (folder, folder)):
        monkeypatch.chdir(place)
        name, source = open_source(path)
        assert (name, source.classes) == (str(folder), ("0-healthy", "1-corona"))
    monkeypatch.setenv("HOME", str(folder.parent))
    assert open_source("~/images")[0] == str(folder)


def test_what_does_not_exist_is_named_as_it_was_written() -> None:
    with pytest.raises(DataError) as caught:
        open_source("no/where")
    assert str(caught.value) == (
        "no/where does not exist.\n"
        f"Give a folder, a .csv or .npz file, IDX files, tar shards, or a sample: {', '.join(SAMPLES)}."
    )


# ------------------------------------------------------------- data sets


def test_a_data_set_is_what_the_folder_holds(folder: Path) -> None:
    dataset = load(folder)
    assert (dataset.source, dataset.classes, dataset.geometry) == (str(folder), ("0-healthy", "1-corona"), GEOMETRY)
    assert dataset.names == [f"{name}/{number}.png" for name in dataset.classes for number in range(10)]
    assert_array_equal(dataset.labels, [0] * 10 + [1] * 10)
    assert_array_equal(dataset.pixels[:, :, :, 0], [np.asarray(Image.open(folder / name)) for name in dataset.names])
    assert isinstance(dataset.pixels.array, np.memmap)
    assert len(set(dataset.sha256)) == 20
    assert dataset.unreadable == [
        ("0-healthy/notes.txt", "no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM"),
        ("1-corona/empty.png", "the file is empty"),
    ]


def test_rows_and_counts_of_the_parts(folder: Path) -> None:
    dataset = load(folder)
    rows = {part: dataset.rows(part) for part in ("train", "val", "test")}
    assert {part: len(of_part) for part, of_part in rows.items()} == {"train": 12, "val": 4, "test": 4}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(20))
    assert_array_equal(dataset.counts(), [10, 10])
    assert_array_equal(dataset.counts("train"), [6, 6])
    assert_array_equal(dataset.counts("test"), [2, 2])
    assert_array_equal(dataset.counts("other"), [0, 0])


def test_only_training_images_are_measured(folder: Path) -> None:
    dataset = load(folder)
    assert dataset.standardisation == measure(np.array(dataset.pixels), dataset.rows("train"))
    assert dataset.standardisation != measure(np.array(dataset.pixels), np.arange(20))


def test_the_seed_decides_the_split_and_nothing_else(folder: Path) -> None:
    one, same, other = load(folder), load(folder), load(folder, seed=1)
    assert_array_equal(one.parts, same.parts)
    assert (one.parts != other.parts).any()
    assert (one.names, one.sha256) == (other.names, other.sha256)
    assert_array_equal(one.pixels, other.pixels)


def test_rows_of_the_split_say_everything(folder: Path) -> None:
    dataset = load(folder)
    rows = dataset.split_rows()
    assert rows[12] == {
        "name": "1-corona/2.png",
        "sha256": dataset.sha256[12],
        "class": "1-corona",
        "part": dataset.parts[12],
    }
    assert Counter(row["part"] for row in rows) == {"train": 12, "val": 4, "test": 4}
    assert all(type(value) is str for row in rows for value in row.values())


def test_parts_that_the_folder_names_are_kept(tmp_path: Path, make_folder) -> None:
    for seed, (part, count) in enumerate({"train": 6, "valid": 2, "test": 3}.items()):
        make_folder(tmp_path / part, {"a": count, "b": count}, size=8, seed=seed)
    dataset = load(tmp_path)
    assert [len(dataset.rows(part)) for part in ("train", "val", "test")] == [12, 4, 6]
    assert all(dataset.names[row].startswith("valid/") for row in dataset.rows("val"))


def test_no_test_part_when_none_is_wanted(folder: Path) -> None:
    dataset = load(folder, test=0.0)
    assert [len(dataset.rows(part)) for part in ("train", "val", "test")] == [16, 4, 0]


def test_one_class_only(tmp_path: Path, make_folder) -> None:
    folder = make_folder(tmp_path / "images", {"alone": 5}, size=8)
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == (
        f"{folder} has one class only, 'alone'.\nA classifier needs two or more to tell apart."
    )
    assert read_images(open_source(folder)[1], GEOMETRY).names == [f"alone/{number}.png" for number in range(5)]


def test_a_class_whose_images_are_all_unreadable(folder: Path) -> None:
    for path in (folder / "1-corona").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == "class '1-corona' has no image that can be read.\n" + "\n".join(
        ["  0-healthy/notes.txt: no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM"]
        + [f"  1-corona/{number}.png: the file is empty" for number in range(4)]
    )


def test_a_class_with_too_few_readable_images(tmp_path: Path, make_folder) -> None:
    folder = make_folder(tmp_path / "images", {"a": 5, "b": 3}, size=8)
    (folder / "b" / "1.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"^class 'b' has 2 images to train with\.\nAt least 3 readable ones are needed"
    ):
        load(folder, max_unreadable=0.2)


# ------------------------------------------------------------- restoring


def test_restored_it_is_the_same(folder: Path) -> None:
    dataset = load(folder)
    restored = restore(dataset)
    assert_same(restored, dataset)
    assert restored.unreadable == dataset.unreadable
    assert restored.source == dataset.source
    assert isinstance(restored.pixels.array, np.memmap)


@pytest.mark.parametrize("data", ["digits", "npz"])
def test_a_sample_and_an_npz_file_are_restored(data: str, tmp_path: Path) -> None:
    if data == "npz":
        data = str(tmp_path / "data.npz")
        images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
        np.savez(data, images=images, labels=["b", "a"] * 10)
    dataset = load(data)
    assert_same(restore(dataset), dataset)


def test_a_moved_data_set_is_restored(folder: Path, tmp_path: Path) -> None:
    dataset = load(folder)
    folder.rename(tmp_path / "elsewhere")
    assert_same(restore(dataset, tmp_path / "elsewhere"), dataset)


def test_new_images_and_classes_change_nothing(folder: Path, make_folder) -> None:
    """Nor does a class that would sort before the others, and shift their numbers."""
    dataset = load(folder)
    make_folder(folder, {"0-a first one": 3}, size=8, seed=9)
    shutil.copy(folder / "0-healthy/3.png", folder / "0-healthy/00.png")
    assert_same(restore(dataset), dataset)


def test_a_renamed_class_is_missed(folder: Path) -> None:
    dataset = load(folder)
    (folder / "1-corona").rename(folder / "1-covid")
    with pytest.raises(DataError) as caught:
        restore(dataset)
    assert str(caught.value) == (
        f"10 of 20 images in {folder} are missing or have changed since training began: "
        "1-corona/0.png, 1-corona/1.png, 1-corona/2.png, ….\nPut them back, or train anew."
    )


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("other.png"))


def change(path: Path) -> None:
    Image.new("L", (8, 8), 7).save(path)


def spoil(path: Path) -> None:
    path.write_bytes(b"")


def swap(path: Path) -> None:
    shutil.copy(path.with_name("4.png"), path)


@pytest.mark.parametrize("harm", [remove, rename, change, spoil, swap])
def test_an_image_that_is_missing_or_changed_is_named(harm, folder: Path) -> None:
    dataset = load(folder)
    harm(folder / "0-healthy/3.png")
    with pytest.raises(DataError) as caught:
        restore(dataset)
    assert str(caught.value) == (
        f"1 of 20 images in {folder} are missing or have changed since training began: "
        "0-healthy/3.png.\nPut them back, or train anew."
    )


def test_put_back_it_is_restored(folder: Path) -> None:
    dataset = load(folder)
    (folder / "0-healthy/3.png").rename(folder / "0-healthy/away.png")
    with pytest.raises(DataError):
        restore(dataset)
    (folder / "0-healthy/away.png").rename(folder / "0-healthy/3.png")
    assert_same(restore(dataset), dataset)

"""Synthetic radiographs as files: a folder that trains as it is, masks beside it, all labelled as synthetic."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convstage.data import open_source
from convstage.errors import ConfigError, DataError
from convstage.phantom import Written, folder, image, write


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    return write(tmp_path_factory.mktemp("phantom") / "chests", 12, seed=2, size=32, views=2)


def test_it_is_read_as_class_folders_and_as_a_table(written):
    _, folders = open_source(written.path)
    assert folders.classes == ("0-healthy", "1-corona")
    assert len(folders.items) == written.images == 12
    _, table = open_source(written.path / "labels.csv")
    assert sorted(item.name for item in table.items) == sorted(item.name for item in folders.items)
    assert len({item.group for item in table.items}) == 6
    assert all(str(item.group) in item.name for item in table.items)


def test_files_hold_what_image_makes(written):
    for index in range(12):
        phantom = image(index, 2, 32, views=2)
        name = f"{phantom.class_name}/synthetic-p{index // 2:05d}-v{index % 2 + 1}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(written.path / name)), phantom.pixels)
        mask = written.masks / name
        assert mask.exists() == bool(phantom.lesions)
        for value, lesion in enumerate(phantom.lesions, 1):
            np.testing.assert_array_equal(np.asarray(Image.open(mask)) == value, lesion.mask)


def test_the_table_of_lesions_describes_the_masks(written):
    listed = rows(written.masks / "lesions.csv")
    assert len(listed) == written.lesions > 0
    for row in listed:
        mask = np.asarray(Image.open(written.masks / row["image"])) == int(row["lesion"])
        box = mask[int(row["top"]) : int(row["lower"]), int(row["left"]) : int(row["right"])]
        assert mask.sum() == box.sum() == int(row["area"])
        assert box.any(axis=0)[[0, -1]].all()
        assert box.any(axis=1)[[0, -1]].all()
        assert float(row["x"]) == pytest.approx(np.nonzero(mask)[1].mean() + 0.5, abs=0.06)
        assert row["kind"] in ("opacity", "effusion")
    assert not (written.masks / "0-healthy").exists()


def test_all_says_that_it_is_synthetic(written, tmp_path):
    for path in written.path.glob("*/*"):
        assert path.name.startswith("synthetic-")
        with Image.open(path) as picture:
            assert picture.info["Comment"].startswith("Synthetic chest radiograph")
    read_me = (written.path / "README.txt").read_text()
    assert read_me.startswith("SYNTHETIC chest radiographs")
    assert "the pixels are too few to say it there" in read_me
    other = write(tmp_path / "large", 2, size=96, format="jpeg", shortcut="marker")
    assert "and in its lower left corner" in (other.path / "README.txt").read_text()
    assert "a bright plate in the upper left corner" in (other.path / "README.txt").read_text()
    for path in other.path.glob("*/*.jpg"):
        with Image.open(path) as picture:
            assert picture.info["comment"].startswith(b"Synthetic chest radiograph")
    assert len(list(other.path.glob("*/*.jpg"))) == 2


def test_the_compression_differs_in_jpeg_files_only(tmp_path):
    done = write(tmp_path / "jpeg", 4, size=16, shortcut="compression")
    tables = set()
    for path in done.path.glob("*/*.jpg"):
        with Image.open(path) as picture:
            tables.add(str(picture.quantization))
    assert len(tables) == 2
    with pytest.raises(ConfigError) as refused:
        write(tmp_path / "png", 4, shortcut="compression", format="png")
    assert str(refused.value) == (
        "PNG files are compressed without loss.\nThe shortcut 'compression' needs --format jpeg."
    )


def test_too_few_images_for_the_classes(tmp_path):
    with pytest.raises(ConfigError) as refused:
        write(tmp_path / "few", 5, classes=3, views=2)
    assert str(refused.value) == "3 classes with 2 views need 6 images or more; got 5."


@pytest.mark.parametrize("taken", ["chests", "chests-masks"])
def test_a_folder_that_exists_is_left_alone(tmp_path, taken):
    (tmp_path / taken).mkdir()
    with pytest.raises(DataError) as refused:
        write(tmp_path / "chests", 2, size=16)
    assert str(refused.value) == f"{tmp_path / taken} exists already.\nGive a new folder, or remove this one."
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_where_no_folder_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as refused:
        write(tmp_path / "file/chests", 2, size=16)
    assert str(refused.value).startswith(f"{tmp_path}/file/chests cannot be made: ")


def test_stopped_in_the_middle_nothing_is_left(tmp_path, monkeypatch):
    def stop(index, *arguments, **settings):
        if index == 3:
            raise KeyboardInterrupt
        return image(index, *arguments, **settings)

    monkeypatch.setattr(folder, "image", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "chests", 6, size=16)
    assert not list(tmp_path.iterdir())

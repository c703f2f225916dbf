"""The pixel cache: decoded once, found again by content, never half there and never wrong."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from platformdirs import user_cache_path

from convstage.data import Geometry, cache, parallel
from convstage.data.cache import cache_folder, decode
from convstage.data.formats import find_source
from convstage.files import TEMPORARY
from support.caches import GEOMETRY, Numbered, check, decoded, files

pytestmark = pytest.mark.usefixtures("folder")


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_) -> None:
        raise AssertionError("decoded once more")

    monkeypatch.setattr(cache, "to_pixels", fail)


# ------------------------------------------------------------- what is in it


def test_readable_images_are_decoded_and_the_others_listed(data: Path) -> None:
    result = decoded(data)
    check(result, data)
    assert result.unreadable == [
        (1, "the file is empty"),
        (6, "no image, or none of PNG, JPEG, BMP, TIFF, GIF, WEBP, PPM and DICOM"),
    ]
    assert len(set(result.sha256)) == 8
    assert all(len(sha) == 64 for sha in result.sha256)


def test_pixels_are_mapped_not_loaded(data: Path, folder: Path) -> None:
    pixels = decoded(data).pixels
    assert isinstance(pixels, np.memmap)
    assert not pixels.flags.writeable
    assert Path(pixels.filename).parent == folder
    assert (pixels.dtype, pixels.shape) == (np.uint8, (6, 6, 5, 1))


def test_no_readable_image_at_all(data: Path) -> None:
    for path in data.rglob("*.png"):
        path.write_bytes(b"")
    for _ in range(2):
        result = decoded(data, Geometry(6, 5, "colour"))
        assert result.pixels.shape == (0, 6, 5, 3)
        assert len(result.rows) == 0
        assert [reason for _, reason in result.unreadable] == ["the file is empty"] * 8


def test_a_file_that_may_not_be_read_is_listed() -> None:
    class Locked(Numbered):
        def read(self, index: int) -> bytes:
            if index == 1:
                raise PermissionError(13, "Permission denied", "/secret/1")
            if index == 2:
                raise OSError("the network is gone")
            return super().read(index)

    result = decode(Locked(4), GEOMETRY)
    assert result.unreadable == [(1, "Permission denied"), (2, "the network is gone")]
    assert result.sha256[1:3] == ["unreadable: Permission denied", "unreadable: the network is gone"]
    assert_array_equal(result.rows, [0, 3])
    assert_array_equal(result.pixels[:, 0, 0, 0], [0, 3])


@pytest.mark.parametrize("processors", [1, 3, 32, None])
def test_the_order_is_kept_by_any_number_of_threads(processors: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Uneven(Numbered):
        def open(self, data: bytes) -> Image.Image:
            time.sleep(0.003 * (data[0] % 3 == 0))
            return super().open(data)

    monkeypatch.setattr(parallel.os, "cpu_count", lambda: processors)
    result = decode(Uneven(200), GEOMETRY)
    assert_array_equal(result.pixels[:, 0, 0, 0], range(200))
    assert_array_equal(result.rows, range(200))


# ------------------------------------------------------------- when it is used again


def test_the_second_time_nothing_is_decoded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = decoded(data)
    forbid_decoding(monkeypatch)
    second = decoded(data)
    check(second, data)
    assert (second.unreadable, second.sha256) == (first.unreadable, first.sha256)


def test_the_same_data_under_another_path_is_not_decoded_again(data: Path, tmp_path: Path, monkeypatch) -> None:
    decoded(data)
    shutil.copytree(data, tmp_path / "elsewhere")
    shutil.rmtree(data)
    forbid_decoding(monkeypatch)
    check(decoded(tmp_path / "elsewhere"), tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "change",
    [
        {"height": 7},
        {"width": 6},
        {"channels": "colour"},
        {"channels": "binary"},
        {"resize": "crop"},
        {"resize": "pad"},
    ],
    ids=str,
)
def test_another_geometry_is_another_cache(change: dict, data: Path, folder: Path) -> None:
    decoded(data)
    other = replace(GEOMETRY, **change)
    assert decoded(data, other).pixels.shape[1:] == other.shape
    assert len(files(folder)) == 4
    check(decoded(data), data)


def edit(path: Path) -> None:
    Image.new("L", (5, 6), 9).save(path / "a/0.png")


def mend(path: Path) -> None:
    Image.new("L", (5, 6), 9).save(path / "a/1.png")


def rename(path: Path) -> None:
    (path / "a/0.png").rename(path / "a/00.png")


def move(path: Path) -> None:
    (path / "a/0.png").rename(path / "b/9.png")


def remove(path: Path) -> None:
    (path / "a/0.png").unlink()


def add(path: Path) -> None:
    shutil.copy(path / "a/0.png", path / "a/9.png")


@pytest.mark.parametrize("change", [edit, mend, rename, move, remove, add])
def test_changed_data_are_another_cache(change, data: Path, folder: Path) -> None:
    decoded(data)
    change(data)
    result = decoded(data)
    assert len(files(folder)) == 4
    source = find_source(data)
    shown = [np.asarray(Image.open(data / source.items[row].name)) for row in result.rows]
    assert_array_equal(result.pixels[:, :, :, 0], shown)


def test_the_same_bytes_in_another_shape_are_another_cache(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=[0, 1, 0, 1])
    decoded(tmp_path / "data.npz")
    np.savez(tmp_path / "data.npz", images=images.reshape(4, 5, 6), labels=[0, 1, 0, 1])
    right = decode(find_source(tmp_path / "data.npz"), Geometry(5, 6, "grey")).pixels[:, :, :, 0]
    assert_array_equal(right, images.reshape(4, 5, 6))
    stretched = [np.asarray(Image.fromarray(image).resize((5, 6), 2)) for image in images.reshape(4, 5, 6)]
    assert_array_equal(decoded(tmp_path / "data.npz").pixels[:, :, :, 0], stretched)


def test_a_new_version_is_another_cache(data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded(data)
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    decoded(data)
    assert len(files(folder)) == 4


def test_file_names_that_are_no_utf_8(tmp_path: Path) -> None:
    """As archives of other times and systems have them."""
    odd = Path(bytes(tmp_path).decode() + "/R\udcf6ntgen")
    for name in ("a", "b"):
        (odd / name).mkdir(parents=True)
        Image.new("L", (5, 6), 9).save(odd / name / "\udce4.png")
    for _ in range(2):
        assert decoded(odd).pixels.shape == (2, 6, 5, 1)


# ------------------------------------------------------------- where it is


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert cache_folder() == folder
    for unset in (lambda: monkeypatch.setenv("CONVSTAGE_CACHE", ""), lambda: monkeypatch.delenv("CONVSTAGE_CACHE")):
        unset()
        assert cache_folder() == user_cache_path("convstage", appauthor=False)


def test_nothing_is_made_before_it_is_needed(folder: Path) -> None:
    cache_folder()
    assert not folder.exists()


def test_the_list_says_which_data_it_is_of(data: Path, folder: Path) -> None:
    decoded(data)
    (path,) = folder.glob("*.json")
    assert json.loads(path.read_text())["data"] == str(data)


def test_old_litter_of_killed_processes_is_removed(data: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    old, young = folder / f"{TEMPORARY}old.pixels", folder / f"{TEMPORARY}young.pixels"
    for litter in (old, young):
        litter.write_bytes(b"half")
    os.utime(old, (0, 0))
    decoded(data)
    assert (old.exists(), young.exists()) == (False, True)

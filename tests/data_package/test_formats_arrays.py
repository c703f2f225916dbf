"""Labelled images in a .npz file."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage import DataError
from convstage.data import arrays
from convstage.data.formats import PARTS, find_source
from convstage.data.images import to_pixels
from support.sources import EXPECTED, content, grey, refusal

IMAGES = grey(6)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(**arrays) -> Path:
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return write


def labels_of(path: Path) -> list[tuple[str | None, str]]:
    source = find_source(path)
    return [(item.part, source.classes[item.label]) for item in source.items]


@pytest.mark.parametrize(("x", "y"), [("images", "labels"), ("x", "y")])
def test_names_of_the_arrays_without_parts(x: str, y: str, save) -> None:
    path = save(**{x: IMAGES, y: [0, 1, 0, 1, 1, 0]})
    assert labels_of(path) == [(None, name) for name in "010110"]
    assert find_source(path).items[3].name == f"{x}[3]"


@pytest.mark.parametrize("names", ["x_{} y_{}", "{0}_images {0}_labels"])
@pytest.mark.parametrize("val", PARTS["val"])
def test_names_of_the_arrays_with_parts(names: str, val: str, save) -> None:
    arrays = {}
    for part, rows in (("train", slice(0, 3)), (val, slice(3, 4)), ("test", slice(4, 6))):
        x, y = names.format(part, part).split()
        arrays |= {x: IMAGES[rows], y: np.array([0, 1, 0, 1, 1, 0])[rows]}
    path = save(**arrays)
    parts = ["train"] * 3 + ["val"] + ["test"] * 2
    assert labels_of(path) == list(zip(parts, "010110", strict=True))
    source = find_source(path)
    pixels = [to_pixels(source.open(source.read(row)), "grey", (6, 5))[:, :, 0] for row in range(6)]
    assert_array_equal(pixels, IMAGES)


def test_labels_in_a_column_and_images_in_colour_as_medmnist_has_them(save) -> None:
    colour = np.stack([IMAGES, IMAGES // 2, 255 - IMAGES], axis=3)
    path = save(train_images=colour, train_labels=np.array([[0], [1], [2], [0], [1], [2]], np.uint8))
    assert [label for _, label in labels_of(path)] == list("012012")
    source = find_source(path)
    assert_array_equal(to_pixels(source.open(source.read(4)), "colour", (6, 5)), colour[4])


@pytest.mark.parametrize("kind", [str, "S", "U20"])
def test_labels_may_be_names(kind, save) -> None:
    path = save(images=IMAGES, labels=np.array(["b10", "b2", "A", "A", "b2", "b10"], kind))
    assert find_source(path).classes == ("A", "b2", "b10")
    assert [label for _, label in labels_of(path)] == ["b10", "b2", "A", "A", "b2", "b10"]


def test_names_that_are_bytes_are_text(save) -> None:
    labels = np.array(["Röntgen".encode(), b"\xff", "Röntgen".encode(), b"\xff", b"\xff", b"\xff"])
    assert set(find_source(save(images=IMAGES, labels=labels)).classes) == {"Röntgen", "�"}


def test_numbers_sort_as_numbers(save) -> None:
    assert find_source(save(images=IMAGES, labels=[10, 2, -1, 10, 2, -1])).classes == ("-1", "2", "10")


@pytest.mark.parametrize("kind", [str, "S"])
def test_classes_name_the_numbers(kind, save) -> None:
    path = save(images=IMAGES, labels=[1, 0, 1, 2, 2, 0], classes=np.array(["zebra", "ant", "cow"], kind))
    assert find_source(path).classes == ("zebra", "ant", "cow")
    assert [label for _, label in labels_of(path)] == ["ant", "zebra", "ant", "cow", "cow", "zebra"]


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2], [0, 1, -1, 0, 1, 1], [0.0, 1.0] * 3, ["a", "b"] * 3])
def test_labels_that_classes_do_not_name(labels: list, save) -> None:
    path = save(images=IMAGES, labels=labels, classes=["a", "b"])
    assert refusal(path) == f"{path} has 2 names in classes, but labels that are no numbers 0..1."


def test_a_named_class_without_images_and_one_that_is_named_twice(save) -> None:
    path = save(images=IMAGES, labels=[0, 1] * 3, classes=["a", "b", "c"])
    assert refusal(path) == f"class 'c' of {path} has no images.\nAdd some, or remove the class."
    path = save(images=IMAGES, labels=[0, 1] * 3, classes=["a", "a"])
    assert refusal(path) == f"{path} has more than one class of the name 'a'."


def test_parts_whose_labels_differ_in_type(save) -> None:
    path = save(x_train=IMAGES, y_train=[0, 1] * 3, x_test=IMAGES, y_test=["0", "1"] * 3)
    assert [label for _, label in labels_of(path)] == list("01" * 6)


def test_the_suffix_may_be_in_capitals(save, tmp_path: Path) -> None:
    path = save(images=IMAGES, labels=[0, 1] * 3).rename(tmp_path / "DATA.NPZ")
    assert find_source(path).classes == ("0", "1")


def test_other_arrays_are_named(save) -> None:
    path = save(pictures=IMAGES, labels=[0] * 6)
    assert refusal(path) == f"{path} holds pictures, labels.\nExpected images and labels, or x_train and y_train."
    path = save()
    assert refusal(path) == f"{path} holds nothing.\nExpected images and labels, or x_train and y_train."


def test_lengths_that_differ(save) -> None:
    path = save(images=IMAGES, labels=[0, 1])
    assert refusal(path) == f"{path} has 6 in images, but 2 in labels."


@pytest.mark.parametrize("images", [np.zeros((6, 30)), np.zeros(6), np.zeros((6, 2, 2, 2, 2))])
def test_images_that_are_no_matrices(images: np.ndarray, save) -> None:
    path = save(images=images, labels=[0, 1] * 3)
    assert refusal(path) == f"{path}: images must be (n, height, width), or with channels behind; got {images.shape}."


@pytest.mark.parametrize("test", [IMAGES[:, :, :4], IMAGES.astype(np.uint16), IMAGES[:, :, :, None]])
def test_parts_whose_images_differ(test: np.ndarray, save) -> None:
    path = save(x_train=IMAGES, y_train=[0, 1] * 3, x_test=test, y_test=[0, 1] * 3)
    assert refusal(path) == f"{path}: images of x_test differ in size or type from those of x_train."


@pytest.mark.parametrize("arrays", [{"images": 5, "labels": 3}, {"images": 5, "labels": 3, "classes": "a"}])
def test_single_numbers_are_no_images(arrays: dict, save) -> None:
    path = save(**arrays)
    assert refusal(path) == f"{path}: images must be (n, height, width), or with channels behind; got (1,)."


@pytest.mark.parametrize("classes", [{}, {"classes": ["a", "b"]}])
def test_no_images_at_all(classes: dict, save) -> None:
    path = save(images=IMAGES[:0], labels=np.zeros(0, int), **classes)
    assert refusal(path) == f"{path} has no images.\n{EXPECTED}"


# ------------------------------------------------------------- more than memory holds


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Take every array for a large one; return the folder that those are unpacked in."""
    monkeypatch.setattr(arrays, "LARGE", -1)
    return folder


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("images", [IMAGES, np.asfortranarray(IMAGES), IMAGES.astype(np.uint16) * 257])
def test_large_arrays_are_mapped_not_loaded(write, images: np.ndarray, tmp_path: Path, large: Path) -> None:
    path = tmp_path / "data.npz"
    write(path, labels=[1, 0] * 3, images=images)
    source = find_source(path)
    assert isinstance(source.blocks[0], np.memmap)
    with np.load(path) as loaded:
        assert_array_equal(source.blocks[0], loaded["images"])
    assert [item.label for item in source.items] == [1, 0] * 3
    assert not list(large.glob("*"))


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_large_arrays_that_are_damaged_are_refused(write, tmp_path: Path, large: Path) -> None:
    path = tmp_path / "data.npz"
    write(path, images=IMAGES, labels=np.array([0, 1] * 3, np.uint8))
    whole, expected = path.read_bytes(), content(path)
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            assert content(path) == expected
        except DataError as error:
            refused += str(error).startswith(f"{path} ")
    assert refused > 100


def test_large_objects_are_refused_and_never_unpickled(save, tmp_path: Path, large: Path) -> None:
    path = save(images=np.array([Canary(tmp_path / "mark")] * 6, object), labels=[0, 1] * 3)
    assert refusal(path) == f"{path} cannot be read: Object arrays cannot be loaded when allow_pickle=False."
    assert not (tmp_path / "mark").exists()


class Canary:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["images", "labels", "classes", "more"])
def test_pickled_objects_are_refused_and_never_unpickled(name: str, save, tmp_path: Path) -> None:
    good = {"images": IMAGES, "labels": [0, 1] * 3}
    path = save(**good | {name: np.array([Canary(tmp_path / "mark")] * 6, object)})
    assert refusal(path) == f"{path} cannot be read: Object arrays cannot be loaded when allow_pickle=False."
    assert not (tmp_path / "mark").exists()
    with np.load(path, allow_pickle=True) as file:
        file[name]
    assert (tmp_path / "mark").exists()  # the canary does sing


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04", bytes(1000)])
def test_what_is_no_zip_file(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(data)
    assert refusal(path) == f"{path} cannot be read: File is not a zip file."


def test_a_single_array_or_a_pickle_with_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.save(tmp_path / "data.npy", IMAGES)
    (tmp_path / "data.npy").rename(path)
    assert refusal(path) == f"{path} cannot be read: File is not a zip file."
    np.save(tmp_path / "data.npy", np.array([Canary(tmp_path / "mark")], object), allow_pickle=True)
    (tmp_path / "data.npy").rename(path)
    assert refusal(path) == f"{path} cannot be read: File is not a zip file."
    assert not (tmp_path / "mark").exists()


def test_a_zip_file_of_other_things(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images.npy", b"no array")
        file.writestr("labels.npy", b"nor this")
    assert refusal(path) == f"{path}: images must be (n, height, width), or with channels behind; got (1,)."


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_wherever_it_is_damaged(write, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    write(path, images=IMAGES, labels=np.array([0, 1] * 3, np.uint8))
    whole, expected = path.read_bytes(), content(path)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            assert content(path) == expected  # as the times in a zip file, which say nothing of its content
        except DataError as error:
            refused += str(error).startswith(str(path))
    assert refused > 200
    for length in range(0, len(whole), 17):
        path.write_bytes(whole[:length])
        assert refusal(path).startswith(f"{path} cannot be read: ")


def test_an_encrypted_file(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, images=IMAGES, labels=[0, 1] * 3)
    data = bytearray(path.read_bytes())
    for head, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(head)
        while place >= 0:
            data[place + offset] |= 1  # the flag that says so
            place = data.find(head, place + 1)
    path.write_bytes(data)
    assert refusal(path).startswith(f"{path} cannot be read: File 'images.npy' is encrypted, password required")


def test_the_same_bytes_in_another_shape_or_type_are_another_content(tmp_path: Path) -> None:
    contents = set()
    for number, images in enumerate([IMAGES, IMAGES.reshape(6, 5, 6), IMAGES.view(np.int8), IMAGES[..., None]]):
        np.savez(tmp_path / f"{number}.npz", images=images, labels=[0, 1] * 3)
        contents.add(find_source(tmp_path / f"{number}.npz").read(0))
    assert len(contents) == 4

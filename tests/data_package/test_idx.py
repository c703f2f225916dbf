"""IDX files: what they may be called, packed or not, and what a header must say."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage.data.formats import find_source
from convstage.data.images import to_pixels
from support.sources import EXPECTED, grey, refusal, write_idx

IMAGES, LABELS = grey(6), np.array([7, 0, 7, 3, 3, 0])


def write(folder: Path, stem: str = "train-", dot: str = "-", end: str = "", images=IMAGES, labels=LABELS) -> Path:
    write_idx(folder / f"{stem}labels{dot}idx1-ubyte{end}", labels)
    return write_idx(folder / f"{stem}images{dot}idx3-ubyte{end}", images)


def shown(path: Path) -> list[np.ndarray]:
    source = find_source(path)
    return [to_pixels(source.open(source.read(row)), "grey", (6, 5))[:, :, 0] for row in range(len(source.items))]


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_names_as_mnist_has_them(dot: str, end: str, tmp_path: Path) -> None:
    write(tmp_path, "t10k-", dot, end, IMAGES[:2], LABELS[:2])
    write(tmp_path, "train-", dot, end, IMAGES[2:], LABELS[2:])
    source = find_source(tmp_path)
    assert source.classes == ("0", "3", "7")
    assert [(item.name, item.part, source.classes[item.label]) for item in source.items] == [
        *((f"train-images{dot}idx3-ubyte[{row}]", "train", name) for row, name in enumerate("7330")),
        *((f"t10k-images{dot}idx3-ubyte[{row}]", "test", name) for row, name in enumerate("70")),
    ]
    assert_array_equal(shown(tmp_path), IMAGES[[2, 3, 4, 5, 0, 1]])


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        ("", None),
        ("valid-", "val"),
        ("emnist-letters-train-", "train"),
        ("emnist_letters_test_", "test"),
        ("brain-", None),
    ],
)
def test_the_part_is_a_word_of_the_name(stem: str, part: str | None, tmp_path: Path) -> None:
    write(tmp_path, stem)
    assert {item.part for item in find_source(tmp_path).items} == {part}


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_single_file_is_no_part(end: str, tmp_path: Path) -> None:
    path = write(tmp_path, "t10k-", end=end)
    write(tmp_path, "train-", end=end)
    source = find_source(path)
    assert {item.part for item in source.items} == {None}
    assert_array_equal(shown(path), IMAGES)


def test_packed_or_not_it_is_the_same_data_set(tmp_path: Path) -> None:
    for name, end in (("packed", ".gz"), ("plain", "")):
        (tmp_path / name).mkdir()
        write(tmp_path / name, end=end)
    packed, plain = find_source(tmp_path / "packed"), find_source(tmp_path / "plain")
    assert packed.items == plain.items
    assert [packed.read(row) for row in range(6)] == [plain.read(row) for row in range(6)]
    assert isinstance(plain.blocks[0], np.memmap)


def test_of_a_packed_and_an_unpacked_file_the_unpacked_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, end=".gz", images=255 - IMAGES)
    assert_array_equal(shown(tmp_path), IMAGES)


def test_a_packed_file_may_have_unpacked_labels(tmp_path: Path) -> None:
    write(tmp_path, end=".gz")
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    write_idx(tmp_path / "train-labels.idx1-ubyte", LABELS)
    assert len(find_source(tmp_path).items) == 6


# ------------------------------------------------------------- what is refused


def test_labels_that_are_missing(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert refusal(tmp_path) == (
        f"{path} has no labels beside it.\nExpected train-labels-idx1-ubyte, or train-labels-idx1-ubyte.gz."
    )


def test_two_files_of_one_part(tmp_path: Path) -> None:
    write(tmp_path, "letters-train-")
    write(tmp_path, "digits-train-")
    assert refusal(tmp_path) == (
        f"{tmp_path} has digits-train-images-idx3-ubyte and letters-train-images-idx3-ubyte, both for train.\n"
        "Give the path of one of them, or move those away that are not meant."
    )


def test_numbers_and_sizes_that_differ(tmp_path: Path) -> None:
    path = write(tmp_path, labels=LABELS[:4])
    assert refusal(tmp_path) == f"{path} has 6 images, but train-labels-idx1-ubyte 4 labels."
    write(tmp_path)
    write(tmp_path, "t10k-", images=IMAGES[:, :, :4])
    assert refusal(tmp_path) == f"{tmp_path}: images of t10k-images-idx3-ubyte are 6×4, but of others 6×5."


def test_no_images_at_all(tmp_path: Path) -> None:
    write(tmp_path, images=IMAGES[:0], labels=LABELS[:0])
    assert refusal(tmp_path) == f"{tmp_path} has no images.\n{EXPECTED}"


HEAD = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 6, 0, 0, 0, 5])
BODY = IMAGES.tobytes()
DAMAGED = "is damaged: its header says 6×6×5 values, which are not what follows.\nGet it anew."


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is no IDX file: it begins with nothing, not 00 00 08."),
        (b"\x89PNG" + HEAD, "is no IDX file: it begins with 89 50 4e 47, not 00 00 08."),
        (b"\0\0\x07\x03" + HEAD[4:] + BODY, "is no IDX file: it begins with 00 00 07 03, not 00 00 08."),
        (b"\0\0\x0d\x03" + HEAD[4:], "holds float32; only uint8 is read.\nStore it as a .npz file instead."),
        (b"\0\0\x08\x01" + HEAD[4:] + BODY, "has 1 dimensions; expected 3."),
        (HEAD[:9], "is damaged: it ends within its header.\nGet it anew."),
        (HEAD, DAMAGED),
        (HEAD + BODY[:-1], DAMAGED),
        (HEAD + BODY + b"x", DAMAGED),
        (
            HEAD[:4] + b"\xff" * 12 + BODY,
            "is damaged: its header says 4294967295×4294967295×4294967295 values, which are not what follows.\n"
            "Get it anew.",
        ),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_headers_that_are_wrong(data: bytes, problem: str, end: str, tmp_path: Path) -> None:
    path = write(tmp_path, end=end)
    path.write_bytes(gzip.compress(data) if end else data)
    assert refusal(tmp_path) == f"{path} {problem}"


def test_packed_files_that_are_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, end=".gz")
    whole = path.read_bytes()
    for damaged in (b"no gzip", whole[: len(whole) // 2], whole[:40] + bytes(20) + whole[60:]):
        path.write_bytes(damaged)
        assert refusal(tmp_path).startswith(f"{path} cannot be read: ")

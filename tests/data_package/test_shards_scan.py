"""Shards that other programs made: which labels are understood, and which samples are refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convstage import DataError
from convstage.data import open_source
from convstage.data.shards import look, scan
from convstage.data.shards.source import Shards
from support.pictures import encoded
from support.tars import write_tar


def png(number: int = 0) -> bytes:
    return encoded(Image.fromarray(np.full((6, 5), number, np.uint8)), "PNG")


def listed(tmp_path: Path, files: dict[str, bytes]) -> Shards:
    source = open_source(write_tar(tmp_path / "000.tar", files))[1]
    assert isinstance(source, Shards)
    return source


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ({"cls": b"7\n"}, "7"),
        ({"txt": "Lungenentzündung".encode()}, "Lungenentzündung"),
        ({"json": b'{"label": 3}'}, "3"),
        ({"json": b'{"label": 3, "class": "corona"}'}, "corona"),
        ({"json": b'"corona"'}, "corona"),
        ({"json": b"12"}, "12"),
        ({"cls": b"1", "txt": b"a man on a horse", "json": b'{"width": 9}'}, "1"),
        ({"txt": b"a caption", "json": b'{"cls": 5}'}, "5"),
        ({"cls": "\ufeff9".encode()}, "9"),
        ({"json": b'{"target": "<script>"}'}, "<script>"),
        ({"json": b'{"label": true}'}, "True"),
    ],
)
def test_labels_are_found(labels: dict[str, bytes], classes: str, tmp_path: Path) -> None:
    files = {"a/0001.png": png(), **{f"a/0001.{extension}": content for extension, content in labels.items()}}
    source = listed(tmp_path, files | {"other.jpg": png(1), "other.cls": b"zzz"})
    assert source.classes == (classes, "zzz")
    assert [item.name for item in source.items] == ["000/a/0001.png", "000/other.jpg"]
    assert source.read(0) == png()


def test_parts_and_groups_are_found(tmp_path: Path) -> None:
    said = [{"cls": number % 2, "split": "Validation", "patient": 10 + number // 2} for number in range(4)]
    files = {}
    for number, row in enumerate(said):
        files |= {f"{number}.image.png": png(number), f"{number}.json": json.dumps(row).encode()}
    source = listed(tmp_path, files)
    assert [(item.part, item.group) for item in source.items] == [
        ("val", "10"),
        ("val", "10"),
        ("val", "11"),
        ("val", "11"),
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a.png": png()},
            "sample 'a' has no label.\nExpected a.cls or a.txt with it, or a.json with a field class or",
        ),
        ({"a.png": png(), "a.json": b'{"width": 4}'}, "sample 'a' has no label."),
        ({"a.png": png(), "a.json": b'{"label": [1, 2]}'}, "sample 'a' has no label."),
        ({"a.png": png(), "a.cls": b" \n"}, "sample 'a' has no label."),
        ({"a.npy": b"", "a.cls": b"1"}, "sample 'a' has 0 images: a.npy, a.cls.\nExpected one."),
        ({"a.png": png(), "a.mask.png": png(), "a.cls": b"1"}, "sample 'a' has 2 images: a.png, a.mask.png."),
        ({"a.png": png(), "a.cls": b"\xff\xfe"}, "'a.cls' is no text in UTF-8.\nExpected what the image shows."),
        ({"a.png": png(), "a.json": b"{"}, "'a.json' is no JSON."),
        ({"a.png": png(), "a.json": b"[" * 100_000}, "'a.json' is no JSON."),
        ({"a.png": png(), "a.json": b'{"label": 1, "split": "exam"}'}, "a.json: 'exam' is no part."),
        ({"a.png": png(), "a.cls": b"x" * 2**21}, "'a.cls' has 2,097,152 bytes; a label has 1,048,576 at most."),
        (
            {"a.png": png(), "a.cls": b"1", "b.png": png(), "b.cls": b"1", "./a.jpg": png()},
            "sample 'a' has no label.",
        ),
        (
            {"a.png": png(), "a.cls": b"1", "b.png": png(), "b.cls": b"1", "./a.jpg": png(), "./a.cls": b"0"},
            "has samples of one key apart: a.\nExpected the files of a sample together.",
        ),
        ({"a.png": png(), "./a.png": png(), "a.cls": b"1"}, "'./a.png' is there twice."),
        (
            {"a.png": png(), "a.json": json.dumps({"class": "x", "name": "n", "sha256": "0" * 64}).encode()},
            "a.png is damaged: its SHA-256 is not the one of a.json.",
        ),
    ],
)
def test_samples_that_cannot_be_used(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        listed(tmp_path, files)
    assert str(tmp_path / "000.tar") in str(caught.value)
    assert said in str(caught.value)


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    files = {"._0.png": b"x", "0.png": png(), "0.cls": b"1", "d/.DS_Store": b"x", "1.png": png(1), "1.cls": b"2"}
    assert len(listed(tmp_path, files).items) == 2


def test_images_that_cannot_be_read_are_listed_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (look, scan):
        monkeypatch.setattr(module, "MOST_IMAGE", 400)
    files = {}
    for number, content in enumerate([png(), b"", b"no image", png()[:-30], bytes(401), png(5)]):
        files |= {f"{number}.png": content, f"{number}.cls": bytes([48 + number % 2])}
    source = listed(tmp_path, files)
    assert source.reasons[0] == source.reasons[5] == ""
    assert source.reasons[1] == "the file is empty"
    assert all(source.reasons[2:5])
    assert source.reasons[4] == "401 bytes are more than 400"
    assert [len(set(source.sha256)), len(source.items)] == [6, 6]

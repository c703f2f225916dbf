"""Parts that a file names: honoured exactly, or refused."""

import json
from pathlib import Path

import pytest

from convstage import DataError
from convstage.data.split_file import note_on_unnamed, read_split_file


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_split_file(path, ["a/1.png"])
    return str(caught.value)


@pytest.mark.parametrize("header", ["name,split", "path,part", "Image,SPLIT", "file,split,class"])
def test_a_table(header: str, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(f"{header}\na/1.png,train\na/2.png,TESTING\nb/1.png,valid\n")
    names = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
    assert read_split_file(path, names) == {"a/1.png": "train", "a/2.png": "test", "b/1.png": "val"}


def test_the_split_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    rows = [{"name": f"{part}.png", "sha256": "0", "class": "a", "part": part} for part in ("train", "val", "test")]
    path.write_text(json.dumps({"images": rows}))
    names = ["train.png", "val.png", "test.png"]
    assert read_split_file(str(path), names) == {"train.png": "train", "val.png": "val", "test.png": "test"}


@pytest.mark.parametrize("text", ["", "[]", '{"images": 3}', '{"images": [{"name": "a"}]}', '{"images": ["a"]}'])
def test_other_json(text: str, tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text(text)
    assert refusal(path) == (f"{path} is no split file.\nExpected a run's split.json, or a CSV file of name and split.")


def test_what_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"images": [{"name": "a.png", "part": "tset"}]}')
    assert refusal(path) == f"{path} names no part of a.png.\nExpected train, val or test."
    path = tmp_path / "split.csv"
    path.write_text("name,split\na.png,tset\n")
    assert refusal(path) == f"{path}, line 2, column split: 'tset' is no part.\nExpected train, val or test."
    path.write_text("name,split\na.png,\n")
    assert refusal(path) == f"{path}, line 2, column split: empty.\nFill it in, or remove the line."


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("split.csv", "split.json"):
        path = tmp_path / name
        assert refusal(path) == f"the split file {path} cannot be read: No such file or directory."


def test_images_that_the_data_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("name,split\n" + "".join(f"{name},train\n" for name in ("d", "a/1.png", "c", "b", "a")))
    assert refusal(path) == (
        f"{path} names 4 of 5 images that the data does not have: a, b, c, ….\n"
        "Images are called as in the run folder's split.json, here for instance a/1.png."
    )


def test_images_that_are_not_named_are_noted() -> None:
    assert note_on_unnamed(["a"], {"a": "train"}, "split.csv") == []
    assert note_on_unnamed(list("abcde"), {"a": "train"}, "split.csv") == [
        "4 left out, since split.csv does not name them: b, c, d, …"
    ]

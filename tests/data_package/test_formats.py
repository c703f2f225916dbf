"""FORMATS: the same images are the same data set in every one of them, and mistakes are named."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convstage import DataError
from convstage.data.formats import FORMATS, PARTS, find_source
from support.pictures import encoded
from support.sources import EXPECTED, content, grey, refusal, write_idx
from support.tars import write_tar

#: Part (None: none is named) -> class -> images (n, height, width).
Data = Mapping[str | None, Mapping[str, np.ndarray]]


def make_folders(root: Path, data: Data) -> Path:
    for part, classes in data.items():
        for name, pictures in classes.items():
            folder = root / (part or "") / name
            folder.mkdir(parents=True)
            for number, picture in enumerate(pictures):
                Image.fromarray(picture).save(folder / f"{number}.png")
    return root


def make_npz(root: Path, data: Data) -> Path:
    arrays = {}
    for part, classes in data.items():
        x, y = ("images", "labels") if part is None else (f"x_{part}", f"y_{part}")
        arrays[x] = np.concatenate(list(classes.values()))
        arrays[y] = np.repeat(list(classes), [len(pictures) for pictures in classes.values()])
    np.savez(root.with_suffix(".npz"), **arrays)
    return root.with_suffix(".npz")


def make_csv(root: Path, data: Data) -> Path:
    folder = make_folders(root / "pictures", data)
    lines = [
        f"{picture.relative_to(root)},{part or ''},{name}"
        for part, classes in data.items()
        for name in classes
        for picture in (folder / (part or "") / name).iterdir()
    ]
    (root / "table.csv").write_text("\n".join(["path,split,label", *lines]))
    return root / "table.csv"


def make_idx(root: Path, data: Data) -> Path:
    root.mkdir()
    for part, classes in data.items():
        stem = {None: "", "test": "t10k-"}.get(part, f"{part}-")
        labels = np.repeat([int(name) for name in classes], [len(pictures) for pictures in classes.values()])
        write_idx(root / f"{stem}images-idx3-ubyte", np.concatenate(list(classes.values())))
        write_idx(root / f"{stem}labels-idx1-ubyte.gz", labels)
    return root


def make_shards(root: Path, data: Data) -> Path:
    root.mkdir()
    for number, (part, classes) in enumerate(data.items()):
        files: dict[str, bytes] = {}
        for name, pictures in classes.items():
            for place, picture in enumerate(pictures):
                files[f"{name}-{place}.png"] = encoded(Image.fromarray(picture), "PNG")
                files[f"{name}-{place}.cls"] = name.encode()
                if part is not None:
                    files[f"{name}-{place}.json"] = json.dumps({"split": part}).encode()
        write_tar(root / f"{number:03d}.tar", files)
    return root


#: One for every entry of FORMATS: writes a data set in it.
MAKERS: dict[str, Callable[[Path, Data], Path]] = {
    "idx": make_idx,
    "folders": make_folders,
    "csv": make_csv,
    "npz": make_npz,
    "shards": make_shards,
}

# Classes are numbers here, since IDX files have no others.
ONE = {None: {"2": grey(3, 1), "10": grey(2, 2), "0": grey(4, 3), "7": grey(1, 4)}}
IN_PARTS = {
    "train": {"12": grey(3, 5), "3": grey(2, 6)},
    "val": {"12": grey(1, 7), "3": grey(2, 8)},
    "test": {"3": grey(2, 9), "12": grey(1, 10)},
}


# ------------------------------------------------------------- every format


def test_every_format_is_tried_here() -> None:
    assert set(MAKERS) == set(FORMATS)
    assert all(entry.name == name and entry.meaning for name, entry in FORMATS.items())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("data", "classes"), [(ONE, ("0", "2", "7", "10")), (IN_PARTS, ("3", "12"))], ids=["whole", "parts"]
)
def test_the_same_data_in_every_format(name: str, data: Data, classes: tuple[str, ...], tmp_path: Path) -> None:
    found, rows = content(MAKERS[name](tmp_path / "data", data))
    assert found == classes
    assert rows == sorted(
        [
            (part, label, picture.tobytes())
            for part, by_class in data.items()
            for label, pictures in by_class.items()
            for picture in pictures
        ],
        key=str,
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_the_same_bytes_again_under_names_of_their_own(name: str, tmp_path: Path) -> None:
    source, again = (find_source(MAKERS[name](tmp_path / place, IN_PARTS)) for place in ("one", "two"))
    assert source.items == again.items
    assert len({item.name for item in source.items}) == len(source.items) == 11
    contents = [source.read(index) for index in range(11)]
    assert contents == [again.read(index) for index in range(11)]
    assert len(set(contents)) == 11


# ------------------------------------------------------------- folders


def test_classes_sort_naturally(tmp_path: Path) -> None:
    names = ["10", "2", "1", "stage 12", "Stage 3", "apple", "Banana"]
    source = find_source(make_folders(tmp_path, {None: {name: grey(1) for name in names}}))
    assert source.classes == ("1", "2", "10", "apple", "Banana", "Stage 3", "stage 12")
    assert [item.name for item in source.items][:3] == ["1/0.png", "2/0.png", "10/0.png"]


def test_images_sort_naturally(tmp_path: Path) -> None:
    source = find_source(make_folders(tmp_path, {None: {"a": grey(12), "b": grey(1)}}))
    assert [item.name for item in source.items] == [*(f"a/{n}.png" for n in range(12)), "b/0.png"]


def test_names_that_natural_order_takes_for_equal_are_not_left_to_chance(tmp_path: Path) -> None:
    names = ["1", "01", "001", "a", "A", "x 1", "x 01"]
    for name in names:
        (tmp_path / name).mkdir()
        for file in ("7.png", "07.png", "007.png", "b.png", "B.png"):
            Image.new("L", (2, 2)).save(tmp_path / name / file)
    source = find_source(tmp_path)
    assert source.classes == ("001", "01", "1", "A", "a", "x 01", "x 1")
    assert [item.name for item in source.items][:5] == [
        f"001/{file}" for file in ("007.png", "07.png", "7.png", "B.png", "b.png")
    ]


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "VALID", "Testing"), ("train", "validation", "test")]
)
def test_folders_of_parts_may_be_called_differently(names: tuple[str, ...], tmp_path: Path) -> None:
    make_folders(tmp_path, {name: {"a": grey(1), "b": grey(2)} for name in names})
    source = find_source(tmp_path)
    assert source.classes == ("a", "b")
    assert {(item.name, item.part, item.label) for item in source.items} == {
        (f"{name}/{file}", part, label)
        for name, part in zip(names, ("train", "val", "test"), strict=True)
        for file, label in (("a/0.png", 0), ("b/0.png", 1), ("b/1.png", 1))
    }


def test_every_part_has_its_own_name_among_its_synonyms() -> None:
    assert all(part in names for part, names in PARTS.items())
    every = [name for names in PARTS.values() for name in names]
    assert len(set(every)) == len(every)


def test_parts_may_be_missing_and_lack_classes(tmp_path: Path) -> None:
    data = {"train": {"a": grey(1), "c": grey(1)}, "test": {"b": grey(1), "c": grey(1)}}
    source = find_source(make_folders(tmp_path, data))
    assert source.classes == ("a", "b", "c")
    assert {(item.part, item.label) for item in source.items} == {("train", 0), ("train", 2), ("test", 1), ("test", 2)}


@pytest.mark.parametrize("names", [("bus", "car", "train"), ("car", "test")])
def test_a_class_may_be_called_like_a_part(names: tuple[str, ...], tmp_path: Path) -> None:
    source = find_source(make_folders(tmp_path, {None: {name: grey(1) for name in names}}))
    assert source.classes == names
    assert {item.part for item in source.items} == {None}


@pytest.mark.parametrize(
    ("names", "parts", "others"),
    [
        (("train", "val", "test", "__MACOSX"), "train, val, test", "__MACOSX"),
        (("train", "val", "valid"), "train, valid", "val"),
        (("Train", "notes", "raw", "test"), "test, Train", "notes, raw"),
    ],
)
def test_parts_beside_other_folders_are_not_taken_for_classes(
    names: tuple[str, ...], parts: str, others: str, tmp_path: Path
) -> None:
    make_folders(tmp_path, {name: {"a": grey(1), "b": grey(1)} for name in names})
    message = refusal(tmp_path)
    first, rest = message.split("\n")
    assert rest == "Expected the parts of the data, train, val and test, or the classes: move away what is neither."
    named, beside = first.removeprefix(f"{tmp_path} has ").removesuffix(".").split(", and beside them ")
    assert sorted(named.split(", ")) == sorted(parts.split(", "))
    assert beside == others


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    make_folders(tmp_path, {None: {"a": grey(2), "b": grey(1), ".cache": grey(1), "a/.thumbs": grey(1)}})
    (tmp_path / "a" / "._0.png").write_bytes(b"of a Macintosh")
    (tmp_path / "notes.txt").write_text("not in a class folder")
    for name in ("Thumbs.db", "desktop.ini"):
        (tmp_path / "b" / name).write_bytes(b"of Windows")
    source = find_source(tmp_path)
    assert source.classes == ("a", "b")
    assert [item.name for item in source.items] == ["a/0.png", "a/1.png", "b/0.png"]


def test_a_link_that_leads_nowhere_is_listed_as_unreadable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    (tmp_path / "a/2.png").symlink_to(tmp_path / "gone.png")
    source = find_source(tmp_path)
    names = [item.name for item in source.items]
    assert names == ["a/1.png", "a/2.png", "b/1.png"]
    with pytest.raises(FileNotFoundError):
        source.read(1)


def test_a_data_set_below_a_hidden_folder_is_found(tmp_path: Path) -> None:
    assert len(find_source(make_folders(tmp_path / ".data", ONE)).items) == 10


def test_folders_within_a_class_belong_to_it(tmp_path: Path) -> None:
    make_folders(tmp_path, {None: {"a/patient 1/left": grey(1), "a/patient 2": grey(1), "b": grey(1)}})
    source = find_source(tmp_path)
    assert [(item.name, item.label) for item in source.items] == [
        ("a/patient 1/left/0.png", 0),
        ("a/patient 2/0.png", 0),
        ("b/0.png", 1),
    ]


@pytest.mark.parametrize("name", ["two words", "Röntgen", "🫁", "it's", 'say "ah"', "a,b", "-x", "{}", "%s", "[bold]"])
def test_class_names_of_every_kind(name: str, tmp_path: Path) -> None:
    classes, rows = content(make_folders(tmp_path, {None: {name: grey(2), "other": grey(1)}}))
    assert set(classes) == {name, "other"}
    assert [label for _, label, _ in rows].count(name) == 2


def test_what_is_no_image_is_listed_all_the_same(tmp_path: Path) -> None:
    make_folders(tmp_path, {None: {"a": grey(1), "b": grey(1)}})
    (tmp_path / "a" / "notes.txt").write_text("no image")
    source = find_source(tmp_path)
    assert source.items[1].name == "a/notes.txt"
    with pytest.raises(DataError, match="no image, or none of"):
        source.open(source.read(1))


# ------------------------------------------------------------- what is refused


def test_a_missing_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere") == f"{tmp_path / 'nowhere'} does not exist.\n{EXPECTED}"


def test_an_empty_folder(tmp_path: Path) -> None:
    expected = f"{tmp_path} has no class folders.\nExpected {tmp_path}/<class>/<image>, one folder for each class."
    assert refusal(tmp_path) == expected
    Image.new("L", (2, 2)).save(tmp_path / "stray.png")
    assert refusal(tmp_path) == expected
    (tmp_path / "train").mkdir()
    assert refusal(tmp_path) == expected


def test_class_folders_without_any_image(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert refusal(tmp_path) == f"{tmp_path} has no images.\n{EXPECTED}"


def test_one_class_folder_without_images(tmp_path: Path) -> None:
    make_folders(tmp_path, {None: {"a": grey(1), "b": grey(1)}})
    (tmp_path / "aa").mkdir()
    assert refusal(tmp_path) == f"class 'aa' of {tmp_path} has no images.\nAdd some, or remove the class."


@pytest.mark.parametrize("name", ["images.zip", "image.png", "csv", "npz", "idx3-ubyte"])
def test_a_file_of_no_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    assert refusal(tmp_path / name) == f"{tmp_path / name} is none of the formats that are read.\n{EXPECTED}"


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", deny)
    assert refusal(tmp_path) == f"{tmp_path} cannot be read: [Errno 13] Permission denied: '{tmp_path}'."

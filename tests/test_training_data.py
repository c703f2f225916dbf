"""Training on chosen classes, by groups and by the parts of another run; what it says of the data."""

import shutil
from pathlib import Path

import pytest

import convstage
from convstage import DataError

QUICK = {
    "pattern": "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER",
    "epochs": 1,
    "batch_size": 8,
    "audit": False,
}


@pytest.fixture
def folder(tmp_path: Path, make_folder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make ten images of each of three classes, two of a patient, and a copy."""
    monkeypatch.chdir(tmp_path)
    folder = make_folder(tmp_path / "xrays", {"0": 10, "1": 10, "2": 10}, size=8)
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        path.rename(path.with_name(f"p{number // 2}-{number % 2}.png"))
    shutil.copy(folder / "0/p0-0.png", folder / "0/p99-0.png")
    return folder


def test_classes_groups_and_the_parts_of_another_run(folder: Path, capsys) -> None:
    first = convstage.train("xrays", classes="2,0", group_regex="p[0-9]+", name="first", **QUICK)
    said = capsys.readouterr().err
    assert f"21 images of {folder}: 2 (10), 0 (11)\n" in said
    assert "left out, as other classes were chosen: 1 (10 images)\n" in said
    assert "11 groups, read off the names\n" in said
    assert "1 image is an exact copy of another, and in the same part: 0/p99-0.png = 0/p0-0.png\n" in said

    parts: dict[str, set[str]] = {}
    for row in first.split:
        parts.setdefault(row["group"], set()).add(row["part"])
    assert all(len(of_group) == 1 for of_group in parts.values())
    assert parts["p0"] == parts["p99"]
    assert first.config["settings"]["classes"] == ["2", "0"]
    assert list(first.metrics["per_class"]) == ["2", "0"]

    shutil.copy(folder / "1/p6-0.png", folder / "0/new.png")
    again = convstage.train("xrays", classes=["0", "2"], split_file=first.path / "split.json", seed=3, **QUICK)
    assert f"1 left out, since {first.path}/split.json does not name them: 0/new.png\n" in capsys.readouterr().err
    assert {row["name"]: row["part"] for row in again.split} == {row["name"]: row["part"] for row in first.split}


def test_too_many_unreadable_files_are_refused_before_anything_is_written(folder: Path) -> None:
    for number in range(3):
        (folder / f"1/x{number}.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        convstage.train("xrays", **QUICK)
    assert str(caught.value).startswith(
        "3 of 34 files (8.8%) cannot be read; at most 5.0% may be.\n  1/x0.png: the file is empty\n"
    )
    assert not Path("runs").exists()
    run = convstage.train("xrays", max_unreadable=0.09, **QUICK)
    assert len((run.path / "unreadable.csv").read_text().splitlines()) == 4


def test_a_table_of_images_outside_its_folder(folder: Path) -> None:
    images = sorted(folder.rglob("*.png"))
    lines = [f"{path};{path.parent.name};{path.name[:-6]}" for path in images]
    Path("table.csv").write_text("\n".join(["image;label;patient", *lines]))
    run = convstage.train("table.csv", **QUICK)
    assert run.path == Path("runs/table-1")
    assert [row["name"] for row in run.split] == list(map(str, images))
    assert {row["group"] for row in run.split} == {f"p{number}" for number in [*range(15), 99]}
    assert convstage.train("table.csv", classes="1,2", **QUICK).path == Path("runs/table-2")

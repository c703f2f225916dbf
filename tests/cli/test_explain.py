"""``convstage explain``: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from convstage.cli import cli
from convstage.explain import METHODS
from convstage.walkthrough import walk


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["explain", *map(str, arguments)])


@pytest.fixture
def image(trained_folder: Path) -> Path:
    return trained_folder / "1-corona" / "3.png"


def test_it_writes_page_and_pictures_and_says_where(trained, image: Path, tmp_path: Path) -> None:
    result = run(trained.path, image, "--out", tmp_path / "there", "--method", "trace-back", "--method", "occlusion")
    assert result.exit_code == 0, result.output
    part = walk(trained, image, methods=()).subject.part
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{image}: 1-corona ")
    assert lines[1] == f"its class is 1-corona, as predicted; it is in the run's {part} part"
    assert "Trace-back" in result.stdout and "Occlusion" in result.stdout and "Grad-CAM" not in result.stdout
    files = sorted(file.name for file in (tmp_path / "there").iterdir())
    assert lines[-2:] == [f"page: {tmp_path}/there/walk.html", f"pictures: {len(files) - 1} PNG files beside it"]
    assert "walk.html" in files and "evidence-occlusion.png" in files and "evidence-grad-cam.png" not in files


def test_without_out_it_goes_into_the_run_folder(trained, trained_folder: Path) -> None:
    name = trained.split[0]["name"]
    result = run(trained.path, name, "--method", "grad-cam")
    assert result.exit_code == 0, result.output
    folder = walk(trained, name, methods=()).folder
    assert folder.parent == trained.path / "explanations"
    assert (folder / "walk.html").is_file()


def test_a_cell_is_printed_and_nothing_written(trained, image: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(trained.path.rglob("*"))
    result = run(trained.path, image, "--cell", "stage1.pool:4,5,2", "--cell", "classifier:1", "--terms", "3")
    assert result.exit_code == 0, result.output
    walked = walk(trained, image, methods=())
    first, second = (walked.explain(*cell, terms=3) for cell in (("stage1.pool", (4, 5, 2)), ("classifier", 1)))
    assert result.stdout == f"{first}\n\n{second}\n"
    assert set(trained.path.rglob("*")) == before
    assert not list(tmp_path.iterdir())


def test_a_cell_beside_the_page(trained, image: Path, tmp_path: Path) -> None:
    result = run(trained.path, image, "--cell", "fc1:2", "--out", tmp_path, "--method", "grad-cam")
    assert "fc1, unit 2\n" in result.stdout
    assert (tmp_path / "walk.html").is_file()


def test_as_data(trained, image: Path, tmp_path: Path) -> None:
    result = run(trained.path, image, "--json", "--out", tmp_path, "--target", "0-healthy", "--cell", "softmax:0")
    data = json.loads(result.stdout)
    assert data["prediction"] == "1-corona"
    assert [one["method"] for one in data["evidence"]] == list(METHODS)
    assert {one["target"] for one in data["evidence"]} == {"0-healthy"}
    assert not any("map" in one for one in data["evidence"])
    assert data["cells"][0]["receipts"][0]["layer"] == "softmax"
    assert sorted(data["files"]) == sorted(map(str, tmp_path.iterdir()))
    assert "grades" not in data

    cells = json.loads(run(trained.path, image, "--json", "--cell", "fc1:0").stdout)
    assert cells["cells"][0]["receptive_field"] == {"rows": [0, 23], "columns": [0, 23]}
    assert "files" not in cells


def test_evidence_is_graded_when_asked_for(trained, image: Path, tmp_path: Path) -> None:
    result = run(trained.path, image, "--out", tmp_path, "--method", "trace-back", "--grade")
    assert result.exit_code == 0, result.output
    assert "outer border" in result.stdout
    assert "outer border" in (tmp_path / "walk.html").read_text()
    data = json.loads(run(trained.path, image, "--out", tmp_path, "--method", "trace-back", "--grade", "--json").stdout)
    assert data["grades"][0]["method"] == "trace-back"


def test_a_method_that_cannot_be_used_is_told(trained, image: Path, tmp_path: Path, monkeypatch) -> None:
    from convstage.explain import Refusal
    from convstage.walkthrough import Walk

    monkeypatch.setattr(Walk, "evidence", [Refusal("trace-back", "Trace-back", "the network bends")])
    assert "the network bends" in run(trained.path, image, "--out", tmp_path).stdout
    data = json.loads(run(trained.path, image, "--out", tmp_path, "--json").stdout)
    assert data["evidence"] == [{"method": "trace-back", "refused": "the network bends"}]


def test_the_page_is_opened_when_asked_for(trained, image: Path, tmp_path: Path, monkeypatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    run(trained.path, image, "--out", tmp_path, "--method", "grad-cam", "--open")
    assert opened == [f"{tmp_path}/walk.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cell", "stage1.conv"], "a cell is LAYER:ROW,COLUMN,FILTER, such as stage1.conv:3,4,0"),
        (["--cell", "stage1.conv:99,0,0"], "stage1.conv has no cell 99,0,0.\nIts cells are row 0 to 23"),
        (["--cell", "stage9.conv:0,0,0"], "the network has no layer 'stage9.conv'"),
        (["--target", "flu"], "the network knows no class 'flu'"),
        (["--method", "magic"], "there is no method 'magic'"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(trained, image: Path, tmp_path: Path, arguments, said) -> None:
    result = run(trained.path, image, "--out", tmp_path / "x", *arguments)
    assert said in str(result.exception)
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written_to(trained, image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(trained.path, image, "--out", tmp_path / "file", "--method", "grad-cam")
    assert str(result.exception) == f"{tmp_path}/file cannot be written: File exists."

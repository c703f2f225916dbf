"""``convstage audit``: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage.cli import cli


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["audit", *map(str, arguments)])


@pytest.fixture
def leaking(make_folder, tmp_path: Path) -> Path:
    """Make a folder with a part of its own for tests, and one of its images among the training images."""
    make_folder(tmp_path / "data/train", {"a": 25, "b": 25})
    make_folder(tmp_path / "data/test", {"a": 9, "b": 9}, seed=1)
    (tmp_path / "data/train/a/x.png").write_bytes((tmp_path / "data/test/a/0.png").read_bytes())
    return tmp_path / "data"


def test_findings_with_files_and_the_cues(leaking: Path) -> None:
    result = run(leaking)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"69 images of {leaking}, 2 classes\n  error 1 image the same as another")
    assert "test/a/0.png (test)" in result.stdout
    assert "strongest of 6 shortcuts: " in result.stdout


def test_as_data_on_the_terminal_and_in_a_file(leaking: Path, tmp_path: Path) -> None:
    result = run(leaking, "--json", "--out", tmp_path / "audit.json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["findings"][0]["severity"] == "error"
    assert json.loads((tmp_path / "audit.json").read_text()) == shown


def test_strict_ends_with_code_1_for_an_error_only(leaking: Path) -> None:
    assert run(leaking, "--strict").exit_code == 1
    (leaking / "train/a/x.png").unlink()
    assert run(leaking, "--strict").exit_code == 0


def test_a_file_that_cannot_be_written(leaking: Path, tmp_path: Path) -> None:
    result = run(leaking, "--out", tmp_path / "nowhere/audit.json")
    assert str(result.exception) == f"{tmp_path}/nowhere/audit.json cannot be written: No such file or directory."

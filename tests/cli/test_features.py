"""``convstage features``: what it prints, and the files that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage.cli import cli
from convstage.errors import ConfigError, RunError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["features", *map(str, arguments)])


def test_a_line_for_each_layer_and_where_the_files_are(trained, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    result = run(trained.path, "--patches", 2, "-o", out)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"28 training images of {trained.path}"
    layers = {line.split()[0]: line.split() for line in lines if "patterns" in line or "objects" in line}
    assert layers["stage1.conv"][1:6] == ["small", "patterns", "3×3", "4", "4"]
    assert layers["classifier"][1:6] == ["whole", "objects", "24×24", "2", "2"]
    assert lines[-2:] == [f"page: {out}/features.html", f"sheets: {out}/{{stage1.conv,classifier}}.png"]
    written = sorted(path.name for path in out.iterdir())
    assert written == ["classifier.png", "features.html", "features.json", "stage1.conv.png"]


def test_as_data_in_the_run_folder(trained) -> None:
    result = run(trained.path, "--part", "val", "--filters", "all", "--layer", "stage1", "--no-synthesis", "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert (data["part"], [layer["name"] for layer in data["layers"]]) == ("val", ["stage1.conv"])
    assert data["layers"][0]["shown"][0]["synthetic"] is None
    assert json.loads((trained.path / "features" / "features.json").read_text()) == data


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none(trained, number: str) -> None:
    result = run(trained.path, "--filters", number)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == f"--filters {number}: expected a number of at least 1, or all."


def test_a_folder_that_cannot_be_made(trained, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(trained.path, "--no-synthesis", "-o", tmp_path / "file" / "x")
    assert isinstance(result.exception, RunError)
    assert str(result.exception).startswith(f"{tmp_path}/file/x cannot be written: ")
    assert str(result.exception).endswith("Give another folder with --out.")

"""``convstage compare``, in this process: patterns and flags in, table or data out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage import ConfigError, PatternError, RunError
from convstage.baseline import BASELINES
from convstage.cli import cli
from convstage.comparison import Comparison

FLAT, DEEP = "INPUT -> FC(4) -> CLASSIFIER", "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)], terminal_width=160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import make_class_folders

    return make_class_folders(tmp_path_factory.mktemp("data") / "images", {"a": 9, "b": 9}, size=8)


def test_one_table_of_all_that_is_compared(folder: Path, tmp_path: Path) -> None:
    flags = ("-e", 1, "-o", tmp_path / "runs", "--baseline", "hog", "--baseline", "pixels", "--no-audit")
    shown = compare(FLAT, DEEP, "--data", folder, *flags)
    assert shown.exit_code == 0, shown.output
    found = Comparison.open(tmp_path / "runs/images-compare-1")
    assert f"folder: {found.path}" in shown.stdout
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "hog", "pixels"]
    rows = [line.split() for line in lines]
    for side in found.metrics["sides"]:
        assert [side["name"], f"{side['parameters']:,}", f"{side['multiply_adds']:,}"] in [row[:3] for row in rows]
    assert "cannot be told, by so few images, from 1" in shown.stdout
    assert "pattern 2 of 2, seed 0: " in shown.stderr
    assert "baseline hog, seed 0" in shown.stderr


def test_the_same_as_data_and_resumed(folder: Path, tmp_path: Path) -> None:
    flags = ("-e", 1, "-o", tmp_path / "runs", "-n", "mine", "--seeds", 2, "--seed", 5, "--no-audit", "--json")
    shown = json.loads(compare(FLAT, DEEP, "-d", folder, *flags).stdout)
    assert shown["folder"] == str(tmp_path / "runs/mine")
    assert shown["seeds"] == [5, 6]
    assert json.loads(compare("--resume", shown["folder"], "--json").stdout) == shown


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            [FLAT, "--resume", "x"],
            ConfigError,
            "--resume goes on with the comparison's own patterns; leave out PATTERN.",
        ),
        (["--resume", "x", "--seeds", 2, "-d", "y"], ConfigError, "leave out --data, --seeds."),
        (["--resume", "x", "--baseline", "hog", "-e", 3], ConfigError, "leave out --epochs, --baseline."),
        (["--resume", "nowhere"], RunError, "nowhere is no folder of a comparison: it has no compare.json."),
        ([FLAT, "-d", "digits"], ConfigError, "two sides at least"),
        ([FLAT, "INPUT -> [CONV]*N -> CLASSIFIER", "-d", "digits"], PatternError, "pattern 2 of 2: this is a family"),
        ([FLAT, "-d", "digits", "--baseline", "sift"], ConfigError, "there is no baseline 'sift'."),
    ],
)
def test_mistakes_are_explained(arguments: list[object], error: type[Exception], message: str) -> None:
    result = compare(*arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_usage_errors_of_the_flags() -> None:
    for arguments in ([], [FLAT, DEEP], ["--data", "digits"]):
        result = compare(*arguments)
        assert result.exit_code == 2
        assert "give patterns and --data DATA to train on, or --resume FOLDER." in result.stderr
    assert "No such option" in compare(FLAT, "-d", "digits", "--pattern", DEEP).stderr


def test_the_help_names_every_baseline_and_keeps_its_examples_apart() -> None:
    shown = compare("--help").output
    assert " or ".join(BASELINES) in " ".join(shown.split())
    lines = [line for line in shown.splitlines() if line.startswith("  convstage compare ")]
    assert len(lines) == 2

"""``convstage crossval``, in this process: flags in, table or data out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage import ConfigError, CrossValidation, RunError
from convstage.cli import cli

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"


def crossval(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["crossval", *map(str, arguments)], terminal_width=160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import make_class_folders

    return make_class_folders(tmp_path_factory.mktemp("data") / "images", {"a": 9, "b": 9})


def test_a_table_of_folds_then_all_predictions_together(folder: Path, tmp_path: Path) -> None:
    shown = crossval(folder, "-k", 3, "-p", PATTERN, "-e", 1, "-o", tmp_path / "runs", "--calibrate")
    assert shown.exit_code == 0, shown.output
    found = CrossValidation.open(tmp_path / "runs/images-crossval-1")
    assert f"folder: {found.path}" in shown.stdout
    table = [line.split() for line in shown.stdout.splitlines()]
    for row in found.metrics["per_fold"]:
        assert [str(row["fold"]), "6", f"{row['accuracy']:.1%}"] in [line[:3] for line in table]
    spread = found.metrics["over_folds"]["accuracy"]
    assert ["mean", f"{spread['mean']:.1%}"] in [line[:2] for line in table]
    assert ["standard", "deviation", f"{spread['std']:.1%}"] in [line[:3] for line in table]
    assert f"18 out-of-fold images of {folder}" in shown.stdout
    assert "fold 3 of 3: train" in shown.stderr


def test_the_same_as_data_and_resumed(folder: Path, tmp_path: Path) -> None:
    flags = ("-k", 2, "-p", PATTERN, "-e", 1, "-o", tmp_path / "runs", "-n", "mine", "--json")
    shown = json.loads(crossval(folder, *flags).stdout)
    assert shown["folder"] == str(tmp_path / "runs/mine")
    assert shown["folds"] == 2
    assert json.loads(crossval("--resume", shown["folder"], "--json").stdout) == shown


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--resume", "x", "-k", "3"], ConfigError, "--resume goes on with the run's own settings; leave out --folds."),
        (["y", "--resume", "x", "--batch-size", "3"], ConfigError, "leave out DATA, --batch-size."),
        (["--resume", "nowhere"], RunError, "nowhere is no folder of a cross-validation: it has no folds.json."),
    ],
)
def test_mistakes_are_explained(arguments: list[str], error: type[Exception], message: str) -> None:
    result = crossval(*arguments)
    assert isinstance(result.exception, error)
    assert message in str(result.exception)


def test_usage_errors_of_the_flags() -> None:
    assert "give DATA to train on, or --resume FOLDER." in crossval().stderr
    for flag in ("--test", "--split-file"):
        assert "No such option" in crossval("data", flag, "1").stderr

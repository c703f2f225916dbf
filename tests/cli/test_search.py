"""``convstage search``, in this process: flags in, leaderboard or data out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convstage import ConfigError, PatternError, RunError
from convstage.cli import COMMANDS, cli
from convstage.search import make, sampling

FAMILY = "INPUT -> [CONV(4) -> RELU -> POOL?]*M -> CLASSIFIER"
SMALL = ("-e", 1, "--fix", "all", "--no-audit", "--no-report", "--threads", 1)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "search", COMMANDS.get("search", "Search a family of patterns."))


def search(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["search", *map(str, arguments)], terminal_width=160)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import make_class_folders

    return make_class_folders(tmp_path_factory.mktemp("data") / "images", {"a": 12, "b": 12}, size=12)


def test_a_leaderboard_then_the_same_shown_resumed_and_as_data(folder: Path, tmp_path: Path) -> None:
    flags = ("--family", FAMILY, "-M", "1..2", "--search", "augment", "-t", 3, "-o", tmp_path, "-n", "mine", *SMALL)
    shown = search(folder, *flags)
    assert shown.exit_code == 0, shown.output
    assert "mine: 3 trials: " in shown.stdout
    assert f"best: {tmp_path}/mine/best" in shown.stdout
    assert f"folder: {tmp_path}/mine" in shown.stdout
    assert "4 of 4 networks of the family can be tried." in shown.stderr
    data = json.loads(search("--show", tmp_path / "mine", "--json").stdout)
    assert data["letters"] == {"M": "1..2"}
    assert data["searched"] == {"augment": "on, off"}
    assert len(data["trials"]) == 3
    assert search("--show", tmp_path / "mine").stdout == shown.stdout
    of_url = search("--show", f"sqlite:///{tmp_path}/mine/study.db")
    assert "mine: 3 trials: " in of_url.stdout
    assert "test images, which no trial has seen" in of_url.stdout
    longer = json.loads(search("--resume", tmp_path / "mine", "--trials", 4, "--json").stdout)
    assert longer["counts"]["trials"] == 4


def test_letters_ranges_and_limits_are_read(folder: Path, tmp_path: Path) -> None:
    flags = ("--letter", "M=1", "-N2", "-K=0..1", "--max-parameters", "0.5M", "--max-madds", "2M", "--timeout", "30m")
    family = "INPUT -> [[CONV -> RELU]*N -> POOL]*M -> [FC(8)]*K -> CLASSIFIER"
    shown = search(
        folder, *flags, "-f", family, "-t", 1, "-e", 1, "--fix", "filters=4", "--no-audit", "-o", tmp_path, "--json"
    )
    data = json.loads(shown.stdout)
    assert data["letters"] == {"N": "2", "M": "1", "K": "0..1"}
    assert data["searched"]["filters"] == "4"
    assert data["searched"]["learning_rate"] == "0.0001..0.01, logarithmic"
    assert data["trials"][0]["default"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["DATA", "other"], ConfigError, "'other' is out of place.\nBeside DATA there are ranges such as -N 1..3."),
        (["DATA", "-f", FAMILY], PatternError, "Give a range for M (such as M=1..3)."),
        (["DATA", "-f", FAMILY, "-M", "x"], ConfigError, "the range of M must be a count"),
        (["DATA", "--search", "=3"], ConfigError, "--search =3: write NAME=VALUE."),
        (["DATA", "--fix", "augment"], ConfigError, "--fix augment: write NAME=VALUE."),
        (["DATA", "--fix", "augment=on,off"], ConfigError, "a setting is fixed to one value"),
        (["DATA", "--letter", "M"], ConfigError, "--letter M: write NAME=VALUE."),
        (["DATA", "--max-madds", "lots"], ConfigError, "--max-madds lots: a number such as 100000, 100k or 2M."),
        (["DATA", "--max-parameters", "0"], ConfigError, "--max-parameters 0: a number such as"),
        (["DATA", "--timeout", "soon"], ConfigError, "--timeout soon: a time such as 90 (seconds), 30m or 2h."),
        (["DATA", "--storage", "sqlite:///x.db"], ConfigError, "Give the search a name (--name NAME)"),
        (
            ["--resume", "x", "-N", "1"],
            ConfigError,
            "--resume goes on with the run's own settings; leave out --letter.",
        ),
        (["--resume", "x", "--family", FAMILY, "-e", "3"], ConfigError, "leave out --epochs, --family."),
        (["DATA", "--resume", "x"], ConfigError, "leave out DATA."),
        (["--resume", "nowhere"], RunError, "nowhere is no folder of a search: it has no search.json."),
        (["--show", "nowhere"], RunError, "nowhere is no folder of a search"),
        (["--show", "sqlite:////nowhere/x.db"], RunError, "cannot be reached"),
    ],
)
def test_mistakes_are_explained(
    folder: Path, tmp_path: Path, arguments: list[str], error: type[Exception], message: str
) -> None:
    given = [str(folder) if word == "DATA" else word for word in arguments]
    result = search(*given) if "--resume" in given or "--show" in given else search(*given, "-o", tmp_path / "runs")
    assert isinstance(result.exception, error), result.output
    assert message in str(result.exception)
    assert not (tmp_path / "runs").exists()


def test_usage_errors_of_the_flags() -> None:
    assert "give DATA to search on, or --resume FOLDER, or --show FOLDER." in search("--epochs", 3).stderr
    for unknown in ("--epoch", "--pattern", "--find-lr"):
        result = search("digits", unknown, 3)
        assert result.exit_code == 2
        assert f"No such option: {unknown}" in result.stderr


def test_the_names_that_the_help_lists_are_those_that_there_are() -> None:
    assert tuple(sampling.SAMPLERS) == make.SAMPLERS
    assert tuple(sampling.PRUNERS) == make.PRUNERS
    shown = " ".join(search("-h").output.split())
    for names in (make.SAMPLERS, make.PRUNERS):
        assert f"[{'|'.join(names)}]" in shown

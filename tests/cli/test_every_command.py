"""What holds of every command: data on stdout alone with ``--json``, and no escape codes in a pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from convstage.cli import COMMANDS, cli
from convstage.run import Run

#: Commands that print no figures, each with what they print.
NO_FIGURES = {
    "completion": "a script for a shell",
    "draw": "where the picture is",
    "report": "where the page is",
    "serve": "the address of the explorer, until it is stopped",
}
DOCS = Path(__file__).parents[2] / "docs/shell.md"
PATTERN = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"
SMALL = ("-e", "1", "--no-audit", "--threads", "1", "-o", "{out}")
IMAGE = "{data}/1-corona/0.png"

#: A call of every command that prints figures.
CALLS: dict[str, tuple[str, ...]] = {
    "train": ("{data}", "-p", PATTERN, "--no-report", *SMALL),
    "crossval": ("{data}", "-p", PATTERN, "-k", "2", *SMALL),
    "compare": (PATTERN, "INPUT -> CLASSIFIER", "-d", "{data}", *SMALL),
    "evaluate": ("{run}",),
    "explain": ("{run}", IMAGE, "--cell", "stage1.conv:3,4,0"),
    "features": ("{run}", "--filters", "1", "--patches", "1", "--no-synthesis", "-o", "{out}/features"),
    "export": ("{run}", "-o", "{out}/net.onnx"),
    "predict": ("{run}", IMAGE),
    "audit": ("{data}",),
    "phantom": ("{out}/chests", "--images", "2", "--size", "16"),
    "shard": ("{data}", "-o", "{out}/shards"),
    "filter": ("nine", "-k", "loopy"),
    "summary": (PATTERN,),
    "bench": ("-p", PATTERN, "--seconds", "1e-9", "--batch", "2"),
    "info": (),
}
#: Those that show tables and words, beside those that other tests run so.
CHEAP = ("evaluate", "predict", "filter", "summary", "info", "phantom")


def command(name: str) -> click.Command:
    found = import_module(f"convstage.cli.{name}").command
    assert isinstance(found, click.Command)
    return found


def documented() -> dict[str, set[str]]:
    """The keys that docs/shell.md promises, by command."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    plain = {name: re.sub(r"\(.*?\)|;.*", "", keys) for name, keys in rows}
    return {name: set(re.findall(r"`(\w+)`", keys)) for name, keys in plain.items()}


def test_every_command_prints_data_or_has_a_reason_not_to() -> None:
    with_data = {name for name in COMMANDS if any("--json" in param.opts for param in command(name).params)}
    assert with_data | set(NO_FIGURES) == set(COMMANDS)
    assert not with_data & set(NO_FIGURES)
    assert set(documented()) == with_data


def test_every_command_that_prints_data_is_called_here_or_in_its_own_tests() -> None:
    assert set(COMMANDS) - set(NO_FIGURES) - set(CALLS) == {"search"}


@pytest.fixture
def call(trained: Run, trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Return what calls a command as in a pipe of a CI that speaks of terminals."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.chdir(tmp_path)
    places = {"out": tmp_path, "data": trained_folder, "run": trained.path}

    def invoke(name: str, *more: str) -> Result:
        result = CliRunner().invoke(cli, [name, *(word.format(**places) for word in CALLS[name]), *more])
        assert result.exit_code == 0, result.output
        return result

    return invoke


@pytest.mark.parametrize("name", CALLS)
def test_data_are_alone_on_stdout_and_have_the_documented_keys(name: str, call: Callable[..., Result]) -> None:
    result = call(name, "--json")
    data: Any = json.loads(result.stdout)
    assert documented()[name] <= set(data[0] if isinstance(data, list) else data)
    assert "NaN" not in result.stdout
    assert "\x1b" not in result.output


@pytest.mark.parametrize("name", CHEAP)
def test_in_a_pipe_there_are_no_escape_codes(name: str, call: Callable[..., Result]) -> None:
    shown = call(name).output
    assert shown
    assert "\x1b" not in shown

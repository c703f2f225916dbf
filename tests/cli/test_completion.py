"""``convstage completion``: what it prints makes a shell complete commands, options, choices and paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from convstage.cli import COMMANDS, cli
from convstage.cli.completion import SHELLS, VARIABLE

#: Arguments that are texts of one's own: nothing completes them.
FREE = {("compare", "patterns"), ("draw", "pattern"), ("search", "words"), ("summary", "words")}


def completed(*words: str) -> list[tuple[str, str]]:
    """Return kind and value of what is offered for the last of some words."""
    found = BashComplete(cli, {}, "convstage", VARIABLE).get_completions(list(words[:-1]), words[-1])
    return [(item.type, item.value) for item in found]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_clicks_own_for_the_programs_name(shell: str) -> None:
    shown = CliRunner().invoke(cli, ["completion", shell])
    assert shown.exit_code == 0
    assert "_convstage_completion" in shown.stdout
    assert f"{VARIABLE}={shell}_complete" in shown.stdout


def test_another_shell_is_refused() -> None:
    result = CliRunner().invoke(cli, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'." in result.stderr


def test_commands_are_completed_without_importing_them() -> None:
    assert completed("") == [("plain", name) for name in COMMANDS]
    assert completed("ev") == [("plain", "evaluate")]
    assert ("plain", "--version") in completed("--")
    code = (
        "import sys\n"
        "from click.shell_completion import BashComplete\n"
        "from convstage.cli import cli\n"
        "assert BashComplete(cli, {}, 'convstage', 'X').get_completions([], 's')\n"
        "print(*(name for name in ('torch', 'numpy', 'pydantic', 'rich') if name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["train", "--no-rep"], [("plain", "--no-report")]),
        (["train", "--flip", "h"], [("plain", "horizontal")]),
        (["train", "--log", ""], [("plain", "tensorboard"), ("plain", "mlflow")]),
        (["train", "--log", "tensorboard,m"], [("plain", "tensorboard,mlflow")]),
        (["train", "--resume", "ru"], [("dir", "ru")]),
        (["train", "--out", "ru"], [("dir", "ru")]),
        (["train", "-c", "a"], [("file", "a")]),
        (["train", "di"], [("file", "di"), ("plain", "digits")]),
        (["evaluate", "runs/a", "x"], [("file", "x")]),
        (["filter", "nine-"], [("file", "nine-"), ("plain", "nine-shifted")]),
        (["completion", ""], [("plain", shell) for shell in SHELLS]),
    ],
)
def test_options_choices_and_paths(words: list[str], offered: list[tuple[str, str]]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("name", COMMANDS)
def test_every_place_is_completed_as_one(name: str) -> None:
    """An argument, and an option that says FILE, FOLDER, RUN or DATA, is a choice or completed as a path."""
    command: click.Command = import_module(f"convstage.cli.{name}").command
    context = click.Context(command)
    for parameter in command.params:
        words = set((parameter.metavar or "").strip("[]").split("|"))
        is_place = isinstance(parameter, click.Argument) or words & {"FILE", "FOLDER", "RUN", "DATA"}
        if is_place and (name, parameter.name) not in FREE:
            assert parameter.shell_complete(context, ""), f"{name} {parameter.name}"


def test_bash_itself_completes(tmp_path: Path) -> None:
    """The script, read by a real bash; the program is looked for in PATH."""
    bash = shutil.which("bash")
    assert bash is not None
    (tmp_path / "convstage").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m convstage "$@"\n')
    (tmp_path / "convstage").chmod(0o755)
    (tmp_path / "script").write_text(CliRunner().invoke(cli, ["completion", "bash"]).stdout)
    typed = "COMP_WORDS=(convstage comp); COMP_CWORD=1"
    asked = f'source script; {typed}; _convstage_completion convstage; echo "${{COMPREPLY[*]}}"'
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    answered = subprocess.run(
        [bash, "--norc", "-c", asked], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert answered.stdout.split() == ["compare", "completion"]

"""``convstage --help``: at once, and the same in both places."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import convstage.cli
from convstage import __version__
from convstage.cli import COMMANDS, cli

HEAVY = ("torch", "numpy", "pydantic", "rich", "lark", "matplotlib", "sklearn", "PIL", "yaml")


def loaded_by(*arguments: str) -> list[str]:
    """The heavy packages that the program has imported when it ends."""
    code = (
        "import sys\n"
        "from convstage.cli import main\n"
        f"sys.argv = ['convstage', *{arguments}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stopped:\n"
        "    assert stopped.code == 0\n"
        f"print('\\nloaded', *(name for name in {HEAVY} if name in sys.modules))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return shown.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    assert loaded_by(flag) == []


def test_a_commands_own_help_imports_no_torch() -> None:
    assert "torch" not in loaded_by("summary", "--help")


def test_help_lists_every_command_with_its_line() -> None:
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=120)
    assert shown.exit_code == 0
    listed = shown.output[shown.output.index("Commands:") :].splitlines()[1:]
    assert [line.split(None, 1) for line in listed] == [[name, line] for name, line in COMMANDS.items()]
    assert "  convstage evaluate RUN          how good it is, with intervals\n" in shown.output


def test_without_arguments_the_help_is_shown() -> None:
    shown = CliRunner().invoke(cli, [])
    assert "Commands:" in shown.output


def test_version() -> None:
    assert CliRunner().invoke(cli, ["--version"], prog_name="convstage").output == f"convstage {__version__}\n"


def test_every_file_is_a_command() -> None:
    folder = Path(convstage.cli.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_exists_and_its_help_begins_with_its_docstring(name: str) -> None:
    command = import_module(f"convstage.cli.{name}").command
    assert isinstance(command, click.Command)
    for flag in ("--help", "-h"):
        shown = CliRunner().invoke(cli, [name, flag])
        assert shown.exit_code == 0
        body = " ".join(shown.output.split())
        assert " ".join(command.help.split("\n\n")[0].split()) in body
        assert "\\b" not in shown.output  # a raw docstring would hide the mark that keeps lines apart from click


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_line_says_something(name: str) -> None:
    command = import_module(f"convstage.cli.{name}").command
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)
    assert COMMANDS[name].endswith(".")


def _words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall("[a-z]{4,}", text.lower())} - {
        "what",
        "with",
        "that",
        "their",
        "which",
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_and_the_docstring_speak_of_the_same(name: str) -> None:
    command = import_module(f"convstage.cli.{name}").command
    assert _words(COMMANDS[name]) & _words(command.help.split("\b")[0])


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(cli, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.stderr

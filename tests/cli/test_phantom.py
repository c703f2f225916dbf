"""``convstage phantom``: its flags, what it prints, and that training takes the folder as it is."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from convstage.cli import cli
from convstage.cli.phantom import command
from convstage.phantom import SHORTCUTS


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["phantom", *map(str, arguments)])


def test_two_folders_and_what_is_in_them(here):
    result = run("chests", "--images", 6, "--size", 16)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "chests: 6 synthetic radiographs"
    assert lines[1].startswith("chests-masks: masks of their ")
    assert len(list(here.glob("chests/*/*.png"))) == 6


def test_a_shortcut_without_a_name_is_the_border(here):
    assert run("chests", "--images", 2, "--size", 16, "--shortcut").exit_code == 0
    assert SHORTCUTS["border"].meaning in (here / "chests/README.txt").read_text()
    assert run("other", "--images", 2, "--size", 16, "--shortcut", "size").exit_code == 0
    assert SHORTCUTS["size"].meaning in (here / "other/README.txt").read_text()


def test_the_flag_knows_every_shortcut():
    option = next(option for option in command.params if option.name == "shortcut")
    assert list(option.type.choices) == list(SHORTCUTS)


def test_an_existing_folder_is_refused(here):
    result = run(".", "--images", 2, "--size", 16)
    assert str(result.exception) == ". exists already.\nGive a new folder, or remove this one."


def test_it_trains_as_it_is(here):
    run("chests", "--images", 24, "--size", 16)
    pattern = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"
    result = CliRunner().invoke(cli, ["train", "chests", "-p", pattern, "-e", "1"])
    assert result.exit_code == 0, result.exception
    assert "run folder: runs/chests-1" in result.stdout

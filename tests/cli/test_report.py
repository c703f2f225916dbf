import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from convstage import DataError, Run, RunError
from convstage.cli import cli


@pytest.fixture
def run(trained, tmp_path) -> Run:
    return Run(Path(shutil.copytree(trained.path, tmp_path / "run")))


def reported(*arguments):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def test_the_report_is_written_and_said_where(run):
    result = reported(run.path)
    assert result.exit_code == 0
    assert result.stdout == f"report: {run.path}/report.html\nmodel card: {run.path}/CARD.md\n"
    assert run.report.is_file()
    again = reported(run.path)
    assert again.stdout == result.stdout


def test_a_card_that_is_kept_is_said(run):
    run.write_card("# Mine\n")
    told = reported(run.path).stdout
    assert told.endswith("CARD.md was edited, and is kept as it is; without it, it is written anew\n")
    assert run.card == "# Mine\n"


def test_another_file(run, tmp_path):
    result = reported(run.path, "-o", tmp_path / "mail.html")
    assert result.stdout == f"report: {tmp_path}/mail.html\n"
    assert (tmp_path / "mail.html").read_text().startswith("<!doctype html>")
    assert run.report is None


@pytest.mark.parametrize("opens", [True, False])
def test_it_is_opened_when_asked(run, monkeypatch, opens):
    seen = []
    monkeypatch.setattr("click.launch", lambda address: seen.append(address) or (0 if opens else 3))
    result = reported(run.path, "--open")
    assert seen == [f"{run.path}/report.html"]
    assert (result.exception is None) == opens
    if not opens:
        assert isinstance(result.exception, DataError)
        assert str(result.exception) == f"no browser could be opened.\nOpen {run.path}/report.html yourself."


def test_mistakes_are_said(run, tmp_path):
    nowhere = reported(run.path, "-o", tmp_path / "no/such.html").exception
    assert isinstance(nowhere, DataError)
    assert str(nowhere) == (
        f"{tmp_path}/no/such.html cannot be written: No such file or directory.\nChoose another place with -o FILE."
    )
    none = reported(tmp_path).exception
    assert isinstance(none, RunError)
    assert "is no run folder" in str(none)

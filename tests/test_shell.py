"""The program in a shell: every text can be written, readers may go away, and each end has its code."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from convstage import shell
from convstage.errors import ConfigError, TrainingStopped

SUMMARY = ("summary", "INPUT -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER")


def convstage(*arguments: str, **options: object) -> subprocess.CompletedProcess:
    """Run the program, without what may be set here for its encoding."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [sys.executable, "-m", "convstage", *arguments],
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
        **{**options, "env": env | options.get("env", {})},
    )


def command(error: BaseException | None = None, code: int | None = None) -> click.Command:
    """A command that ends in some way."""

    @click.command()
    def end() -> None:
        if error is not None:
            raise error
        click.get_current_context().exit(code or 0)

    return end


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return what runs a command to its end, and gives its code and stderr."""
    monkeypatch.setattr(sys, "argv", ["convstage"])

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            shell.run(command(*arguments))
        out, err = capsys.readouterr()
        assert out == ""
        return int(stopped.value.code or 0), err

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ConfigError("no.\nDo that."), 2, "convstage: no.\nDo that.\n"),
        (click.UsageError("no."), 2, "Error: no.\n"),
        (TrainingStopped(Path("runs/a"), signal.SIGTERM), 143, "convstage: stopped and saved.\nGo on with: "),
        (TrainingStopped(Path("runs/a"), signal.SIGINT), 130, "convstage: stopped and saved.\nGo on with: "),
        (KeyboardInterrupt(), 130, "Aborted!\n"),
        (ZeroDivisionError("oh"), 70, "ZeroDivisionError: oh\nconvstage: this is a fault of convstage itself.\n"),
        (OSError(28, "No space left on device"), 2, "convstage: the output cannot be written: No space left on dev"),
        (OSError(28, "No space left on device", "net.svg"), 70, "'net.svg'\nconvstage: this is a fault"),
        (SystemExit(1), 1, ""),
    ],
)
def test_every_end_has_its_code_and_its_words(
    ended: Callable, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    monkeypatch.setattr(shell, "_discard", lambda stream: None)  # of the tests' own stdout
    told = ended(error)
    assert told[0] == code
    assert message in told[1]
    assert ("Traceback" in told[1]) == (code == 70)


@pytest.mark.parametrize("code", [0, 1, 5])
def test_a_commands_own_code_is_kept(ended: Callable, code: int) -> None:
    assert ended(None, code) == (code, "")


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"28x28 -> 3 ... 4-5 \\xe9 \\udcff"),
        ("cp1252", "28×28 -> 3 … 4–5 é \\udcff".encode("cp1252")),
        ("utf-8", "28×28 → 3 … 4–5 é \\udcff".encode()),
    ],
)
def test_streams_take_every_text(monkeypatch: pytest.MonkeyPatch, encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    shell.use_plain_letters()
    stream.write("28×28 → 3 … 4–5 é \udcff")
    stream.flush()
    assert raw.getvalue() == written


def test_the_handler_is_for_writing_only() -> None:
    shell.use_plain_letters()
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "convstage")


@pytest.mark.parametrize("arguments", [("--help",), SUMMARY, (*SUMMARY, "--json")], ids=len)
def test_a_reader_that_is_gone_ends_it_quietly(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = convstage(*arguments, stdout=writing)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (shell.PIPE, b"")


def test_another_pipe_that_breaks_is_no_end_of_the_output() -> None:
    with pytest.raises(ConnectionError, match="storage") as caught, shell.read_by_somebody():
        raise BrokenPipeError(32, "storage")
    assert not isinstance(caught.value, BrokenPipeError)


def test_a_full_disk_under_the_output_is_told() -> None:
    with open("/dev/full", "wb") as full:
        result = convstage(*SUMMARY, stdout=full)
    told = "convstage: the output cannot be written: No space left on device.\nMake room on the disk.\n"
    assert (result.returncode, result.stderr.decode()) == (shell.WRONG, told)


def test_a_terminal_without_unicode_gets_tables_all_the_same() -> None:
    plain = convstage(*SUMMARY, env={"PYTHONIOENCODING": "ascii"}).stdout
    assert b"28x28x1" in plain
    assert b"+---" in plain
    assert b"\\x" not in plain
    assert "28×28×1" in convstage(*SUMMARY, env={"LC_ALL": "C", "PYTHONIOENCODING": ""}).stdout.decode()

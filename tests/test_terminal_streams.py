"""Terminal or not: bars, colours, data for other programs, and messages that cannot be written."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import shell, terminal

#: Draws a bar on stderr, and a coloured word on stdout.
DRAWS = """
from rich.text import Text
from convstage.terminal import output, track
for _ in track(iter("abc"), "Reading files", 3):
    pass
output().print(Text("seven", style="red"))
"""


def plain_environment(**variables: str) -> dict[str, str]:
    """This environment, with nothing that speaks of terminals but what is given."""
    known = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM", "COLUMNS")
    return {name: value for name, value in os.environ.items() if name not in known} | variables


@pytest.mark.parametrize("variables", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}], ids=str)
def test_in_a_pipe_there_is_no_bar_whatever_is_said_of_colours(variables: dict[str, str]) -> None:
    env = plain_environment(TERM="xterm-256color", **variables)
    drawn = subprocess.run([sys.executable, "-c", DRAWS], capture_output=True, text=True, env=env, check=True)
    assert drawn.stderr == ""
    assert (drawn.stdout == "seven\n") == (not variables)  # colours are there when they are asked for


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_on_a_terminal_there_is_a_bar_and_no_color_takes_its_colours(no_color: str, coloured: bool) -> None:
    master, slave = pty.openpty()
    env = plain_environment(TERM="xterm-256color", NO_COLOR=no_color)
    subprocess.run([sys.executable, "-c", DRAWS], stdout=slave, stderr=slave, env=env, check=True)
    os.close(slave)
    shown = ""
    while "seven" not in shown:
        shown += os.read(master, 65536).decode()
    os.close(master)
    assert "Reading files" in shown
    assert "3/3" in shown
    assert ("\x1b[31m" in shown) == coloured
    assert ("\x1b[38;5;" in shown) == coloured


def printed(data: Any, encoding: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        shell.use_plain_letters()
        terminal.show_json(data)
        stream.flush()
    return raw.getvalue()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=40)
@given(values)
def test_data_survive_every_encoding(data: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for encoding in ("utf-8", "ascii", "cp1252"):
            assert json.loads(printed(data, encoding, patch).decode(encoding)) == data


def test_what_json_has_no_number_for_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"a": [float("nan"), 1.5, (float("inf"), "é")]}
    assert json.loads(printed(data, "utf-8", monkeypatch)) == {"a": [None, 1.5, [None, "é"]]}
    assert "é".encode() in printed(data, "utf-8", monkeypatch)


def test_messages_that_nobody_reads_do_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    for stream in (Full(), Gone()):
        console = terminal.Messages(file=stream)
        console.print("epoch 1")
        console.print("epoch 2")
        assert console.quiet


def test_results_that_nobody_reads_end_the_program() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    with pytest.raises(SystemExit) as ended:
        terminal.Results(file=stream).print("accuracy")
    assert ended.value.code == shell.PIPE
    with pytest.raises(BrokenPipeError):  # what is left in its buffer
        stream.close()

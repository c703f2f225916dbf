"""Progress: a bar on a terminal, nothing in a pipe, and every item either way."""

import io

import pytest
from rich.console import Console

from convstage import terminal
from convstage.terminal import bar, track


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Make stderr a terminal, and return what it shows."""
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=shown, force_terminal=True, width=100))
    return shown


def numbers(stop: int):
    yield from range(stop)


def test_nothing_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(numbers(50), "Reading files", 50)) == list(range(50))
    with bar("images") as progress:
        progress.update(progress.add_task("Training", total=3, note=""), advance=3)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("count", [0, 1, 50])
def test_every_item_comes_through_on_a_terminal(count: int, screen: io.StringIO) -> None:
    assert list(track(numbers(count), "Reading files", count)) == list(range(count))
    assert "Reading files" in screen.getvalue()
    assert f"{count}/{count}" in screen.getvalue()


def test_items_come_one_by_one(screen: io.StringIO) -> None:
    taken = []

    def items():
        for number in range(3):
            taken.append(number)
            yield number

    stream = track(items(), "Reading files", 3)
    assert next(stream) == 0
    assert taken == [0]
    stream.close()


def test_errors_come_through_and_the_bar_ends(screen: io.StringIO) -> None:
    def items():
        yield 1
        raise ValueError("of no use")

    with pytest.raises(ValueError, match="of no use"):
        list(track(items(), "Reading files", 2))
    list(track(numbers(2), "Reading files", 2))  # a bar that had not ended would forbid a second one

"""The leaderboard: ranks, the front of cost against accuracy, words, and pages that take every name for text."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage.files import write_json
from convstage.search import Search
from convstage.search.leaderboard import _beats, as_csv
from convstage.search.page import _front, leaderboard_page
from convstage.search.say import selection_lines, words
from convstage.search.show import as_html, show_leaderboard

HOSTILE = "<script>alert(1)</script>\"'&[bold]😀שלום"


def row(trial: int, value: float | None, cost: int, **more: object) -> dict:
    """A line of a leaderboard."""
    usual = {
        "rank": None, "trial": trial, "state": "done", "default": False, "pattern": "INPUT -> CLASSIFIER", "parts": {},
        "settings": {}, "value": value, "figures": None, "loss": 0.5, "epoch": 1, "epochs": 2, "seconds_per_epoch": 0.5,
        "parameters": cost, "multiply_adds": cost, "front": False, "same_as": None, "problem": None, "machine": "lab",
        "run": f"/x/trial-{trial}",
    }  # fmt: skip
    return usual | more


def result(rows: list[dict], **more: object) -> dict:
    usual = {
        "study": "s", "monitor": "balanced_accuracy", "family": "INPUT -> CLASSIFIER", "letters": {}, "searched": {},
        "epochs": 2, "counts": {"trials": len(rows), "done": len(rows)}, "trials": rows, "winner": None,
        "default": None, "difference": None, "elsewhere": None, "looks": 0,
    }  # fmt: skip
    return usual | more


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), min_size=1, max_size=8))
def test_the_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    ordered = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))
    rows = [row(n, value / 4, cost, rank=n + 1) for n, (value, cost) in enumerate(ordered)]
    front = [one for one in rows if not any(_beats(other, one, 1.0) for other in rows)]
    assert front == _front(rows, "multiply_adds")
    assert rows[0] in front
    for one in rows:
        assert any(good["value"] >= one["value"] and good["multiply_adds"] <= one["multiply_adds"] for good in front)
    figures = [(good["value"], good["multiply_adds"]) for good in front]
    assert len(set(figures)) == len(figures)


def test_the_words_warn_of_the_figure_that_chose(done: Search) -> None:
    told = " ".join(words(done.metrics))
    best = done.leaderboard[0]
    assert told.startswith(f"Trial {best['trial']} is the best of 5 by its validation balanced accuracy, ")
    assert "The figure that chose it flatters: the best of many trials has had luck, too" in told
    assert "test images, which no trial has seen: accuracy " in told
    assert "This is the figure to quote." in told


def test_the_words_for_what_is_missing() -> None:
    assert selection_lines(result([]), []) == ["No trial is done yet."]
    rows = [row(3, 0.9, 10, rank=1, front=True)]
    assert len(selection_lines(result(rows), rows)) == 1  # of a single trial nothing was chosen
    where = {"machine": "lab", "run": "/x/trial-3", "trial": 3}
    assert "Its weights are on the machine lab, in /x/trial-3." in "".join(words(result(rows, elsewhere=where)))
    figure = {"value": 0.9, "low": 0.8, "high": 1.0}
    winner = {"trial": 3, "images": 50, "accuracy": figure, "balanced_accuracy": figure}
    assert "has been shown 3 winners by now" in "".join(words(result(rows, winner=winner, looks=3)))
    nothing = {"trial": 3, "images": None, "accuracy": None}
    assert "There is no test part" in "".join(words(result(rows, winner=nothing)))


@pytest.mark.parametrize(
    ("conclusion", "said"),
    [
        ("clearly better", "the winner is clearly better"),
        ("clearly worse", "the winner is clearly worse"),
        ("not told apart", "the two are not told apart"),
        ("too few images to tell", "there are too few to tell the two apart"),
    ],
)
def test_whether_the_search_was_worth_it(conclusion: str, said: str) -> None:
    rows = [row(1, 0.9, 10, rank=1), row(0, 0.8, 20, rank=2, default=True)]
    accuracy = {"value": 0.1, "low": -0.02, "high": 0.2}
    told = words(result(rows, difference={"conclusion": conclusion, "accuracy": accuracy, "images": 50}))
    line = f"On the same 50 test images {said}: accuracy +10.0 points (-2.0 to +20.0)."
    assert f"The default recipe (trial 0) has 80.0% on the validation part. {line}" in told
    rows = [row(0, 0.9, 10, rank=1, default=True)]
    assert "No trial was better than the default recipe." in words(result(rows))


def test_names_are_text_everywhere(capsys, tmp_path: Path) -> None:
    rows = [
        row(1, 0.9, 10, rank=1, front=True, machine=HOSTILE, run=HOSTILE, settings={"learning_rate": 0.1}),
        row(2, None, 10, state="failed", problem=HOSTILE, epochs=None, seconds_per_epoch=None),
        row(3, None, 10, state="waiting", pattern=None, parameters=None, multiply_adds=None, epochs=None),
    ]
    found = result(rows, study=HOSTILE, elsewhere={"machine": HOSTILE, "run": HOSTILE, "trial": 1})
    for page in (leaderboard_page(found, f"/data/{HOSTILE}"), as_html(found, Path(HOSTILE))):
        assert "<script>alert" not in page
        assert "<script>alert(1)</script>\"'&[bold]😀שלום" in html.unescape(page)
    show_leaderboard(found)
    assert f"{HOSTILE}: 3 trials" in capsys.readouterr().out
    assert HOSTILE.replace('"', '""') in as_csv(rows, "balanced_accuracy")
    write_json(tmp_path / "x.json", found)


def test_the_page_needs_no_other_file_and_plots_cost_against_accuracy(done: Search) -> None:
    page = (done.path / "leaderboard.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for line in done.leaderboard:
        assert html.escape(line["pattern"]) in page
    assert "The figure that chose it flatters" in page


def test_a_search_shows_itself_in_a_notebook(done: Search, tmp_path: Path) -> None:
    shown = done._repr_html_()
    assert "The figure that chose it flatters" in shown
    assert shown.count("<tr>") == 6
    assert "Not all trials are done yet." in Search(tmp_path)._repr_html_()

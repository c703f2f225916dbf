"""A comparison in words: on wide and narrow terminals, with one seed and with several, names as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import convstage.show_comparison as module
from convstage.show_comparison import as_html, difference_lines, duration, show_comparison
from convstage.side_by_side import Side, Turn, side_by_side

PATTERN = "INPUT -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER"


def metrics(seeds: int = 1, data: str = "/data/xrays", skills: tuple[float, ...] = (0.6, 0.99)) -> dict:
    sides = []
    for number, skill in enumerate(skills, 1):
        random = np.random.default_rng(number)
        turns = [
            Turn(k, f"run-{k}", [f"{i:02}" for i in range(50)], (random.random((5, 50)) < skill) * 1.0, 75.0 + k, 4)
            for k in range(seeds)
        ]
        sides.append(Side(str(number), "pattern", f"{PATTERN} {number}", 1_234_567, 999, turns))
    sides.append(Side("hog", "baseline", "histograms", 10, 20, sides[0].turns))
    return {"data": data, **side_by_side(sides), "processor": "A processor", "threads": 1}


@pytest.fixture
def shown(monkeypatch, capsys):
    def show(told: dict, width: int) -> str:
        monkeypatch.setattr(module, "output", lambda: Console(highlight=False, width=width))
        show_comparison(told)
        return capsys.readouterr().out

    return show


def test_one_table_where_there_is_room(shown) -> None:
    told = metrics()
    text = shown(told, 160)
    assert text.startswith(f"50 test images of /data/xrays\n1    {PATTERN} 1\n2    {PATTERN} 2\nhog  histograms\n")
    [head] = [line for line in text.splitlines() if "parameters" in line]
    titles = ["multiply-adds", "accuracy", "shifted by 1", "shifted by 4", "training time"]
    assert all(title in head for title in titles)
    [row] = [line for line in text.splitlines() if line.startswith(" 2 ")]
    figure = told["sides"][1]["per_seed"][0]["accuracy"]
    percent = [f"{100 * figure[part]:.1f}" for part in ("value", "low", "high")]
    assert row.split()[:2] == ["2", "1.23"]
    assert f"{percent[0]}% ({percent[1]}–{percent[2]})" in row
    assert row.rstrip().endswith("1 min 15 s, 4 epochs")
    assert "2 is clearly better than 1: accuracy +" in text
    assert "hog is not told apart from 1: accuracy +0.0 points (+0.0 to +0.0) on the same 50 images\n" in text
    assert "Shifted by so many pixels: mean of up, down, left and right." in text
    assert "A processor, 1 thread." in text


def test_two_tables_where_there_is_not(shown) -> None:
    text = shown(metrics(), 80)
    assert len([line for line in text.splitlines() if line.startswith(" hog ")]) == 2
    table = [line for line in text.splitlines() if line.startswith((" 1 ", " 2 ", " hog ")) or "accuracy  " in line]
    assert max(map(len, table)) <= 80
    assert not any("…" in line for line in table)
    for place in range(1, 5):
        assert f"shifted by {place}" in text


def test_several_seeds_are_a_mean_and_a_deviation(shown) -> None:
    told = metrics(seeds=3)
    text = shown(told, 160)
    spread = told["sides"][1]["over_seeds"]["shifts"][4]
    assert f"{100 * spread['mean']:.1f}% ± {100 * spread['std']:.1f}" in text
    assert text.startswith("50 test images for each of 3 seeds of /data/xrays\n")
    assert "Mean ± standard deviation over 3 seeds." in text
    assert "on the same 150 images of 3 seeds" in text
    assert "1 min 16 s, 4 epochs" in text


def test_every_conclusion_has_its_words() -> None:
    told = metrics(skills=(0.99, 0.6))
    for conclusion, words in {
        "clearly better": "2 is clearly better than 1",
        "clearly worse": "2 is clearly worse than 1",
        "not told apart": "2 is not told apart from 1",
        "too few images to tell": "2 cannot be told, by so few images, from 1",
    }.items():
        told["sides"][1]["difference"]["conclusion"] = conclusion
        assert difference_lines(told)[0].startswith(f"{words}: accuracy -")


def test_names_come_out_as_they_are(shown) -> None:
    hostile = "/data/[bold]<script>alert(1)</script> 🩻 ‮שלום"
    text = shown(metrics(data=hostile), 200)
    assert hostile in text
    html = as_html(metrics(data=hostile), Path("runs/<b>mine"))
    assert "<script" not in html
    assert "<bdi>runs/&lt;b&gt;mine</bdi>" in html
    assert "<bdi>50 test images of /data/[bold]&lt;script&gt;alert(1)&lt;/script&gt; 🩻 ‮שלום</bdi>" in html


def test_html_has_a_row_for_each_side_and_the_same_words() -> None:
    told = metrics()
    html = as_html(told, Path("runs/x-compare-1"))
    assert html.count("<tr>") == 1 + 3
    assert html.count("<th ") + html.count("<th>") == 10 + 3
    assert html.count("<td") == 3 * 9
    assert "<code>INPUT -&gt; [CONV -&gt; RELU -&gt; POOL]*2 -&gt; CLASSIFIER 2</code>" in html
    assert difference_lines(told)[0] in html


def test_what_is_not_done_yet_says_so_in_a_notebook() -> None:
    html = as_html(None, Path("runs/x-compare-1"))
    assert html == "<p><b><bdi>runs/x-compare-1</bdi></b></p><p>Not all trainings are done yet.</p>"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.6, "1 h 0 min")],
)
def test_times(seconds: float, words: str) -> None:
    assert duration(seconds) == words

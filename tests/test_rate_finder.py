import numpy as np
import pytest

import convstage
from convstage import TrainingError
from convstage.rate_finder import FIRST, LAST, LEVELS, SHARE, STEPS, Search
from convstage.step import Outcome, Steps

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"


@pytest.fixture
def folder(tmp_path, make_folder):
    return make_folder(tmp_path / "images", {"a": 14, "b": 14})


def quick(folder, tmp_path, **settings):
    return convstage.train(
        folder, pattern=PATTERN, epochs=1, batch_size=5, find_lr=True, out=tmp_path / "runs", **settings
    )


def rows(run) -> list[dict[str, float]]:
    text = (run.path / "lr-finder.csv").read_text().splitlines()
    return [dict(zip(text[0].split(","), map(float, line.split(",")), strict=True)) for line in text[1:]]


def test_the_rate_is_a_tenth_of_where_the_loss_is_lowest():
    search = Search([1e-4, 1e-3, 1e-2, 1e-1], [], [3.0, 2.0, 1.0, 5.0])
    assert search.lowest == 1e-2
    assert search.chosen == pytest.approx(SHARE * 1e-2)
    assert Search([0.0123456], [], [1.0]).chosen == 0.0012


def test_the_chart_shows_high_and_low():
    falling = [3 - 2 * share for share in np.linspace(0, 1, 50)]
    chart = Search([1.0] * 100, [], [*falling, *falling[::-1]]).chart(21)
    assert len(chart) == 21
    assert chart[10] == LEVELS[0]
    assert chart[0] == chart[-1] > chart[5] > chart[10]
    assert Search([1.0, 1.0], [], [0.0, 0.0]).chart(4) == LEVELS[0] * 4


def test_what_is_found_is_used_and_stored(folder, tmp_path, capfd):
    run = quick(folder, tmp_path)
    tried = rows(run)
    found = tried[int(np.argmin([row["smoothed"] for row in tried]))]["learning_rate"]
    assert run.config["settings"]["learning_rate"] == pytest.approx(found * SHARE, rel=0.05)
    assert tried[0]["learning_rate"] == pytest.approx(FIRST)
    assert len(tried) <= STEPS
    assert tried[-1]["learning_rate"] <= LAST * 1.0001
    assert f"learning rate {run.config['settings']['learning_rate']:g}: a tenth of" in capfd.readouterr().err


def test_the_search_leaves_the_training_as_it_would_be_with_that_rate(folder, tmp_path):
    searched = quick(folder, tmp_path)
    settings = searched.config["settings"] | {"find_lr": False, "name": "given"}
    given = convstage.train(folder, **settings)
    assert given.history[0]["train_loss"] == searched.history[0]["train_loss"]
    assert given.predictions == searched.predictions
    assert not (given.path / "lr-finder.csv").exists()


def test_the_search_ends_when_everything_is_spoiled(folder, tmp_path, monkeypatch):
    honest = Steps.gradient
    losses = iter([1.0] * 30 + [1e6] * 10 + [1.0] * 1000)

    def dear(self, *arguments):
        found = honest(self, *arguments)
        return Outcome(next(losses), found.norm, found.correct)

    monkeypatch.setattr(Steps, "gradient", dear)
    assert len(rows(quick(folder, tmp_path))) == 30


def test_a_loss_that_is_never_finite_is_said_before_anything_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Steps, "gradient", lambda *_: Outcome(float("nan"), 1.0, 0))
    with pytest.raises(TrainingError, match="not finite from the first step on, so no learning rate can be found"):
        quick(folder, tmp_path)
    assert not (tmp_path / "runs").exists()

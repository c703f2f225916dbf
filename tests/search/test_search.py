"""A search on one machine: trials as runs, the winner, going on, joining, and what is refused."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler

import convstage
from convstage import ConfigError, DataError, PatternError, RunError, TrainingError, TrainingStopped
from convstage.files import digest, read_tensors
from convstage.loop import loop
from convstage.recipe import default_pattern
from convstage.run import MODEL
from convstage.search import Search, joining, resume, sampling
from convstage.search import objective as objective_module
from convstage.search.look import look
from convstage.search.say import words
from convstage.search.setup import SETUP
from convstage.search.worker import Worker, counted
from search.conftest import small_search

FREE = "INPUT -> [CONV -> RELU -> POOL?]*M -> [FC(4)]*K -> CLASSIFIER"


def plain(search: Search) -> list[dict]:
    """The leaderboard without what the clock and the place say."""
    return [
        {key: value for key, value in row.items() if key not in ("seconds_per_epoch", "run", "machine")}
        for row in search.leaderboard
    ]


def weights(run: convstage.Run) -> str:
    return digest(read_tensors(run.path / MODEL)[0])


def test_the_folder_holds_a_run_for_each_trial_and_the_leaderboard(done: Search) -> None:
    assert [done.trial(number).is_begun for number in range(6)] == [True] * 5 + [False]
    names = {path.name for path in done.path.iterdir() if not path.name.startswith("trial-")}
    kept = "search.json study.db audit.json shortcut.csv leaderboard.csv leaderboard.html leaderboard.json best"
    assert names - {"default"} == set(kept.split())
    assert ("default" in names) == (not done.leaderboard[0]["default"])
    rows = done.leaderboard
    assert sorted(row["trial"] for row in rows) == [0, 1, 2, 3, 4]
    for row in rows:
        run = done.trial(row["trial"])
        values = [float(epoch["val_balanced_accuracy"]) for epoch in run.history]
        assert row["value"] == max(values)
        assert row["figures"]["balanced_accuracy"]["value"] == pytest.approx(max(values))
        assert row["epochs"] == len(values)
        assert run.config["settings"]["learning_rate"] == row["settings"]["learning_rate"]
        plan = convstage.Pattern(row["pattern"]).plan("16x16x1", 2)
        assert (row["parameters"], row["multiply_adds"]) == (plan.parameters, plan.multiply_adds)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["value"] for row in rows] == sorted((row["value"] for row in rows), reverse=True)


def test_the_default_recipe_is_the_first_trial(done: Search) -> None:
    row = next(row for row in done.leaderboard if row["trial"] == 0)
    assert row["default"]
    assert row["pattern"] == default_pattern(16, 16)
    assert row["settings"] == {"learning_rate": 0.001}
    assert sum(row["default"] for row in done.leaderboard) == 1


def test_no_trial_has_seen_the_test_part_and_the_winner_is_evaluated_on_it(done: Search) -> None:
    tested = {row["name"] for row in done.best.split if row["part"] == "test"}
    assert tested
    for number in range(5):
        run = done.trial(number)
        assert not run.has_metrics
        assert not tested & {row["name"] for row in run.split}
    winner = done.leaderboard[0]
    assert weights(done.best) == weights(done.trial(winner["trial"]))
    assert {row["image"] for row in done.best.predictions} == tested
    assert done.metrics["winner"]["accuracy"] == done.best.metrics["accuracy"]
    assert done.metrics["looks"] == 1


def test_the_winner_is_an_ordinary_run(done: Search, folder: Path) -> None:
    image = next((folder / "1-corona").glob("*.png"))
    assert convstage.load(done.best).predict(image)[0].label in ("0-healthy", "1-corona")
    assert done.best.report is not None
    assert done.best.config["chosen"] == {"trials": 5, "by": "balanced_accuracy"}
    assert "the best of 5 trials by its validation figure" in done.best.report.read_text()
    assert done.best.audit == convstage.Run(done.path).audit
    before = done.best.metrics
    after = convstage.evaluate(done.best.path)
    assert {key: after[key] for key in ("accuracy", "confusion")} == {
        key: before[key] for key in ("accuracy", "confusion")
    }
    assert convstage.training.resume(done.best.path).metrics["confusion"] == before["confusion"]


def test_a_trial_trains_as_an_ordinary_training_would(done: Search, folder: Path, tmp_path: Path) -> None:
    """Whoever wants the winner without a search: the same settings give the same weights, on the same images."""
    winner = done.trial(done.leaderboard[0]["trial"])
    settings = winner.config["settings"] | {"out": tmp_path, "name": "again"}
    assert weights(convstage.train(folder, **settings)) == weights(winner)


def test_the_winner_is_compared_with_the_default_recipe_on_the_test_part(quick) -> None:
    found = quick(
        "INPUT -> FC(16)*N -> CLASSIFIER", letters={"N": 1}, trials=2, searched={}, learning_rate=1e-5, epochs=1
    )
    best = found.leaderboard[0]
    if best["default"]:  # whichever wins, the other one is what is told of
        assert found.metrics["difference"] is None
        assert "No trial was better than the default recipe." in words(found.metrics)
        return
    told = found.metrics["difference"]
    right = [
        np.mean([row["truth"] == row["prediction"] for row in convstage.Run(found.path / name).predictions])
        for name in ("default", "best")
    ]
    assert told["accuracy"]["value"] == pytest.approx(right[1] - right[0])
    assert convstage.Run(found.path / "default").metrics["accuracy"]["value"] == pytest.approx(right[0])


def test_the_same_seed_gives_the_same_search_and_another_one_another(quick, monkeypatch) -> None:
    monkeypatch.setattr(sampling, "SAMPLERS", {"tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=2)})
    settings = {"family": FREE, "letters": {"M": "1..2", "K": "0..1"}, "fixed": {}, "searched": {"filters": "2,4"},
                "trials": 6, "epochs": 1, "default": False}  # fmt: skip
    one, two = (quick(**settings, name=name) for name in ("one", "two"))
    assert plain(one) == plain(two)
    other = quick(**settings | {"trials": 1}, name="other", seed=1)
    assert [row["settings"] for row in other.leaderboard] != [row["settings"] for row in one.leaderboard[:1]]


class Cut(Exception):
    """The power is gone."""


#: Nothing here hangs on luck: hyperband prunes by the numbers of trials, and by what they reported.
INTERRUPTED = {"fixed": {}, "trials": 3, "pruner": "hyperband", "epochs": 2, "sampler": "random"}


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory) -> Search:
    return small_search(folder, tmp_path_factory.mktemp("whole"), **INTERRUPTED, name="cut")


@pytest.mark.parametrize("cut_at", [1, 4, 5])
def test_a_search_that_was_stopped_goes_on_to_the_identical_result(quick, whole, monkeypatch, cut_at: int) -> None:
    counted = []

    def stopped_loop(run, config, dataset, state, where, after_epoch, *others):
        def after(row):
            counted.append(row["epoch"])
            if len(counted) == cut_at:
                raise TrainingStopped(run.path, signal.SIGINT)
            after_epoch(row)

        loop(run, config, dataset, state, where, after, *others)

    with monkeypatch.context() as patch:
        patch.setattr("convstage.training.loop", stopped_loop)
        with pytest.raises(TrainingStopped, match=r"Go on with: convstage search --resume .*cut$") as stopped:
            quick(**INTERRUPTED, name="cut")
    found = resume(stopped.value.run)
    assert plain(found) == plain(whole)
    assert weights(found.best) == weights(whole.best)
    assert found.best.predictions == whole.best.predictions


def test_running_the_same_command_again_joins_and_changes_nothing(quick) -> None:
    found = quick(name="mine")
    before = {
        path: path.read_bytes() for path in sorted(found.path.rglob("*")) if path.is_file() and path.name != "study.db"
    }
    again = quick(name="mine")
    assert again.path == found.path
    stable = {path: content for path, content in before.items() if path.suffix != ".html"}
    assert {path: path.read_bytes() for path in stable} == stable
    assert again.metrics["looks"] == 1


def test_a_search_is_made_longer(quick) -> None:
    found = quick(name="mine", trials=1)
    longer = quick(name="mine", trials=2)
    assert sorted(row["trial"] for row in longer.leaderboard) == [0, 1]
    assert longer.metrics["looks"] == 1 + (not longer.leaderboard[0]["default"])
    assert resume(found.path, trials=3).metrics["counts"]["trials"] == 3


def test_other_settings_are_refused_with_both_values(quick) -> None:
    quick(name="mine", trials=1)
    with pytest.raises(ConfigError) as caught:
        quick(name="mine", trials=1, epochs=3, letters={"M": "1..3"}, searched={"learning_rate": "1e-3..1e-1"})
    assert str(caught.value) == (
        "the study 'mine' has other settings:\n"
        "  epochs: 2 in the study, 3 here\n"
        "  learning_rate: 0.001..0.01, logarithmic in the study, 0.001..0.1, logarithmic here\n"
        "  M: 1..2 in the study, 1..3 here\n"
        "Join it with its own, or take another --name for a search of your own."
    )


def test_other_images_are_refused(quick, folder, tmp_path, make_folder) -> None:
    quick(name="mine", trials=1)
    other = make_folder(tmp_path / "other", {"0-healthy": 20, "1-corona": 20}, size=16)
    with pytest.raises(
        DataError, match=r"is of other data: 48 images of 2 classes \(\w{8}\) there, 40 images"
    ) as caught:
        small_search(other, tmp_path / "runs", name="mine", trials=1)
    assert "Every worker needs the same images" in str(caught.value)


def test_a_grid_tries_all_once_and_repeats_nothing(quick) -> None:
    found = quick(sampler="grid", trials=50, searched={"augment": ""}, epochs=1, default=False)
    pairs = {(row["pattern"], row["settings"]["augment"]) for row in found.leaderboard}
    assert len(pairs) == len(found.leaderboard) == 8
    assert found.metrics["counts"] == {"trials": 8, "done": 8}


def test_what_was_trained_before_is_not_trained_again(quick, monkeypatch) -> None:
    begun = []
    honest = objective_module.begin
    monkeypatch.setattr(objective_module, "begin", lambda *given: (begun.append(1), honest(*given))[1])
    found = quick("INPUT -> FC(4)? -> CLASSIFIER", searched={}, trials=6, epochs=1, sampler="random")
    assert len(begun) == 3  # the default recipe and two patterns
    repeated = [row for row in found.leaderboard if row["same_as"] is not None]
    assert len(repeated) == 3
    for row in repeated:
        twin = next(one for one in found.leaderboard if one["trial"] == row["same_as"])
        assert (row["value"], row["pattern"], row["figures"]) == (twin["value"], twin["pattern"], twin["figures"])
        assert row["rank"] is None


def test_a_trial_that_cannot_be_trained_is_told_and_the_search_goes_on(quick, monkeypatch) -> None:
    honest = objective_module.fit

    def fail_at_once(run, *others):
        if run.config["settings"]["augment"]:
            raise TrainingError("loss nan in epoch 1: not finite, so the step was not taken.\nA lower rate helps.")
        return honest(run, *others)

    monkeypatch.setattr(objective_module, "fit", fail_at_once)
    found = quick(searched={"augment": ""}, letters={"M": 1}, epochs=1, sampler="grid", default=False)
    failed = [row for row in found.leaderboard if row["state"] == "failed"]
    assert found.metrics["counts"] == {"trials": 4, "done": 2, "failed": 2}
    assert [row["settings"]["augment"] for row in failed] == [True, True]
    assert {row["problem"] for row in failed} == {"loss nan in epoch 1: not finite, so the step was not taken."}


def test_pruned_trials_keep_their_history(quick, monkeypatch) -> None:
    monkeypatch.setattr(sampling, "PRUNERS", {"median": lambda _: MedianPruner(n_startup_trials=1, n_warmup_steps=0)})
    monkeypatch.setattr(joining, "PRUNERS", sampling.PRUNERS)
    found = quick(pruner="median", trials=6, epochs=3, searched={"learning_rate": "1e-5..1e-2"})
    pruned = [row for row in found.leaderboard if row["state"] == "pruned"]
    assert pruned
    for row in pruned:
        assert len(found.trial(row["trial"]).history) == row["epochs"] < 3
    assert next(row for row in found.leaderboard if row["default"])["state"] == "done"


def test_the_loss_can_be_what_ranks(quick) -> None:
    found = quick(monitor="loss", epochs=1)
    values = [row["value"] for row in found.leaderboard]
    assert values == sorted(values) == [row["loss"] for row in found.leaderboard]


def test_without_a_test_part_there_is_a_winner_without_its_figures(quick) -> None:
    found = quick(test=0, trials=2, epochs=1)
    assert found.metrics["winner"]["accuracy"] is None
    assert not found.best.has_metrics
    assert found.metrics["looks"] == 0


def test_a_timeout_begins_no_trial_and_the_winner_is_of_those_that_are_done(quick, monkeypatch) -> None:
    worker = Worker(None, None, timeout=5.0)
    assert not worker._is_over(time.monotonic())
    assert worker._is_over(time.monotonic() - 5.1)
    assert not Worker(None, None)._is_over(0.0)
    monkeypatch.setattr(Worker, "_is_over", lambda self, _: counted(self.study)["complete"] == 2)
    found = quick(trials=1000, timeout=3600, epochs=1)
    assert found.metrics["counts"] == {"trials": 2, "done": 2}
    assert found.metrics["winner"] is not None


def test_of_two_that_begin_at_once_the_slower_joins(quick, monkeypatch) -> None:
    """Another worker makes the folder after this one has looked for it, and before it makes its own."""
    begun_before: list[int] = []

    def slow_begun(*given):
        if not begun_before:
            begun_before.append(1)
            quick(name="mine", trials=1, epochs=1)
        return honest_begun(*given)

    honest_begun = joining.begun
    monkeypatch.setattr(joining, "begun", slow_begun)
    found = quick(name="mine", trials=1, epochs=1)
    assert found.metrics["counts"] == {"trials": 1, "done": 1}


def test_a_folder_that_was_cut_off_while_it_was_made_is_made_anew(quick, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("convstage.search.joining.PATIENCE", 0.1)
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/study.db").write_bytes(b"")
    assert quick(name="mine", trials=1, epochs=1).metrics["counts"]["done"] == 1


def test_a_study_whose_maker_was_ended_is_completed(quick, tmp_path, monkeypatch) -> None:
    """The maker has said what is searched, and was ended before it had enqueued the first trials."""
    monkeypatch.setattr(joining, "PATIENCE", 0.1)
    url = f"sqlite:///{tmp_path}/shared.db"
    with monkeypatch.context() as patch:
        patch.setattr(joining, "fill", lambda *_: (_ for _ in ()).throw(Cut()))
        with pytest.raises(Cut):
            quick(name="mine", storage=url, trials=2, epochs=1)
    study = joining.chosen_study(url, "mine")
    assert SETUP in study.user_attrs
    assert study.trials == []
    found = quick(name="mine", storage=url, trials=2, epochs=1)
    assert [row["default"] for row in sorted(found.leaderboard, key=lambda row: row["trial"])] == [True, False]


def test_looking_shows_what_stands_and_trains_nothing(done: Search) -> None:
    shown = look(done.path)
    assert shown["trials"] == done.leaderboard
    assert shown["best"] == str(done.path / "best")
    with open(done.path / "leaderboard.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == [str(row["trial"]) for row in done.leaderboard]
    assert float(rows[0]["val_balanced_accuracy"]) == done.leaderboard[0]["value"]
    json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"family": "INPUT -> [CONV]*N -> CLASSIFIER"}, PatternError, "Give a range for N"),
        (
            {"letters": {"M": "5..6"}, "family": "INPUT -> [POOL]*M -> CLASSIFIER"},
            PatternError,
            "no member of the family",
        ),
        ({"max_parameters": 5}, ConfigError, "no member of the family can be tried"),
        ({"pattern": "INPUT -> CLASSIFIER"}, ConfigError, "a search has a family instead of a pattern"),
        ({"find_lr": True}, ConfigError, "a search tries learning rates itself"),
        ({"storage": "sqlite:///x.db"}, ConfigError, "Give the search a name"),
        ({"trials": 0}, ConfigError, "trials = 0: there can be 1 to 100,000."),
        ({"workers": 0}, ConfigError, "workers = 0: there can be 1 to 1,024 on a machine."),
        ({"timeout": -1}, ConfigError, "timeout = -1: a time is above 0 seconds."),
        ({"heartbeat": 0}, ConfigError, "heartbeat = 0: whole seconds"),
        ({"sampler": "cma"}, ConfigError, "there is no sampler 'cma'; there are tpe, random, grid."),
        ({"pruner": "hyper"}, ConfigError, "there is no pruner 'hyper'; there are median, hyperband, none."),
        ({"learning_rate": 0.1}, ConfigError, "learning_rate is to be searched (1e-3..1e-2) and has a value, too."),
        ({"fixed": {"filters": 3}}, ConfigError, "filters cannot be searched: the family gives every convolution"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(quick, tmp_path, given, error, message) -> None:
    with pytest.raises(error) as caught:
        quick(**given)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_folders_of_something_else_are_refused(quick, tmp_path, done) -> None:
    (tmp_path / "runs/mine").mkdir(parents=True)
    (tmp_path / "runs/mine/notes.txt").write_text("mine")
    with pytest.raises(RunError, match="mine exists already"):
        quick(name="mine")
    with pytest.raises(RunError, match=r"is no folder of a search: it has no search.json."):
        resume(tmp_path)
    with pytest.raises(ConfigError, match=r"has its trials in .*study.db, not in sqlite:////elsewhere.db"):
        resume(done.path, storage="sqlite:////elsewhere.db")


def test_a_lost_data_base_is_told(small) -> None:
    (small.path / "study.db").unlink()
    with pytest.raises(RunError, match=r"has lost its study.db, where its trials are.\nRestore it from a copy."):
        resume(small.path)

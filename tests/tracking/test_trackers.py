"""Every tracker, with its own library: told all of a training, once, also when it was killed in between."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import convstage
from conftest import make_class_folders
from convstage.config import Config
from convstage.figures import OVERALL
from convstage.recipe import learning_rate
from convstage.run import Run
from convstage.tracking import TRACKERS, Log
from support.trackers import READ, Shown, event_files, mlflow_store

#: Class folders with names that somebody may have chosen to do harm, or on a disk without UTF-8.
NAMES = ("<script src=x>", os.fsdecode(b"caf\xe9 \xf0\x9f\x92\xa3"))
SETTINGS = {
    "pattern": "INPUT -> CONV(3) -> RELU -> POOL -> CLASSIFIER",
    "epochs": 3,
    "batch_size": 5,
    "audit": False,
    "report": False,
    "threads": 1,
}
HISTORY = {
    "train/loss": "train_loss",
    "train/accuracy": "train_accuracy",
    "val/loss": "val_loss",
    "val/accuracy": "val_accuracy",
    "val/balanced_accuracy": "val_balanced_accuracy",
    "images_per_second": "images_per_second",
}


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with mlflow_store(tmp_path_factory.mktemp("mlflow")):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_class_folders(tmp_path_factory.mktemp("data") / "two", dict.fromkeys(NAMES, 14), size=12)


def train(folder: Path, out: Path, **settings: Any) -> Run:
    return convstage.train(folder, out=out, **SETTINGS, **settings)


@pytest.fixture(scope="module")
def followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that all trackers have followed."""
    return train(folder, tmp_path_factory.mktemp("followed"), log=tuple(TRACKERS), name="<b>`first`")


def test_a_tracker_is_known_to_the_settings_and_to_these_tests() -> None:
    kinds = get_args(get_args(Config.model_fields["log"].annotation)[0])
    assert list(kinds) == list(TRACKERS) == list(READ)
    assert all(name == entry.name for name, entry in TRACKERS.items())


def rates() -> list[float]:
    """The learning rate at the end of each epoch, by the recipe."""
    steps = 4  # 20 training images of 28, in batches of 5
    return [learning_rate(steps * epoch - 1, steps * 3, 1e-3) for epoch in (1, 2, 3)]


def check_figures(shown: Shown, run: Run) -> None:
    """All epochs and the test, each once, in order."""
    for name, column in HISTORY.items():
        expected = [(int(row["epoch"]), pytest.approx(float(row[column]), rel=1e-6)) for row in run.history]
        assert shown.figures[name] == expected, name
    assert [step for step, _ in shown.figures["learning_rate"]] == [1, 2, 3]
    assert [rate for _, rate in shown.figures["learning_rate"]] == pytest.approx(rates(), rel=1e-6)
    for name in OVERALL:
        figure: Mapping[str, float] = run.metrics[name]
        for key, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            assert shown.figures[f"test/{name}{end}"] == [(3, pytest.approx(figure[key], rel=1e-6))]
    assert set(shown.figures) == {*HISTORY, "learning_rate"} | {
        f"test/{name}{end}" for name in OVERALL for end in ("", "_low", "_high")
    }


@pytest.mark.parametrize("name", TRACKERS)
def test_all_of_a_training_is_told_once(name: str, followed: Run) -> None:
    shown = READ[name](followed)
    check_figures(shown, followed)
    assert float(shown.settings["epochs"]) == 3
    assert float(shown.settings["parameters"]) == 248
    assert float(shown.settings["multiply_adds"]) == 4104
    assert float(shown.settings["train_images"]) == 20
    assert shown.settings["augment"] == "yes"
    assert shown.settings["pattern"] == SETTINGS["pattern"]
    assert str(followed.path) in shown.about
    assert "caf\\udce9 💣" in shown.about
    assert NAMES[0] in shown.about


def test_tensorboard_shows_the_filters_and_mlflow_that_it_is_finished(followed: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(followed.path / "tensorboard"))
    events.Reload()
    images = events.Images("filters of the first layer")
    assert [image.step for image in images] == [1, 2, 3]
    assert (images[0].width, images[0].height) == (2 * (36 + 3) + 3, 2 * (36 + 3) + 3)
    assert images[0].encoded_image_string != images[2].encoded_image_string
    assert "status: FINISHED" in READ["mlflow"](followed).about


def test_being_followed_changes_nothing(followed: Run, folder: Path, tmp_path: Path) -> None:
    alone = train(folder, tmp_path)
    weights = [run.read_model()[0] for run in (alone, followed)]
    assert all(torch.equal(weights[0][name], tensor) for name, tensor in weights[1].items())
    for row, other in zip(alone.history, followed.history, strict=True):
        assert row | {"images_per_second": ""} == other | {"images_per_second": ""}
    assert alone.predictions == followed.predictions
    assert alone.identity == followed.identity
    assert not (alone.path / "tensorboard").exists()


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("told", [False, True], ids=["before it is told", "after it is told"])
def test_a_training_that_was_killed_goes_on_with_the_same_record(
    epoch: int, told: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Log.epoch

    def killed(self: Log, row: Mapping[str, float]) -> None:
        if told:
            honest(self, row)
        if row["epoch"] == epoch:
            raise KeyboardInterrupt
        if not told:
            honest(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(Log, "epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            train(folder, tmp_path, log="tensorboard,mlflow", name="one")
    run = Run.open(tmp_path / "one")
    assert "status: KILLED" in READ["mlflow"](run).about
    last = event_files(run)[-1]
    last.write_bytes(last.read_bytes()[:-3])  # in the middle of a write
    for _ in range(2):  # the second time there is nothing left to do, or to tell
        convstage.resume(run.path)
        for name in TRACKERS:
            check_figures(READ[name](run), run)
    assert "status: FINISHED" in READ["mlflow"](run).about

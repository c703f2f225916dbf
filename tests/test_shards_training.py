"""Training on shards: streamed or not, interrupted or not, the same settings give the same weights."""

from pathlib import Path

import numpy as np
import pytest

import convstage
from convstage import TrainingStopped
from convstage.data.shards.make import make_shards
from convstage.files import digest
from convstage.run import Run

SETTINGS = {
    "pattern": "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER",
    "epochs": 3,
    "batch_size": 8,
    "report": False,
    "audit": False,
    "threads": 1,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import make_class_folders

    root = tmp_path_factory.mktemp("shards")
    make_class_folders(root / "data", {"a": 40, "b": 50, "c": 20}, size=12)
    make_shards(root / "data", root / "shards", images=16)
    return root


@pytest.fixture(scope="module")
def streamed(place: Path) -> Run:
    return convstage.train(f"{place}/shards/{{000..008}}.tar", stream=True, out=place / "runs", **SETTINGS)


def weights(run: Run) -> str:
    return digest(run.read_model()[0])


def last(run: Run) -> str:
    """Return the digest of weights and optimizer, where the training stood at its end."""
    stands = run.read_last()
    assert stands is not None
    return digest(stands[0])


def test_decoded_shards_train_to_the_weights_of_the_data_itself(place: Path) -> None:
    of_data, of_shards = (convstage.train(place / name, out=place / "runs", **SETTINGS) for name in ("data", "shards"))
    assert weights(of_data) == weights(of_shards)
    assert of_data.split == of_shards.split
    assert of_shards.config["settings"]["stream"] is False


def test_streamed_training_repeats_itself(place: Path, streamed: Run) -> None:
    again = convstage.train(place / "shards", stream=True, out=place / "runs", **SETTINGS)
    assert weights(again) == weights(streamed)
    assert streamed.config["settings"]["stream"] is True
    assert streamed.path.name.startswith("shards-")


def test_a_streamed_training_that_was_stopped_goes_on_to_the_same_weights(
    place: Path, streamed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convstage import loop

    steps, check = [], loop.stop_signals

    class Stopped:
        signal = 15

        def check(self, run: Path) -> None:
            steps.append(run)
            if len(steps) == 14:  # in the middle of the second epoch
                raise TrainingStopped(run, 15)

    class Context:
        def __enter__(self) -> Stopped:
            return Stopped()

        def __exit__(self, *error: object) -> None:
            pass

    monkeypatch.setattr(loop, "stop_signals", Context)
    with pytest.raises(TrainingStopped) as stopped:
        convstage.train(place / "shards", stream=True, out=place / "runs", **SETTINGS)
    monkeypatch.setattr(loop, "stop_signals", check)
    run = convstage.resume(stopped.value.run)
    assert weights(run) == weights(streamed)
    assert last(run) == last(streamed)
    assert [row["train_loss"] for row in run.history] == [row["train_loss"] for row in streamed.history]


def test_rare_classes_are_drawn_as_often_from_shards(place: Path) -> None:
    first, second = (
        convstage.train(
            place / "shards", stream=True, balance="sampling", out=place / "runs", **(SETTINGS | {"epochs": 1})
        )
        for _ in range(2)
    )
    assert weights(first) == weights(second)


def test_everything_that_reads_a_run_reads_its_shards(place: Path, streamed: Run) -> None:
    metrics = convstage.evaluate(streamed.path, part="val")
    assert metrics["part"] == "val"
    whole = convstage.train(place / "data", out=place / "runs", **SETTINGS)
    assert sorted(row["image"] for row in streamed.predictions) == sorted(row["image"] for row in whole.predictions)
    others = convstage.evaluate(streamed.path, place / "shards")
    assert (others["part"], others["accuracy"]) == ("test", convstage.evaluate(streamed.path)["accuracy"])
    from convstage.report import write_report
    from convstage.subject import find_subject

    write_report(streamed)
    assert "shards" in streamed.report.read_text()
    name = streamed.predictions[0]["image"]
    subject = find_subject(streamed, convstage.load(streamed.path), name)
    assert (subject.name, subject.part) == (name, "test")
    assert np.asarray(subject.pixels_hwc).shape == (12, 12, 1)

"""Checkpoints that are not those of the run, or not of this network: refused before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import convstage
from convstage import Run, RunError
from convstage.checkpoint import Position
from convstage.files import read_tensors, write_tensors
from convstage.records import PositionRecord
from convstage.run import LAST, METRICS, MODEL
from convstage.training import resume

PATTERN = "INPUT -> CONV(2) -> BN -> RELU -> POOL -> CLASSIFIER"


@pytest.fixture(scope="module")
def out(tmp_path_factory, pixel_cache) -> Path:
    """Return a folder of runs of the same images: `a`, and others that differ from it in one thing."""
    from killing import make_images

    out = tmp_path_factory.mktemp("runs")
    images = make_images(out / "images", (14, 14))
    common = {"pattern": PATTERN, "epochs": 2, "batch_size": 5, "audit": False, "report": False, "threads": 1}
    common |= {"out": out, "ema": 0.5}
    convstage.train(images, **common, name="a")
    convstage.train(images, **common | {"epochs": 1}, name="same")
    convstage.train(images, **common | {"learning_rate": 0.1}, name="rate")
    convstage.train(images, **common | {"seed": 1}, name="seed")
    convstage.train(images, **common | {"pattern": PATTERN.replace("2", "3")}, name="pattern")
    return out


@pytest.fixture
def run(out, tmp_path) -> Path:
    return Path(shutil.copytree(out / "a", tmp_path / "run"))


def refusal(run: Path, read=resume) -> str:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(RunError) as caught:
        read(run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    return str(caught.value)


def change(run: Path, change_tensors, file: str = LAST) -> None:
    tensors, metadata = read_tensors(run / file)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change_tensors(tensors, metadata)
    write_tensors(run / file, tensors, metadata)


def test_the_records_fields_are_the_positions() -> None:
    assert list(PositionRecord.model_fields) == list(Position.__dataclass_fields__)


@pytest.mark.parametrize("other", ["rate", "seed", "pattern"])
@pytest.mark.parametrize(
    ("file", "read"),
    [(LAST, resume), (MODEL, convstage.load), (MODEL, convstage.evaluate), (METRICS, lambda run: Run(run).metrics)],
)
def test_another_runs_weights_are_refused(file: str, read, other: str, run, out) -> None:
    shutil.copyfile(out / other / file, run / file)
    assert refusal(run, read) == (
        f"{run / file} is of another run: its settings, classes or images are not those of config.json and "
        "split.json.\nPut back the files that belong together."
    )


@pytest.mark.parametrize("file", ["config.json", "split.json"])
def test_weights_beside_another_runs_settings_or_parts_are_refused(file: str, run, out) -> None:
    """With another split, images that it was trained on would be counted as test images."""
    shutil.copyfile(out / "seed" / file, run / file)
    assert f"{run / MODEL} is of another run: " in refusal(run, convstage.evaluate)


def test_a_run_may_move_and_name_its_place_otherwise(run, out, tmp_path) -> None:
    """Settings that change nothing about the weights may differ."""
    config = json.loads((run / "config.json").read_text())
    config["settings"] |= {"name": "b", "out": "elsewhere", "threads": None, "report": True, "save_every": 1.0}
    (run / "config.json").write_text(json.dumps(config))
    assert convstage.evaluate(run)["images"] == Run(out / "a").metrics["images"]


def test_a_run_from_before_there_was_an_identity_is_read(run) -> None:
    for file in (MODEL, LAST):
        change(run, lambda tensors, metadata: metadata.pop("run"), file)
    assert resume(run).has_metrics


def test_one_tensor_file_is_no_other(run) -> None:
    shutil.copyfile(run / MODEL, run / LAST)
    assert refusal(run) == f"{run / LAST} is another file under this name.\nRestore it from a copy."


@pytest.mark.parametrize(
    ("change_tensors", "told"),
    [
        (
            lambda t: t.pop("network.classifier.bias"),
            "network.classifier.bias should be float32 of shape 2, and is missing",
        ),
        (lambda t: t.update(more=torch.ones(2)), "more should be missing, and is float32 of shape 2"),
        (
            lambda t: t.pop("optimizer.0.exp_avg"),
            "optimizer.0.exp_avg should be float32 of shape 2×1×3×3, and is missing",
        ),
        (lambda t: t.pop("average.n_averaged"), "average.n_averaged should be int64 of shape (), and is missing"),
        (
            lambda t: t.update({"optimizer.9.step": torch.zeros(())}),
            "optimizer.9.step should be missing, and is float32 of shape ()",
        ),
        (
            lambda t: t.update({"network.classifier.bias": torch.zeros(3)}),
            "network.classifier.bias should be float32 of shape 2, and is float32 of shape 3",
        ),
        (
            lambda t: t.update({"network.classifier.bias": torch.zeros(2, dtype=torch.float64)}),
            "network.classifier.bias should be float32 of shape 2, and is float64 of shape 2",
        ),
    ],
)
def test_tensors_of_another_network_are_refused(change_tensors, told: str, run) -> None:
    change(run, lambda tensors, metadata: change_tensors(tensors))
    assert refusal(run) == f"{run / LAST} is no checkpoint of this network: {told}.\nRestore it from a copy."


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "name", ["network.classifier.bias", "optimizer.1.exp_avg_sq", "average.module.classifier.bias"]
)
def test_values_that_are_not_finite_are_refused(name: str, value: float, run) -> None:
    change(run, lambda tensors, metadata: tensors[name].view(-1).__setitem__(0, value))
    assert refusal(run) == (
        f"{run / LAST} has values in {name} that are not finite: training cannot go on from it.\n"
        "Train anew, with a lower --learning-rate."
    )


@pytest.mark.parametrize("epoch", [[], None, "1", 1.5, -1])
def test_a_description_that_cannot_be_is_refused(epoch, run) -> None:
    def describe(tensors, metadata) -> None:
        metadata["convstage"] = json.dumps(json.loads(metadata["convstage"]) | {"epoch": epoch})

    change(run, describe, MODEL)
    assert refusal(run, convstage.load).startswith(f"{run / MODEL} is damaged: epoch: input should be ")


def test_weights_that_are_not_finite_predict_nothing(run) -> None:
    change(run, lambda tensors, metadata: tensors["classifier.bias"].fill_(float("nan")), MODEL)
    assert refusal(run, convstage.load) == (
        f"{run}: the weights are not finite, so that they predict nothing.\nTrain anew."
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"epoch": -1}, "epoch: input should be greater than or equal to 0"),
        ({"epoch": 10**30}, "epoch: input should be less than 9223372036854775808"),
        ({"epoch": "2"}, "epoch: input should be a valid integer"),
        ({"best": None}, "best: input should be a valid list"),
        ({"epoch": 1}, "the history must have every epoch up to the last"),
        ({"step": 1}, "step, seen and correct must say the same"),
        ({"best": []}, "best and best_epoch must say the same"),
        ({"history": [{"epoch": 1}, {"epoch": 2}]}, "history[0].train_loss: field required"),
    ],
)
def test_a_position_that_cannot_be_is_refused(changed: dict, told: str, run) -> None:
    def move(tensors, metadata) -> None:
        metadata["position"] = json.dumps(json.loads(metadata["position"]) | changed)

    change(run, move)
    assert refusal(run) == f"{run / LAST} is damaged: {told}.\nRestore it from a copy."

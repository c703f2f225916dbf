"""Trackers that fail or are not there, what they are told, and the picture of the filters."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from torch import nn

import convstage
from convstage import ConfigError, Pattern, loop
from convstage.cli import cli
from convstage.config import make_config
from convstage.report.reproduce import different
from convstage.run import Run
from convstage.tracking import TRACKERS, registry
from convstage.tracking.filters import GAP, SIDE, filter_grid
from convstage.tracking.mlflow import DEFAULTS, MLflow
from convstage.tracking.tracker import Ended, Told, Tracker
from support.trackers import mlflow_store

SETTINGS = {
    "pattern": "INPUT -> CLASSIFIER",
    "epochs": 2,
    "batch_size": 8,
    "audit": False,
    "report": False,
    "threads": 1,
    "log": "tensorboard",
}


class Notes(Tracker):
    """Writes down what it is told; fails where it is asked to."""

    def __init__(self, told: Told, fails: str = "") -> None:
        self.fails, self.calls, self.told = fails, [], told
        self._note("begin")

    def _note(self, call: str, *rest: Any) -> None:
        self.calls.append((call, *rest))
        if call == self.fails:
            raise OSError(28, "No space left on device")

    def steps(self, name: str) -> set[int]:
        return set()

    def figures(self, values: Mapping[str, float], epoch: int) -> None:
        self._note("figures", epoch)

    def close(self, ended: Ended) -> None:
        self._note("close", ended)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Notes]]:
    """Return what puts a `Notes` in TensorBoard's place, and gives the list that it will be in."""

    def put(fails: str = "") -> list[Notes]:
        made: list[Notes] = []

        def begin(told: Told) -> Notes:
            made.append(Notes(told, fails))
            return made[-1]

        monkeypatch.setitem(TRACKERS, "tensorboard", replace(TRACKERS["tensorboard"], begin=begin))
        return made

    return put


@pytest.mark.parametrize("fails", ["begin", "figures", "close"])
def test_a_tracker_that_fails_is_said_once_and_the_training_goes_on(
    fails: str, notes: Callable, trained_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = notes(fails)
    run = convstage.train(trained_folder, out=tmp_path, **SETTINGS)
    assert len(run.history) == 2
    assert run.has_metrics
    said = capsys.readouterr().err
    assert said.count("TensorBoard: [Errno 28] No space left on device.\nThe training goes on without it.\n") == 1
    assert [call[0] for one in made for call in one.calls].count(fails) == (fails != "begin")


def test_a_training_that_is_ended_says_how_to_its_tracker(
    notes: Callable, trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = notes()
    convstage.train(trained_folder, out=tmp_path, **SETTINGS)
    nothing = {"loss": float("nan"), "accuracy": 0.0, "balanced_accuracy": 0.0}
    monkeypatch.setattr(loop, "_validate", lambda *_: nothing)
    with pytest.raises(convstage.TrainingError):
        convstage.train(trained_folder, out=tmp_path, **SETTINGS)
    assert [one.calls[-1][1] for one in made] == [Ended.FINISHED, Ended.FAILED]
    assert made[0].calls[:3] == [("begin",), ("figures", 1), ("figures", 2)]


@pytest.mark.parametrize("name", TRACKERS)
def test_what_is_not_installed_is_said_before_anything_is_done(
    name: str, trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, TRACKERS[name].needs, None)
    with pytest.raises(ConfigError) as caught:
        convstage.train(trained_folder, out=tmp_path / "runs", **SETTINGS | {"log": name})
    title = TRACKERS[name].title
    assert str(caught.value) == f"log = {name}: {title} is not installed.\npip install 'convstage[{name}]'"
    assert not (tmp_path / "runs").exists()


def test_names_are_told_by_commas_or_as_a_list_each_once() -> None:
    assert make_config(log="mlflow, tensorboard,mlflow").log == ("mlflow", "tensorboard")
    assert make_config(log=["tensorboard"]).log == ("tensorboard",)
    assert make_config(log="").log == ()
    for wrong in ("tensorbord", ["tensorbord"]):
        with pytest.raises(ConfigError, match=r"log = .*tensorbord.*: input should be 'tensorboard' or 'mlflow'"):
            make_config(log=wrong)
    with pytest.raises(ConfigError, match="log = 3: "):
        make_config(log=3)


def test_mlflow_remembers_no_address_and_refuses_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    (run.path / "mlflow.json").write_text('{"run": 3}')
    with mlflow_store(tmp_path / "secret"):
        with pytest.raises(convstage.RunError, match=r"mlflow.json is damaged: run: "):
            MLflow(Told(run))
        (run.path / "mlflow.json").unlink()
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "lungs")
        first = MLflow(Told(run))
        lungs = first.client.get_experiment_by_name("lungs").experiment_id
        assert first.client.get_run(first.id).info.experiment_id == lungs
        assert "secret" not in (run.path / "mlflow.json").read_text()
        assert MLflow(Told(run)).id == first.id
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", lungs)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "others")
        (run.path / "mlflow.json").unlink()
        other = MLflow(Told(run))
        assert other.id != first.id
        assert other.client.get_run(other.id).info.experiment_id == lungs
        assert {name: os.environ[name] for name in DEFAULTS} == DEFAULTS


def test_the_registry_names_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.check(())
    registry.check(TRACKERS)


def network(text: str, image: str) -> nn.Module:
    return Pattern(text).plan(image, classes=2).build(seed=0)


@pytest.mark.parametrize(("image", "channels"), [("12x12x1", 1), ("12x12x3", 3)])
def test_the_filters_in_rows_on_white(image: str, channels: int) -> None:
    net = network("INPUT -> CONV(5, 3x3) -> RELU -> POOL -> CONV -> CLASSIFIER", image)
    weight = next(net.parameters())
    weight.data.zero_()
    weight.data[1, :, 0, 2] = 1  # its right upper corner is positive, its left lower one negative
    weight.data[1, :, 2, 0] = -1
    grid = filter_grid(net)
    assert grid is not None
    pitch = SIDE + GAP
    assert grid.shape == (2 * pitch + GAP, 3 * pitch + GAP, 3)
    assert (grid[-1] == 255).all()
    assert (grid[pitch + GAP :, 2 * pitch + GAP :] == 255).all()  # there is no sixth one
    second = grid[GAP : GAP + SIDE, GAP + pitch : GAP + pitch + SIDE].astype(int)
    middle, corner, opposite = second[SIDE // 2, SIDE // 2], second[0, -1], second[-1, 0]
    if channels == 1:
        assert corner[0] > corner[2] and opposite[2] > opposite[0]  # red, blue
        assert middle.min() > 230
    else:
        assert (corner.tolist(), opposite.tolist(), middle.tolist()) == ([255] * 3, [0] * 3, [128] * 3)


def test_a_large_filter_is_shown_and_a_network_without_any_has_no_picture() -> None:
    grid = filter_grid(network("INPUT -> CONV(1, 49x49, padding=valid) -> CLASSIFIER", "50x50x1"))
    assert grid is not None
    assert grid.shape == (49 + 2 * GAP, 49 + 2 * GAP, 3)
    assert np.unique(grid).size > 2
    assert filter_grid(network("INPUT -> FC(3) -> CLASSIFIER", "12x12x1")) is None


def test_the_flag_is_repeatable_and_no_part_of_what_makes_a_network(tmp_path: Path) -> None:
    flags = ["--log", "tensorboard", "--log-to", "tensorbord", "-o", str(tmp_path / "runs")]
    result = CliRunner().invoke(cli, ["train", "digits", *flags])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("log = 'tensorbord': input should be 'tensorboard' or 'mlflow'.\nlog: Who ")
    assert different({"log": ["tensorboard"], "epochs": 5}) == {"epochs": 5}

"""Two processes train together: as one would, and through a kill. Each launch of torchrun costs seconds: there are two.

The long form, with many kills at random moments, is ``reliability/ranks.py``.
"""

import numpy as np
import pytest

import convstage
from convstage.files import read_tensors
from launches import Launch, digest_of, make_images
from support.trackers import event_files, of_tensorboard

# Without batch normalisation: a bias before one has no effect, so that its gradient is rounding, which Adam enlarges.
PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> DROPOUT(0.3) -> CLASSIFIER"
SETTINGS = {"pattern": PATTERN, "batch_size": 8, "epochs": 5, "ema": 0.9, "label_smoothing": 0.1, "save_every": 0.01}
FLAGS = [text for name, value in SETTINGS.items() for text in (f"--{name.replace('_', '-')}", str(value))]
FLAGS += ["--no-audit", "--no-report"]
LIMIT = 240

#: One worker runs all of it, so that the launch of two processes is made once.
pytestmark = pytest.mark.xdist_group("together")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pixel_cache):
    place = tmp_path_factory.mktemp("together")
    make_images(place / "images")
    return place


@pytest.fixture(scope="module")
def together(folder):
    """Return the run of two processes, and what they have printed."""
    launch = Launch(["train", "images", *FLAGS, "--name", "two", "--log-to", "tensorboard"], folder)
    try:
        assert launch.wait(LIMIT) == 0, launch.output
        assert not launch.orphans()
    finally:
        launch.end()
    return convstage.Run.open(folder / "runs/two"), launch.output


def test_two_processes_train_what_one_does(folder, together):
    """With unequal shares, class weights, label smoothing, augmentation, dropout and a moving average."""
    run, _ = together
    alone = convstage.train(
        folder / "images", **SETTINGS, audit=False, report=False, out=folder / "runs", name="one", threads=1
    )
    for file in ("model", "last"):
        one, two = (read_tensors(each.path / f"{file}.safetensors")[0] for each in (alone, run))
        assert set(one) == set(two)
        for name, tensor in one.items():
            np.testing.assert_allclose(two[name], tensor, rtol=1e-3, atol=1e-5, err_msg=name)
    for one, two in zip(alone.history, run.history, strict=True):
        for name in set(one) - {"images_per_second"}:
            assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-4), name
    assert [row["prediction"] for row in run.predictions] == [row["prediction"] for row in alone.predictions]
    assert alone.metrics["images"] == run.metrics["images"] == 9  # each image counted once
    assert run.config["processes"] == 2
    assert len(event_files(run)) == 1  # the leading one tells the tracker, and no other
    assert [step for step, _ in of_tensorboard(run).figures["val/loss"]] == [1, 2, 3, 4, 5]
    assert "processes" not in alone.config


def test_one_process_prints(together):
    _, printed = together
    assert printed.count("2 processes of ") == 1
    assert printed.count("epoch   5/5") == 1
    assert printed.count("run folder: ") == 1
    assert "Warning" not in printed


def test_a_killed_process_is_started_again_and_the_end_is_identical(folder, together):
    launch = Launch(["train", "images", *FLAGS, "--name", "killed"], folder, restarts=3)
    try:
        launch.wait_for("epoch   2", LIMIT)
        assert launch.kill(0)
        assert launch.wait(LIMIT) == 0, launch.output
        assert not launch.orphans()
    finally:
        launch.end()
    assert f"started again: goes on with {folder}/runs/killed" in launch.output
    assert launch.output.count("epoch   1/5") == 1
    assert digest_of(folder / "runs/killed") == digest_of(folder / "runs/two")
    assert sorted(path.name for path in (folder / "runs").iterdir() if path.name != "one") == ["killed", "two"]

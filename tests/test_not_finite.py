"""What is not finite: the step is refused, the run stops, and the last good checkpoint and the best epoch are there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import convstage
from convstage import DataError, Run, TrainingError, load, train
from convstage.cli import main
from convstage.files import digest, read_tensors
from convstage.run import LAST
from convstage.training import resume

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"
SETTINGS = {"pattern": PATTERN, "epochs": 4, "batch_size": 5, "save_every": 1e-9, "threads": 1, "report": False}
#: Steps of an epoch, see `folder`.
STEPS = 4


@pytest.fixture
def folder(tmp_path, make_folder):
    return make_folder(tmp_path / "images", {"a": 14, "b": 14}, size=12)


def nan_loss(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return loss * float("nan")


def infinite_loss(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return loss + float("inf")


def nan_gradient(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Add nothing, whose slope is infinite times zero."""
    return loss + (logits * 0).sum().abs().sqrt()


def infinite_gradient(loss: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Add less than any loss shows, as steep as a number can be."""
    return loss + (logits.sum() * 1e30 - (logits.sum() * 1e30).detach()) * 1e30


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (nan_loss, "loss nan, gradient nan"),
        (infinite_loss, "loss inf, gradient "),
        (nan_gradient, "gradient nan"),
        (infinite_gradient, "gradient "),
    ],
)
def test_the_step_is_refused_and_all_that_was_good_is_kept(spoil, told, folder, tmp_path, monkeypatch, capsys) -> None:
    honest, calls = F.cross_entropy, []

    def turn_bad(logits, labels, weight=None, **smoothing):
        loss = honest(logits, labels, weight, **smoothing)
        if not logits.requires_grad:
            return loss
        calls.append(1)
        return spoil(loss, logits) if len(calls) == bad else loss

    monkeypatch.setattr(F, "cross_entropy", turn_bad)
    monkeypatch.chdir(tmp_path)
    bad = 2 * STEPS + 2  # the second step of the third epoch
    with pytest.raises(TrainingError) as caught:
        train(folder, **SETTINGS, name="a", out=tmp_path / "runs")
    words = str(caught.value)
    assert told in words and "in epoch 3, step 2: not finite, so the step was not taken.\n" in words
    assert "the best so far, is kept in" in words and "A lower --learning-rate usually helps." in words

    run = Run.open(tmp_path / "runs/a")
    tensors, position = run.read_last()
    assert (position["epoch"], position["step"]) == (2, 1)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert load(run).predict(folder / "a/0.png")[0].label in ("a", "b")

    # The same again for whoever goes on with it, from the command line, with a code that is not zero.
    before = (run.path / LAST).read_bytes()
    calls.clear()
    bad = 1
    monkeypatch.setattr(sys, "argv", ["convstage", "train", "--resume", str(run.path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "in epoch 3, step 2: not finite, so the step was not taken." in said and "Traceback" not in said
    assert (run.path / LAST).read_bytes() == before

    # And with what was wrong gone, the result is that of a training without it.
    bad = 0
    whole = train(folder, **SETTINGS, name="whole", out=tmp_path / "runs")
    assert digest(resume(run.path).read_last()[0]) == digest(read_tensors(whole.path / LAST)[0])


def test_a_training_that_really_diverges_stops(folder, tmp_path) -> None:
    """No trick: the largest learning rate, and layers enough for the largest number."""
    pattern = "INPUT -> [FC(32) -> LEAKY_RELU]*14 -> CLASSIFIER"
    wild = {"pattern": pattern, "learning_rate": 10, "clip_norm": 1e30, "weight_decay": 0, "epochs": 100}
    with pytest.raises(TrainingError, match=r"not finite, so the step was not taken\."):
        train(folder, **SETTINGS | wild, audit=False, patience=100, name="a", out=tmp_path / "runs")
    last = Run.open(tmp_path / "runs/a").read_last()
    assert last is not None and all(torch.isfinite(tensor).all() for tensor in last[0].values())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_is_refused_by_name(value: float, tmp_path: Path, trained) -> None:
    images = np.random.default_rng(0).random((12, 8, 8))
    images[3, 2, 2] = value
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(12) % 2)
    with pytest.raises(DataError) as caught:
        train(tmp_path / "data.npz", **SETTINGS, out=tmp_path / "runs")
    assert str(caught.value).startswith("1 of 12 files (8.3%) cannot be read; at most 5.0% may be.\n  images[3]: ")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(DataError, match=r"an image of floats must lie in 0\.\.1, without NaN"):
        load(trained).predict(images[3])


@pytest.mark.parametrize("clip_norm", [float("inf"), float("nan")])
def test_a_setting_that_is_not_finite_is_refused(clip_norm: float, folder, tmp_path) -> None:
    with pytest.raises(convstage.ConfigError, match=r"^clip_norm = (inf|nan): input should be a finite number\.\n"):
        train(folder, **SETTINGS, clip_norm=clip_norm, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_stops_the_training(value: float, folder, tmp_path, monkeypatch) -> None:
    """It would be the best for ever, or never, and could not be written down."""
    honest, seen = F.cross_entropy, []

    def turn_bad(logits, labels, weight=None, **smoothing):
        loss = honest(logits, labels, weight, **smoothing)
        seen.append(1)
        return loss if logits.requires_grad or len(seen) < 2 * STEPS + 2 else loss * value

    monkeypatch.setattr(F, "cross_entropy", turn_bad)
    path = tmp_path / "runs/a"
    with pytest.raises(TrainingError, match=rf"^validation loss {value:g} after epoch 2: not finite, ") as caught:
        train(folder, **SETTINGS, name="a", out=tmp_path / "runs")
    assert f"\nEpoch 1, the best so far, is kept in {path}.\n" in str(caught.value)
    before = (path / LAST).read_bytes()
    with pytest.raises(TrainingError, match="after epoch 2: not finite"):
        resume(path)
    assert (path / LAST).read_bytes() == before
    assert len(Run.open(path).history) == 1
    assert load(path).predict(folder / "a/0.png")
    monkeypatch.undo()
    assert len(resume(path).history) == 4

"""A training that is kept in memory: the same as in a run folder, and nothing is written."""

import numpy as np
import pytest
import torch

from convstage.computing import quiet_torch
from convstage.config import make_config
from convstage.keeping import Memory
from convstage.loop import begin_state, loop
from convstage.pattern import Pattern
from convstage.run import Run
from convstage.training import begin, fit
from support.datasets import load

CPU = torch.device("cpu")
SETTINGS = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "device": "cpu", "threads": 1, "report": False}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from conftest import make_class_folders

    return load(make_class_folders(tmp_path_factory.mktemp("data") / "images", {"a": 12, "b": 12}, size=8), test=0.0)


@pytest.fixture
def plan():
    return Pattern("INPUT -> CONV(2) -> RELU -> POOL -> DROPOUT(0.5) -> CLASSIFIER").plan("8x8x1", 2)


def in_memory(dataset, plan, **settings) -> tuple[Memory, list[dict]]:
    config, kept = make_config(**SETTINGS | settings), Memory()
    with quiet_torch(1):
        state = begin_state(plan, config, CPU)
        loop(kept, config, dataset, state, CPU, quiet=True)
    return kept, state.position.best_epoch


def test_it_ends_with_the_weights_of_a_training_in_a_run_folder(dataset, plan, tmp_path, capsys):
    run: Run = fit(begin(make_config(**SETTINGS, out=tmp_path), dataset, plan), dataset, plan)
    capsys.readouterr()
    kept, best = in_memory(dataset, plan)
    assert capsys.readouterr() == ("", "")
    weights, told = run.read_model()
    assert (told["epoch"], sorted(weights)) == (best, sorted(kept.weights))
    assert all(torch.equal(weights[name], kept.weights[name]) for name in weights)
    assert [f"{row['val_loss']}" for row in kept.history] == [row["val_loss"] for row in run.history]


def test_what_is_kept_is_a_copy(dataset, plan):
    weights, kept = {"a": torch.ones(2)}, Memory()
    kept.write_model(weights, {})
    weights["a"].zero_()
    assert kept.weights["a"].tolist() == [1.0, 1.0]


def test_without_a_validation_part_the_last_epoch_is_kept(dataset, plan):
    whole = dataset.with_parts(np.full(len(dataset.labels), "train"))
    kept, best = in_memory(whole, plan, patience=1)
    assert best == len(kept.history) == 3
    assert sorted(kept.history[0]) == ["epoch", "images_per_second", "train_accuracy", "train_loss"]


def test_threads_and_random_state_are_left_as_they_were():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(KeyError), quiet_torch(3):
        assert torch.get_num_threads() == 3
        torch.rand(5)
        raise KeyError
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)

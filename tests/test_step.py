import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch.nn import functional

from convstage.config import make_config
from convstage.data import choose_geometry, load_dataset, open_source
from convstage.pattern import Pattern
from convstage.recipe import make_optimizer
from convstage.step import Outcome, Steps

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from conftest import make_class_folders

    folder = make_class_folders(tmp_path_factory.mktemp("data") / "images", {"few": 8, "many": 30}, size=16)
    name, source = open_source(folder)
    return load_dataset(name, source, choose_geometry(source), val=0.15, test=0.15, seed=0)


def steps(dataset, **settings) -> Steps:
    return Steps(dataset, make_config(batch_size=5, **settings), CPU)


def outcome(made: Steps, seed: int = 0, epoch: int = 0, step: int = 0) -> tuple[Outcome, torch.Tensor]:
    plan = Pattern("INPUT -> CONV(2) -> RELU -> POOL -> FC(4) -> DROPOUT(0.5) -> CLASSIFIER").plan("16x16x1", 2)
    network = plan.build(seed=seed).train()
    found = made.gradient(network, make_optimizer(network, 0), made.batches(epoch)[step], epoch, step)
    return found, torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def test_an_epoch_is_every_training_image_once_in_batches_of_nearly_one_size(dataset):
    made = steps(dataset, balance="off")
    batches = made.batches(3)
    assert_array_equal(np.sort(np.concatenate(batches)), dataset.rows("train"))
    assert {len(batch) for batch in batches} <= {4, 5}
    assert len(batches) == made.count


def test_the_order_is_a_function_of_the_seed_and_the_epoch(dataset):
    for balance in ("off", "sampling"):
        one, same, other, later = (
            np.concatenate(steps(dataset, balance=balance, seed=seed).batches(epoch))
            for seed, epoch in ((1, 4), (1, 4), (2, 4), (1, 5))
        )
        assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        assert not np.array_equal(one, later)


def test_sampling_draws_every_class_as_often_and_gives_no_weights(dataset):
    made = steps(dataset, balance="sampling")
    drawn = np.bincount(dataset.labels[np.concatenate(made.batches(0))])
    assert drawn.max() - drawn.min() <= 1
    assert drawn.sum() == len(dataset.rows("train"))
    assert made.weight is None


def test_weights_leave_the_order_alone(dataset):
    plain, weighted = steps(dataset, balance="off"), steps(dataset, balance="auto")
    assert weighted.weight is not None
    assert_array_equal(np.concatenate(plain.batches(0)), np.concatenate(weighted.batches(0)))


def test_a_step_is_a_function_of_its_position(dataset):
    made = steps(dataset)
    one, same, later = (outcome(made, epoch=epoch)[1] for epoch in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, later)


def test_label_smoothing_is_torchs(dataset, monkeypatch):
    honest, seen = functional.cross_entropy, []

    def look(*arguments, **options):
        seen.append(options)
        return honest(*arguments, **options)

    monkeypatch.setattr(functional, "cross_entropy", look)
    smooth = outcome(steps(dataset, label_smoothing=0.2))[0].loss
    plain = outcome(steps(dataset))[0].loss
    assert [options["label_smoothing"] for options in seen] == [0.2, 0.0]
    assert smooth != plain


def test_the_gradient_is_no_longer_than_allowed(dataset):
    found, gradient = outcome(steps(dataset, clip_norm=0.001))
    assert found.norm > 0.001
    assert gradient.norm().item() == pytest.approx(0.001, rel=1e-2)


@pytest.mark.parametrize(("loss", "norm", "finite"), [(1, 1, True), (float("nan"), 1, False), (1, float("inf"), False)])
def test_what_is_not_finite_is_noticed(loss, norm, finite):
    assert Outcome(loss, norm, 0).is_finite is finite

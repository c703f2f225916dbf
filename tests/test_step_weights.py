"""Weights of single images in a step of training, and what seeds its dropout."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from convstage.config import make_config
from convstage.distributed import Share, World
from convstage.pattern import Pattern
from convstage.recipe import make_optimizer
from convstage.step import Steps
from support.datasets import load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    from conftest import make_class_folders

    return load(make_class_folders(tmp_path_factory.mktemp("data") / "images", {"few": 8, "many": 30}, size=8))


def weighted(dataset, weights, **settings) -> Steps:
    chosen = make_config(**{"batch_size": 6, "augment": False, "balance": "off", "clip_norm": 1e9, **settings})
    return Steps(replace(dataset, weights=weights), chosen, CPU)


def gradient(made: Steps, batch: np.ndarray, layers: str = "") -> tuple[float, np.ndarray]:
    network = Pattern(f"INPUT -> CONV(2) -> RELU -> POOL {layers}-> CLASSIFIER").plan("8x8x1", 2).build(0).train()
    found = made.gradient(network, make_optimizer(network, 0), batch, 0, 0)
    return found.loss, torch.cat([parameter.grad.flatten() for parameter in network.parameters()]).numpy()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_gradient_is_the_mean_of_the_images_times_their_weights(dataset, smoothing):
    random = np.random.default_rng(0)
    weights = random.random(len(dataset.labels))
    batch = dataset.rows("train")[:6]
    loss, whole = gradient(weighted(dataset, weights, label_smoothing=smoothing), batch)
    single = [gradient(weighted(dataset, None, label_smoothing=smoothing), batch[n : n + 1]) for n in range(6)]
    assert loss == pytest.approx(np.mean([w * one for w, (one, _) in zip(weights[batch], single, strict=True)]))
    expected = np.mean([w * one for w, (_, one) in zip(weights[batch], single, strict=True)], axis=0)
    assert_allclose(whole, expected, rtol=1e-4, atol=1e-6)


def test_weights_of_images_and_of_classes_multiply(dataset):
    batch = np.concatenate(
        [dataset.rows("train")[dataset.labels[dataset.rows("train")] == label][:3] for label in (0, 1)]
    )
    ones = gradient(weighted(dataset, np.ones(len(dataset.labels)), balance="weights"), batch)
    plain = gradient(weighted(dataset, None, balance="weights"), batch)
    assert ones[0] == pytest.approx(plain[0])
    assert_allclose(ones[1], plain[1], rtol=1e-4, atol=1e-6)


def test_of_several_processes_the_mean_is_that_of_one(dataset):
    weights = np.random.default_rng(0).random(len(dataset.labels))
    made, logits = weighted(dataset, weights), torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    labels, factors = torch.tensor([0, 1, 1, 0, 1, 0]), torch.from_numpy(weights[:6])
    whole = made._loss(logits, labels, slice(0, 6), factors)
    losses = []
    for rank in (0, 1):
        made.share = Share(World(rank, 2))
        part = made.share.take(6)
        losses.append(made._loss(logits[part], labels, part, factors[part]))
    assert torch.stack(losses).mean().item() == pytest.approx(whole.item())


def test_dropout_is_seeded_as_torch_seeds_it_without_what_torch_queues(dataset, monkeypatch):
    batch = dataset.rows("train")[:6]
    one = gradient(weighted(dataset, None), batch, "-> DROPOUT(0.5) ")
    monkeypatch.setattr("convstage.step._seed_dropout", lambda seed, where: torch.manual_seed(seed))
    assert_allclose(gradient(weighted(dataset, None), batch, "-> DROPOUT(0.5) ")[1], one[1], rtol=0, atol=0)
    monkeypatch.undo()

    def refuse(seed):
        raise AssertionError("it queues a call, with a trace of the stack, for every device that there is not")

    monkeypatch.setattr(torch, "manual_seed", refuse)
    gradient(weighted(dataset, None), batch)

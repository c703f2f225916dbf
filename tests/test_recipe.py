from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convstage import Pattern
from convstage.recipe import (
    FINAL_SHARE,
    LAST_MAP,
    balance,
    balanced_order,
    class_weights,
    default_pattern,
    learning_rate,
    make_optimizer,
)


@given(st.integers(1, 600), st.integers(1, 600))
def test_the_default_pattern_fits_every_image(height: int, width: int) -> None:
    plan = Pattern(default_pattern(height, width)).plan((height, width, 1), 2)
    last = next(row.output for row in reversed(plan.rows) if len(row.output) == 3)
    # It pools down to a small map, unless the shorter side is used up or six poolings are.
    assert max(last[:2]) <= LAST_MAP or min(last[:2]) == 1 or max(height, width) > LAST_MAP * 2**6


@pytest.mark.parametrize(("side", "poolings"), [(8, 1), (28, 2), (32, 2), (64, 3), (160, 4), (224, 5)])
def test_larger_images_are_pooled_more_often(side: int, poolings: int) -> None:
    plan = Pattern(default_pattern(side, side)).plan((side, side, 1), 2)
    assert sum(row.kind == "POOL" for row in plan.rows) == poolings


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 1000, 0.1) for step in range(1000)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(0.1)
    assert all(a < b for a, b in pairwise(rates[: top + 1]))
    assert all(a >= b for a, b in pairwise(rates[top:]))
    assert rates[0] < 0.01
    assert rates[-1] == pytest.approx(FINAL_SHARE * 0.1, rel=0.01)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_schedules_have_a_rate(steps: int) -> None:
    assert all(0 < learning_rate(step, steps, 0.1) <= 0.1 for step in range(steps))


def test_weights_decay_and_biases_do_not() -> None:
    network = Pattern("INPUT(8x8) -> CONV(4) -> BN -> RELU -> POOL -> CLASSIFIER(2)").plan().build(seed=0)
    optimizer = make_optimizer(network, 0.5)
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in decayed}
    assert names == {"stage1.conv.weight", "classifier.weight"}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))


def test_class_weights_make_rare_classes_count_as_much() -> None:
    counts = np.array([90, 10])
    assert torch.allclose(class_weights(counts) * torch.tensor(counts), torch.tensor(50.0))


@pytest.mark.parametrize("choice", ["off", "weights", "sampling"])
def test_the_balance_is_what_was_chosen(choice: str) -> None:
    assert balance(np.array([90, 10]), choice) == choice


def test_by_itself_the_balance_follows_the_counts() -> None:
    assert balance(np.array([90, 10]), "auto") == "weights"
    assert balance(np.array([12, 10]), "auto") == "off"


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(0, 99))
def test_every_class_is_drawn_as_often_and_no_image_twice_before_all_are(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(100, 100 + len(labels))
    order = balanced_order(rows, labels, np.random.default_rng(seed))
    assert len(order) == len(rows)
    drawn = np.bincount(labels[order - 100], minlength=len(counts))
    assert drawn.max() - drawn.min() <= 1
    times = np.bincount(order - 100, minlength=len(rows))
    for label in range(len(counts)):
        of_class = times[labels == label]
        assert of_class.max() - of_class.min() <= 1


def test_a_class_of_many_is_drawn_from_anew_in_every_epoch() -> None:
    labels = np.repeat([0, 1], [90, 10])
    seen = [set(balanced_order(np.arange(100), labels, np.random.default_rng(epoch))) for epoch in range(6)]
    assert len(set.union(*seen)) > 95

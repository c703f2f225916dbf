"""Figures of several classifiers side by side, without a training."""

from __future__ import annotations

import json

import numpy as np
import pytest

from convstage.paired import difference
from convstage.shift_test import shift_figures
from convstage.side_by_side import Side, Turn, side_by_side


def turn(seed: int, skill: float, n: int = 40) -> Turn:
    random = np.random.default_rng(int(100 * skill) + seed)
    right = (random.random((5, n)) < skill).astype(float)
    return Turn(seed, f"run-{seed}", [f"image {seed} {k:02}" for k in range(n)], right, 2.5 + seed, 3 + seed)


def side(name: str, skill: float, seeds: int) -> Side:
    return Side(name, "pattern", f"what {name} is", 10, 20, [turn(seed, skill) for seed in range(seeds)])


def test_one_seed_has_intervals_and_no_spread() -> None:
    one, two = side("1", 0.5, 1), side("2", 0.95, 1)
    found = side_by_side([one, two])
    assert (found["seeds"], found["images"], found["distances"]) == ([0], 40, [0, 1, 2, 3, 4])
    assert found["intervals"].endswith("resamples of the images, seed 0")
    told = found["sides"][1]
    [of_seed] = told["per_seed"]
    assert of_seed["shifts"] == shift_figures(two.turns[0].right)
    assert of_seed["accuracy"] == of_seed["shifts"][0]
    assert (of_seed["seconds"], of_seed["epochs"], of_seed["run"]) == (2.5, 3, "run-0")
    assert told["over_seeds"] is None
    assert told["difference"] == difference(one.turns[0].right[0], two.turns[0].right[0]).to_dict()
    assert told["difference"]["conclusion"] == "clearly better"


def test_several_seeds_have_a_spread_at_every_distance() -> None:
    one = side("1", 0.5, 3)
    found = side_by_side([one, side("2", 0.6, 3)])["sides"][0]["over_seeds"]
    values = np.array([each.right.mean(axis=1) for each in one.turns])
    assert [row["mean"] for row in found["shifts"]] == pytest.approx(values.mean(axis=0))
    assert [row["std"] for row in found["shifts"]] == pytest.approx(values.std(axis=0, ddof=1))
    assert found["accuracy"] == found["shifts"][0]
    assert (found["seconds"], found["epochs"]) == (3.5, 4)


def test_the_result_is_plain_data() -> None:
    found = side_by_side([side("1", 0.5, 2), side("hog", 0.9, 2)])
    assert json.loads(json.dumps(found, allow_nan=False)) == found

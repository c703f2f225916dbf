"""Activation maximisation: it climbs, the same way every time, to pictures that can be seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from convstage.data import Standardisation
from convstage.learned import features, synthesis, words
from convstage.learned.synthesis import FEWEST, MOST_WORK, PASSES, STEPS, most_images, steps_for, synthesise

STANDARDISATION = Standardisation((0.4,), (0.2,))


def linear(weights: torch.Tensor):
    """Return filters as large as the image: (n, K) outputs."""
    return lambda x: torch.nn.functional.conv2d(x, weights).flatten(1)


def made(weights: torch.Tensor, targets: list[int], *, steps: int = 60, seed: int = 0, **settings):
    shape = (*weights.shape[2:], weights.shape[1])
    scales = np.full(len(targets), float(weights.abs().sum((1, 2, 3)).mean()))
    return synthesise(linear(weights), shape, targets, scales, STANDARDISATION, steps=steps, seed=(seed,), **settings)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 5))
def test_for_a_filter_on_few_pixels_it_finds_the_best_image_there_is(seed: int, height: int, width: int) -> None:
    weights = torch.randn(2, 1, height, width, generator=torch.Generator().manual_seed(seed))
    result = made(weights, [0, 1])
    # Whatever a weight is, a pixel at the end that it points to is best; a weight of nearly 0 pulls at nothing.
    clear = weights[:, 0].numpy()
    pixels = result.pixels[:, :, :, 0].astype(float)
    assert (pixels[clear > 0.02] > 255 * 0.4).all()
    assert (pixels[clear < -0.02] < 255 * 0.4).all()
    assert (result.values > result.start).all()


def test_values_are_those_of_the_pictures_as_they_are_shown() -> None:
    weights = torch.randn(3, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    result = made(weights, [2, 0], finish=torch.nn.ReLU())
    assert result.pixels.shape == (2, 9, 8, 1)
    assert result.pixels.dtype == np.uint8
    outputs = linear(weights)(STANDARDISATION(result.pixels)).relu().numpy()
    assert result.values.tolist() == pytest.approx([outputs[0, 2], outputs[1, 0]], rel=1e-6)


def test_the_same_seed_makes_the_same_image_and_another_seed_another() -> None:
    weights = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    one, again, other = (made(weights, [0], seed=seed).pixels for seed in (3, 3, 4))
    assert_array_equal(one, again)
    assert (one != other).any()


def test_variation_makes_images_smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def roughness() -> float:
        return float(np.abs(np.diff(made(weights, [0]).pixels.astype(float), axis=1)).mean())

    smooth = roughness()
    monkeypatch.setattr(synthesis, "VARIATION", 0)
    assert roughness() > 1.1 * smooth


def test_what_is_nowhere_above_zero_is_climbed_all_the_same() -> None:
    weights = torch.ones(1, 1, 4, 4)
    result = synthesise(
        lambda x: linear(weights)(x) - 30,
        (4, 4, 1),
        [0],
        np.ones(1),
        STANDARDISATION,
        steps=60,
        seed=(0,),
        finish=torch.nn.ReLU(),
    )
    assert result.start == 0
    assert result.values > 0


@pytest.mark.parametrize("work", [0, 1, 10**8, 10**9, 10**12])
def test_steps_are_bounded_by_the_work(work: int) -> None:
    steps = steps_for(work)
    assert FEWEST <= steps <= STEPS
    assert steps in (FEWEST, STEPS) or PASSES * work * steps <= MOST_WORK < PASSES * work * (steps + 1)


def test_of_very_many_classes_images_are_made_for_the_first(planted, monkeypatch: pytest.MonkeyPatch) -> None:
    assert most_images(5 * 10**8) < 1000
    assert most_images(10**15) == 1
    monkeypatch.setattr(synthesis, "MOST_WORK", 1)
    found = features(planted[0], patches=1, layers=["classifier"])
    assert [feature.synthetic is not None for feature in found.layers[0].shown] == [True, False]
    assert words.inventory(found.layers[0]) == "2 classes, images made for the first 1"
    assert found.layers[0].shown[0].synthetic.steps == FEWEST

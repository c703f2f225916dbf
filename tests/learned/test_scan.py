"""One pass over the images: the same for any batch, and what is kept does not grow with the images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convstage import Pattern
from convstage.learned import scan as scan_module
from convstage.learned.scan import Tally, readings, scan
from convstage.predict import load


def tally_of(maps: np.ndarray, labels: np.ndarray, kept: int, batch: int, classes: int = 3) -> Tally:
    tally = Tally(maps.shape[1], classes, kept)
    for start in range(0, len(maps), batch):
        rows = np.arange(start, min(len(maps), start + batch))
        tally.add(torch.from_numpy(maps[rows]), rows, labels[rows])
    return tally


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_a_tally_is_what_all_images_at_once_say(seed: int, batch: int, kept: int, tied: bool) -> None:
    random = np.random.default_rng(seed)
    maps = random.normal(size=(9, 2, 3, 4)).astype(np.float32)
    if tied:
        maps = np.round(maps)
    labels = random.integers(0, 3, 9)
    tally = tally_of(maps, labels, kept, batch)
    flat = maps.reshape(9, 2, 12)
    for number in range(2):
        peaks = flat[:, number].max(axis=1)
        best = sorted(range(9), key=lambda row: (-peaks[row], row))[:kept]
        assert_array_equal(tally.rows[number], best)
        assert_array_equal(tally.values[number], peaks[best])
        first = [np.unravel_index(flat[row, number].argmax(), (3, 4)) for row in best]
        assert_array_equal(tally.cells[number], first)
    assert_array_equal(tally.high, flat.max((0, 2)))
    assert_array_equal(tally.low, flat.min((0, 2)))
    assert_array_equal(tally.positive, (flat.max(2) > 0).sum(0))
    for label in set(labels.tolist()):
        assert_allclose(tally.class_means[label], flat[labels == label].mean((0, 2)), rtol=1e-5, atol=1e-6)


def test_fewer_images_than_places_leave_places_empty() -> None:
    tally = tally_of(np.ones((2, 1, 2, 2), np.float32), np.array([0, 1]), kept=4, batch=1)
    assert_array_equal(tally.values[0], [1, 1, -np.inf, -np.inf])
    assert_array_equal(tally.rows[0], [0, 1, -1, -1])


def test_what_the_class_tells() -> None:
    labels = np.array([0, 0, 1, 1])
    by_class = np.repeat(labels, 4).reshape(4, 1, 2, 2)
    by_image = np.repeat([0, 1, 0, 1], 4).reshape(4, 1, 2, 2)
    constant = np.full((4, 1, 2, 2), 0.3)
    maps = np.concatenate([by_class, by_image, constant], axis=1).astype(np.float32)
    tally = tally_of(maps, labels, kept=1, batch=3)
    assert_allclose(tally.told, [1, 0, 0], atol=1e-6)
    assert np.isnan(tally.class_means[2]).all(), "the third class has no images"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("CONV -> RELU -> POOL", ("stage1.conv", "stage1.relu")),
        ("CONV -> BN -> RELU", ("stage1.bn", "stage1.relu")),
        ("CONV -> RELU -> BN", ("stage1.conv", "stage1.relu")),
        ("CONV -> DROPOUT -> BN -> TANH", ("stage1.bn", "stage1.tanh")),
        ("CONV -> POOL -> RELU", ("stage1.conv", "stage1.conv")),
        ("CONV -> BN -> POOL", ("stage1.bn", "stage1.bn")),
        ("CONV", ("stage1.conv", "stage1.conv")),
        ("CONV -> GAP -> RELU", ("stage1.conv", "stage1.conv")),
    ],
)
def test_values_are_read_behind_the_non_linearity(pattern: str, expected: tuple[str, str]) -> None:
    plan = Pattern(f"INPUT -> {pattern} -> CLASSIFIER").plan("8x8x1", 2)
    (reading,) = readings(plan)
    assert (reading.before.name, reading.after.name) == expected


def test_no_more_images_than_a_batch_are_in_the_network(planted, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = planted
    classifier = load(run)
    seen: list[int] = []
    classifier.network.get_submodule("stage1.conv").register_forward_pre_hook(
        lambda module, inputs: seen.append(len(inputs[0]))
    )
    pixels = run_pixels(run)
    layers = [reading.after for reading in readings(classifier.plan)]
    labels = np.zeros(len(pixels), np.int64)
    results = []
    for size in (5, 24):
        monkeypatch.setattr(scan_module, "batch_for", lambda plan, size=size: size)
        results.append(scan(classifier, pixels, labels, layers, kept=3)["stage1.relu"])
    assert seen == [5, 5, 5, 5, 4, 24]
    assert_array_equal(results[0].rows, results[1].rows)
    assert_allclose(results[0].values, results[1].values, rtol=1e-5)
    assert results[0].values.shape == (3, 3)


def run_pixels(run):
    from convstage.data import restore_dataset

    return restore_dataset(run.config["data"], run.split, run.config["model"]).pixels

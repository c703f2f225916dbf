"""The shift test against classifiers whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convstage.data.pixel_rows import PixelRows
from convstage.figures import all_figures
from convstage.shift_test import BATCH, DISTANCES, directions, shift_figures, shift_test


def dots(columns: list[int], side: int = 9) -> np.ndarray:
    """Black images, each with one bright dot in the middle row of a column."""
    pixels = np.zeros((len(columns), side, side, 1), np.uint8)
    pixels[np.arange(len(columns)), side // 2, columns] = 255
    return pixels


def at_place(pixels: np.ndarray) -> np.ndarray:
    """Class 1 where the very middle is bright: what has learned one place."""
    side = pixels.shape[1]
    return (pixels[:, side // 2, side // 2, 0] > 0).astype(int)


def anywhere(pixels: np.ndarray) -> np.ndarray:
    """Class 1 where anything is bright: what does not care for the place."""
    return (pixels.reshape(len(pixels), -1).max(axis=1) > 0).astype(int)


def test_what_has_learned_a_place_fails_as_soon_as_it_moves() -> None:
    right = shift_test(at_place, dots([4, 4]), np.array([1, 1]))
    assert_array_equal(right, [[1, 1], [0, 0], [0, 0], [0, 0], [0, 0]])


def test_what_looks_everywhere_does_not() -> None:
    assert_array_equal(shift_test(anywhere, dots([4, 4]), np.array([1, 1])), np.ones((5, 2)))


def test_the_directions_are_averaged_image_by_image() -> None:
    # Right of the middle by two: a step of two to the left brings it there.
    right = shift_test(at_place, dots([6, 4]), np.array([1, 1]), [0, 1, 2])
    assert_array_equal(right, [[0, 1], [0, 0], [0.25, 0]])


def test_the_truth_counts_not_the_answer_without_a_shift() -> None:
    right = shift_test(at_place, dots([4, 4]), np.array([0, 1]), [0, 1])
    assert_array_equal(right, [[0, 1], [1, 0]])


def test_edges_repeat() -> None:
    bright = np.full((1, 6, 6, 3), 200, np.uint8)
    assert_array_equal(
        shift_test(lambda x: (x.min(axis=(1, 2, 3)) == 200).astype(int), bright, np.array([1])), [[1]] * 5
    )


def test_images_further_than_a_batch_are_asked_about_too() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (2 * BATCH + 3, 5, 4, 1), dtype=np.uint8)
    labels = random.integers(0, 2, len(pixels))
    rows = random.permutation(len(pixels))

    def predict(x: np.ndarray) -> np.ndarray:
        return x[:, 2, 1, 0] % 2

    whole = shift_test(predict, pixels, labels)
    assert_array_equal(whole[0], predict(pixels) == labels)
    assert_array_equal(shift_test(predict, PixelRows(pixels, rows), labels[rows]), whole[:, rows])
    down = np.concatenate([pixels[:, :1], pixels[:, :-1]], axis=1)
    up = np.concatenate([pixels[:, 1:], pixels[:, -1:]], axis=1)
    to_right = np.concatenate([pixels[:, :, :1], pixels[:, :, :-1]], axis=2)
    to_left = np.concatenate([pixels[:, :, 1:], pixels[:, :, -1:]], axis=2)
    expected = np.mean([predict(moved) == labels for moved in (down, up, to_right, to_left)], axis=0)
    assert_array_equal(whole[1], expected)


@given(st.integers(0, 50))
def test_the_directions_cancel_out(distance: int) -> None:
    places = directions(distance)
    assert len(set(places)) == len(places) == (4 if distance else 1)
    assert_array_equal(np.sum(places, axis=0), [0, 0])
    assert {abs(down) + abs(right) for down, right in places} == {distance}


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 60), st.integers(0, 10_000), st.booleans())
def test_without_a_shift_it_is_the_accuracy_of_an_evaluation(n: int, seed: int, grouped: bool) -> None:
    random = np.random.default_rng(seed)
    truth, guesses = random.integers(0, 3, n), random.integers(0, 3, n)
    groups = [f"patient {k}" for k in random.integers(0, 5, n)] if grouped else None
    [found] = shift_figures((truth == guesses)[None].astype(float), groups)
    expected = all_figures(truth, np.eye(3)[guesses], ["a", "b", "c"], groups)["accuracy"]
    assert found == pytest.approx(expected, abs=1e-12)


def test_every_distance_has_its_figure() -> None:
    right = np.random.default_rng(0).integers(0, 5, (len(DISTANCES), 40)) / 4
    found = shift_figures(right)
    assert_allclose([figure["value"] for figure in found], right.mean(axis=1))
    assert all(figure["low"] < figure["value"] < figure["high"] for figure in found)
    certain = shift_figures(np.ones((2, 5)))
    assert_allclose([certain[1][part] for part in ("value", "low", "high")], [1, 0.025 ** (1 / 5), 1])

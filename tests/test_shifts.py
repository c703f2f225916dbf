import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from convstage import load
from convstage.predict import Classifier
from convstage.shifts import NONE, PLACES, choose_shifts, mean_logits, shifted


def numbered(height: int = 4, width: int = 5) -> np.ndarray:
    """Two images, every pixel another value."""
    return np.arange(2 * height * width, dtype=np.uint8).reshape(2, height, width, 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def test_one_view_is_the_image_itself() -> None:
    assert choose_shifts(1, 28, 28) == NONE
    pixels = numbered()
    assert next(shifted(pixels, NONE)) is pixels


@pytest.mark.parametrize("views", [5, 9])
def test_the_views_of_an_image_lie_evenly_around_it(views: int) -> None:
    assert_array_equal(np.mean(choose_shifts(views, 160, 100), axis=0), 0)
    assert len(set(choose_shifts(views, 160, 100))) == views


@given(st.integers(1, 9), st.integers(1, 500), st.integers(1, 500))
def test_every_shift_is_seen_however_small_the_image(views: int, height: int, width: int) -> None:
    shifts = choose_shifts(views, height, width)
    assert len(shifts) == views
    assert shifts[0] == (0, 0)
    assert all((down, right) != (0, 0) and abs(down) <= max(1, height // 20) for down, right in shifts[1:])


def test_pixels_move_and_edges_repeat() -> None:
    pixels = numbered()
    [down] = shifted(pixels, [(1, 0)])
    assert_array_equal(down[:, 1:], pixels[:, :-1])
    assert_array_equal(down[:, 0], pixels[:, 0])
    [left] = shifted(pixels, [(0, -2)])
    assert_array_equal(left[:, :, :-2], pixels[:, :, 2:])
    assert_array_equal(left[:, :, -2:], np.repeat(pixels[:, :, -1:], 2, axis=2))


def test_a_shift_beyond_the_image_leaves_its_edge() -> None:
    [gone] = shifted(numbered(), [(9, 0)])
    assert_array_equal(gone, np.repeat(numbered()[:, :1], 4, axis=1))


def test_the_answer_is_the_mean_of_the_probabilities() -> None:
    random = np.random.default_rng(0)
    views = list(random.normal(0, 5, (9, 4, 3)))
    assert_allclose(softmax(mean_logits(views)), np.mean([softmax(view) for view in views], axis=0), atol=1e-12)


def test_a_single_view_keeps_its_logits() -> None:
    logits = np.array([[1.0, 2.0]])
    assert mean_logits([logits]) is logits


def test_a_certain_view_does_not_overflow() -> None:
    assert_allclose(softmax(mean_logits([np.array([[0.0, 4000.0]]), np.array([[0.0, 0.0]])])), [[0.25, 0.75]])


def test_a_classifier_asks_about_every_view(trained) -> None:
    plain = load(trained)
    shifts = choose_shifts(9, *plain.geometry.size)
    several = Classifier(plain.network, plain.plan, plain.classes, plain.geometry, plain.standardisation, shifts)
    pixels = np.random.default_rng(0).integers(0, 256, (5, *plain.plan.image), dtype=np.uint8)
    expected = np.mean([plain.probabilities(view) for view in shifted(pixels, shifts)], axis=0)
    assert_allclose(several.probabilities(pixels), expected, atol=1e-9)
    assert len(PLACES) == 9

"""Hand-made features into a small network: the features, the training, and that a seed fixes both."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage.feature import hog

from convstage import ConfigError
from convstage.baseline import BASELINES, COPIES, HIDDEN, Baseline, cell_side, find_baseline, train_baseline
from convstage.config import make_config
from convstage.training import prepare

PATTERN = "INPUT -> CLASSIFIER"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    from conftest import make_class_folders

    folder = make_class_folders(tmp_path_factory.mktemp("data") / "images", {"a": 24, "b": 30, "c": 24})
    return prepare(folder, make_config(pattern=PATTERN, epochs=8, batch_size=8, threads=1))


def counting(name: str = "hog") -> tuple[Baseline, list[np.ndarray]]:
    """A baseline that keeps what it is asked about."""
    seen: list[np.ndarray] = []
    own = BASELINES[name]
    return Baseline(name, own.describe, lambda pixels: (seen.append(pixels), own.features(pixels))[1]), seen


def test_hog_is_scikit_images_for_grey_images() -> None:
    pixels = noise(28, 28, 1)
    expected = hog(pixels[..., 0], orientations=9, pixels_per_cell=(4, 4), cells_per_block=(2, 2))
    assert_allclose(BASELINES["hog"].features(pixels), expected)
    assert len(expected) == 6 * 6 * 4 * 9


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.sampled_from(list(BASELINES)))
def test_every_image_size_has_features(height: int, width: int, channels: int, name: str) -> None:
    features = BASELINES[name].features(noise(height, width, channels))
    assert features.ndim == 1
    assert 0 < len(features) < 40_000
    assert np.isfinite(features).all()
    cell = cell_side(height, width)
    assert 1 <= cell <= max(1, min(height, width) // 2)
    words = BASELINES[name].describe((height, width, channels))
    assert f"cells of {cell}×{cell} pixels" in words or "the pixels" in words


def test_large_images_are_reduced_before_their_pixels_are_taken() -> None:
    small = noise(16, 20, 1)
    assert_array_equal(BASELINES["pixels"].features(small), small.ravel())
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    assert BASELINES["pixels"].describe(large.shape) == "the pixels, means of 3×3"
    assert len(BASELINES["pixels"].features(large)) == 22 * 27
    double = np.kron(noise(32, 32, 3), np.ones((2, 2, 1), np.uint8))
    assert_array_equal(BASELINES["pixels"].features(double), double[::2, ::2].ravel())


@pytest.mark.parametrize("name", BASELINES)
def test_it_learns_what_can_be_seen_and_the_same_seed_learns_the_same(ready, name) -> None:
    pixels, labels = ready.dataset.pixels[ready.dataset.rows("test")], ready.dataset.labels[ready.dataset.rows("test")]
    config = ready.config.model_copy(update={"augment": False})
    first, again = (train_baseline(BASELINES[name], ready.dataset, config) for _ in range(2))
    probabilities = first.probabilities(pixels)
    assert probabilities.shape == (len(labels), 3)
    assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.8
    assert_array_equal(again.probabilities(pixels), probabilities)
    other = train_baseline(BASELINES[name], ready.dataset, config.model_copy(update={"seed": 1}))
    assert not np.array_equal(other.probabilities(pixels), probabilities)


def test_what_it_learns_is_counted(ready) -> None:
    found = train_baseline(BASELINES["hog"], ready.dataset, ready.config.model_copy(update={"epochs": 1}))
    features = len(BASELINES["hog"].features(ready.dataset.pixels[0]))
    assert found.features == features
    assert found.multiply_adds == features * HIDDEN + HIDDEN * 3
    assert found.parameters == found.multiply_adds + HIDDEN + 3
    told = found.describe(ready.dataset.geometry.shape)
    assert told["what"].endswith(f"in cells of 3×3 pixels: {features:,} features into 128 hidden units")
    assert (told["epochs"], told["best_epoch"], told["parameters"]) == (1, 1, found.parameters)
    assert told["seconds"] == found.seconds > 0


def test_its_training_images_are_varied_as_those_of_the_networks_are(ready) -> None:
    dataset, count = ready.dataset, len(ready.dataset.rows("train"))
    baseline, seen = counting()
    train_baseline(baseline, dataset, ready.config)
    assert len(seen) == 1 + count * (1 + COPIES) + len(dataset.rows("val"))
    plain = [dataset.pixels[row] for row in dataset.rows("train")]
    assert_array_equal(seen[1 : 1 + count], plain)
    copies = np.stack(seen[1 + count : 1 + count * (1 + COPIES)]).astype(float).reshape(COPIES, count, -1)
    distances = [np.abs(copy - np.stack(plain).reshape(count, -1)).mean() for copy in copies]
    assert min(distances) > 1
    assert len(set(distances)) == COPIES
    for settings_, versions in (({"augment": False}, 1), ({"epochs": 2}, 2)):
        baseline, seen = counting()
        train_baseline(baseline, dataset, ready.config.model_copy(update=settings_))
        assert len(seen) == 1 + count * versions + len(dataset.rows("val"))


def test_a_variation_of_nothing_gives_the_pixels_back(ready) -> None:
    from convstage.baseline import _pixels

    pixels = ready.dataset.pixels[:5]
    assert_array_equal(_pixels(ready.dataset.standardisation(pixels), ready.dataset.standardisation), pixels)


def test_copies_that_would_fill_the_memory_are_not_made(ready, monkeypatch) -> None:
    monkeypatch.setattr("convstage.baseline.MOST_VALUES", 1)
    baseline, seen = counting()
    train_baseline(baseline, ready.dataset, ready.config)
    assert len(seen) == 1 + len(ready.dataset.rows("train")) + len(ready.dataset.rows("val"))


def test_rare_classes_are_drawn_as_often(tmp_path, make_folder, monkeypatch) -> None:
    folder = make_folder(tmp_path / "images", {"common": 40, "rare": 12})
    uneven = prepare(folder, make_config(pattern=PATTERN, epochs=1, batch_size=8))
    drawn: list[int] = []
    from sklearn.neural_network import MLPClassifier

    fit = MLPClassifier.partial_fit
    monkeypatch.setattr(
        MLPClassifier, "partial_fit", lambda self, x, y, **named: (drawn.extend(y), fit(self, x, y, **named))[1]
    )
    train_baseline(BASELINES["pixels"], uneven.dataset, uneven.config)
    assert abs(drawn.count(0) - drawn.count(1)) <= 1
    drawn.clear()
    train_baseline(BASELINES["pixels"], uneven.dataset, uneven.config.model_copy(update={"balance": "off"}))
    assert np.bincount(drawn).tolist() == uneven.dataset.counts("train").tolist()


@pytest.mark.parametrize("monitor", ["balanced_accuracy", "accuracy", "loss"])
def test_the_best_epoch_is_kept_and_patience_ends_it(ready, monkeypatch, monitor) -> None:
    ranks = iter([[0.1, 0], [0.5, 0], [0.5, -1], [0.4, 0], [0.9, 0]])
    monitors = []
    monkeypatch.setattr("convstage.baseline._rank", lambda truth, p, name: (monitors.append(name), next(ranks))[1])
    settings_ = {"patience": 2, "augment": False}
    found = train_baseline(
        BASELINES["pixels"], ready.dataset, ready.config.model_copy(update={**settings_, "monitor": monitor})
    )
    assert (found.epochs, found.best_epoch, set(monitors)) == (4, 2, {monitor})
    monkeypatch.undo()
    only_two = train_baseline(
        BASELINES["pixels"], ready.dataset, ready.config.model_copy(update={"augment": False, "epochs": 2})
    )
    pixels = ready.dataset.pixels[:9]
    # Two epochs, of which the second was the better: the same weights.
    assert only_two.best_epoch == 2
    assert_array_equal(found.probabilities(pixels), only_two.probabilities(pixels))


def test_the_rank_is_the_figure_that_is_monitored_then_the_likelihood() -> None:
    from convstage.baseline import _rank

    truth = np.array([0, 0, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]])
    likelihood = np.log([0.9, 0.8, 0.6, 0.3]).mean()
    assert _rank(truth, probabilities, "accuracy") == pytest.approx([0.75, likelihood])
    assert _rank(truth, probabilities, "balanced_accuracy") == pytest.approx([0.5, likelihood])
    assert _rank(truth, probabilities, "loss") == pytest.approx([likelihood, likelihood])


def test_an_unknown_baseline_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"there is no baseline 'sift'.\nBaselines are hog, pixels."):
        find_baseline("sift")
    assert find_baseline("hog") is BASELINES["hog"]

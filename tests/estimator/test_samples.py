import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from convstage import DataError
from convstage.data.pixel_rows import PixelRows
from convstage.data.preprocess import measure as measure_pixels
from convstage.estimator.samples import Numbers, Samples, in_memory, measure

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=12)


def of(rows) -> Samples:
    """Return the samples of images of one value, each with its label and its weight."""
    values, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    return Samples.of(values.astype(np.uint8).reshape(-1, 1, 1, 1), labels, weights.astype(float))


def content(samples: Samples) -> list:
    return list(zip(samples.sha256, samples.labels.tolist(), samples.weights.tolist(), strict=True))


@settings(max_examples=60)
@given(ROWS, st.randoms())
def test_samples_are_those_of_their_contents_whatever_the_order(rows, random):
    other = list(rows)
    random.shuffle(other)
    assert content(of(rows)) == content(of(other))


@settings(max_examples=60)
@given(ROWS)
def test_a_weight_is_as_many_repetitions(rows):
    repeated = [(value, label, 1) for value, label, weight in rows for _ in range(weight)]
    if repeated:
        assert content(of(rows)) == content(of(repeated))
    else:
        assert content(of(rows)) == []


@settings(max_examples=60)
@given(ROWS)
def test_rows_point_to_what_they_stand_for_and_no_weight_is_lost(rows):
    samples = of(rows)
    assert samples.weights.sum() == sum(weight for *_, weight in rows)
    assert [rows[row][1] for row in samples.rows] == samples.labels.tolist()
    assert len({(rows[row][0], rows[row][1]) for row in samples.rows}) == len(samples.rows)


def test_sums_of_weights_do_not_depend_on_the_order():
    weights = np.array([1e16, 1.0, 1.0, 1.0, 0.1])
    sums = [Samples.of(np.zeros((5, 1, 1, 1)), np.zeros(5, int), order).weights for order in (weights, weights[::-1])]
    assert sums[0].tolist() == sums[1].tolist() == [1e16 + 4]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)


def test_the_measure_is_that_of_a_training(images):
    found = measure(PixelRows(images, np.arange(20)), np.full(20, 0.3))
    expected = measure_pixels(images, np.arange(20))
    assert_allclose(found.mean, expected.mean, rtol=1e-12)
    assert_allclose(found.std, expected.std, rtol=1e-12)


def test_weights_count_in_the_measure(images):
    weights = np.arange(20.0)
    found = measure(PixelRows(images, np.arange(20)), weights)
    repeated = np.repeat(images, np.arange(20), axis=0) / 255
    assert_allclose(found.mean, repeated.mean(axis=(0, 1, 2)))
    assert_allclose(found.std, repeated.std(axis=(0, 1, 2)))


def test_a_channel_without_contrast_is_left_at_zero():
    values = np.full((3, 2, 2, 1), 1e6 + 0.1)
    scaling = measure(PixelRows(values, np.arange(3)), np.ones(3))
    assert scaling.std == (1.0,)
    assert torch.equal(scaling(values).abs() < 1e-6, torch.ones(3, 1, 2, 2, dtype=torch.bool))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.float64])
def test_numbers_are_standardised_as_pixels_are(images, kind):
    scaling = Numbers((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    x = scaling(images.astype(kind))
    assert (x.dtype, tuple(x.shape)) == (torch.float32, (20, 3, 4, 5))
    expected = (images / 255 - np.array(scaling.mean)) / np.array(scaling.std)
    assert_allclose(x.numpy(), expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_small_differences_between_large_numbers_are_kept():
    values = 1e9 + np.arange(4.0).reshape(4, 1, 1, 1)
    x = measure(PixelRows(values, np.arange(4)), np.ones(4))(values)
    assert_allclose(x.ravel(), (np.arange(4) - 1.5) / np.std(np.arange(4)), rtol=1e-5)


def dataset(images, labels, weights, **settings):
    samples = Samples.of(images, labels, weights)
    return in_memory(images, samples, ("a", "b"), **{"val": None, "seed": 0, **settings})


def test_a_data_set_of_images_makes_no_copy_of_them(images):
    made = dataset(images, np.arange(20) % 2, np.ones(20))
    assert made.pixels.array is images
    assert (set(made.parts), made.weights) == ({"train"}, None)
    assert made.counts().tolist() == [10, 10]


def test_the_weights_of_the_training_part_have_mean_1(images):
    made = dataset(images, np.arange(20) % 2, np.arange(1.0, 21), val=0.25)
    assert made.weights is not None
    assert made.weights[made.rows("train")].mean() == pytest.approx(1)
    assert len(made.rows("val")) == 4


def test_the_same_image_under_two_labels_is_in_one_part(images):
    both, labels = np.concatenate([images, images[:6]]), np.concatenate([np.arange(20) % 2, 1 - np.arange(6) % 2])
    for seed in range(5):
        made = dataset(both, labels, np.ones(26), val=0.3, seed=seed)
        sides = [{made.sha256[row] for row in made.rows(part)} for part in ("train", "val")]
        assert not sides[0] & sides[1]
        assert made.counts("val").all()


def test_too_few_images_for_two_parts(images):
    with pytest.raises(DataError, match=r"class 'b' has 1 image(.|\n)*early_stopping=False"):
        dataset(images, np.arange(20) == 3, np.ones(20), val=0.2)

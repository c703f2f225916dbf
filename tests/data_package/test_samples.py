"""The embedded samples: what they say they are."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage.data import SAMPLES, choose_geometry, open_source, read_images


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_there(name: str) -> None:
    sample = SAMPLES[name]
    assert sample.name == name
    assert sample.path.is_file()
    assert open_source(name)[1].classes


def test_digits() -> None:
    _, source = open_source("digits")
    geometry = choose_geometry(source)
    assert (geometry.size, geometry.channels) == ((28, 28), "grey")
    images = read_images(source, geometry)
    assert source.classes == tuple("0123456789")
    assert images.pixels.shape == (5000, 28, 28, 1)
    assert_array_equal(np.bincount(images.labels), [500] * 10)
    assert not images.unreadable
    assert len(set(images.sha256)) == 5000  # no image is there twice
    pixels = np.asarray(images.pixels)
    assert (pixels.min(), pixels.max()) == (0, 255)
    # A one has less ink than any other digit, and a nought none in the middle.
    ink = [pixels[images.labels == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1
    middle = [pixels[images.labels == digit, 13:15, 13:15].mean() for digit in range(10)]
    assert np.argmin(middle) == 0

"""Some rows of an array behave as the array of those rows would, without being one."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage.data.pixel_rows import PixelRows

ARRAY = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 2), dtype=np.uint8)
ROWS = np.array([5, 0, 3, 6])


@pytest.mark.parametrize(
    "index",
    [
        2,
        -1,
        slice(None),
        slice(1, 3),
        slice(9, 12),
        np.array([3, 0, 0]),
        np.array([True, False, True, False]),
        (1, 2),
        (slice(None), slice(None), slice(None), 1),
        (slice(1, 3), 0),
        (0, 0, 0, 0),
        (np.array([2, 1]), slice(1, 2), 3),
    ],
    ids=str,
)
def test_indexed_they_are_those_rows(index) -> None:
    assert_array_equal(PixelRows(ARRAY, ROWS)[index], ARRAY[ROWS][index])


def test_some_of_some() -> None:
    rows = PixelRows(ARRAY, ROWS)
    taken = rows.take(np.array([3, 1]))
    assert taken.array is ARRAY
    assert (len(taken), taken.shape) == (2, (2, 3, 4, 2))
    assert_array_equal(taken, ARRAY[[6, 0]])
    assert_array_equal(np.asarray(rows, dtype=float), ARRAY[ROWS].astype(float))

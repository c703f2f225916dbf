"""When a file is the run's, and what is said when it is not."""

from __future__ import annotations

import numpy as np
import pytest

from convstage import RunError
from convstage.export.agreement import MARGIN, TOLERANCE, compare

NAMES, CLASSES = ["one.png", "two.png", "<three>.png"], ["a", "b"]
RUN = np.array([[0.9, 0.1], [0.2, 0.8], [0.5 + MARGIN / 4, 0.5 - MARGIN / 4]])


def moved(row: int, by: float) -> np.ndarray:
    file = RUN.copy()
    file[row] += by, -by
    return file


def test_what_is_equal_agrees():
    agreement = compare(RUN, RUN, NAMES, CLASSES, "test")
    assert agreement.to_dict() == {"images": 3, "part": "test", "largest_difference": 0.0, "equal_decisions": 3}


def test_a_difference_up_to_the_tolerance_is_told():
    assert compare(RUN, moved(1, 0.9 * TOLERANCE), NAMES, CLASSES, "test").largest_difference == pytest.approx(9e-6)


def test_the_worst_image_is_named():
    file = moved(1, 3 * TOLERANCE)
    file[2] += 2 * TOLERANCE
    with pytest.raises(RunError) as caught:
        compare(RUN, file, NAMES, CLASSES, "test")
    assert str(caught.value).startswith(
        "the exported network is not the run's: of 3 test images, 2 have probabilities that differ by more than 1e-05, "
        "or another class.\n"
        "Worst is two.png: b 80.0000% by the run, b 79.9970% by the file; a probability differs by 3e-05."
    )


def test_another_class_is_worse_than_any_difference():
    file = moved(0, -0.5)
    file[1] = 0.79, 0.8
    with pytest.raises(
        RunError, match=r"2 have .*\n.*Worst is one\.png: a 90\.0000% by the run, b 60\.0000% by the file"
    ):
        compare(RUN, file, NAMES, CLASSES, "test")


def test_a_decision_between_classes_that_are_as_good_as_equal_may_differ(monkeypatch):
    file = moved(2, -MARGIN / 2)
    monkeypatch.setattr("convstage.export.agreement.TOLERANCE", 1e-4)
    assert compare(RUN, file, NAMES, CLASSES, "val").equal_decisions == 2
    monkeypatch.setattr("convstage.export.agreement.MARGIN", MARGIN / 4)
    with pytest.raises(RunError, match=r"Worst is <three>\.png"):
        compare(RUN, file, NAMES, CLASSES, "val")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_does_not_agree(value):
    file = RUN.copy()
    file[0, 0] = value
    with pytest.raises(RunError, match=r"Worst is one\.png"):
        compare(RUN, file, NAMES, CLASSES, "test")

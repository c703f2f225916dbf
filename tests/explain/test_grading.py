"""Grades: figures, and what they say in words."""

import json

import numpy as np
import pytest

from convstage import ConfigError
from convstage.explain import METHODS, Grade, Question, Refusal, grades
from convstage.explain.curves import Curve
from convstage.explain.methods import ask as answer
from convstage.explain.places import Share
from convstage.subject import Subject
from support.questions import bright, bright_classifier


def curve(beaten: int, falls: bool) -> Curve:
    """Return a curve that is better than so many of 20 random orders."""
    random = np.full(20, -1.0 if falls else 3.0)
    random[:beaten] = 3.0 if falls else -1.0
    return Curve(np.array([0.0, 1.0]), np.array([1.0, 1.0]), random, falls)


def grade(deletion: int = 20, insertion: int = 20, drawn: float = 0.1, outside: Share | None = None) -> Grade:
    curves = curve(deletion, True), curve(insertion, False)
    return Grade("m", "M", *curves, 0.2, drawn, Share(0.1, 0.3), outside, "no subject is clear; it is dark")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (grade(), "answer follows what the map points to, and the map needs what was learned."),
        (grade(19, 19), "answer follows what the map points to, and the map needs what was learned."),
        (grade(18, 20), "in one of two tests only: read it with care."),
        (grade(20, 3), "in one of two tests only: read it with care."),
        (grade(18, 18), "does not follow what the map points to: do not rely on it."),
        (grade(drawn=0.6), "With random weights the map looks much the same"),
    ],
)
def test_the_verdict(found, verdict):
    assert verdict in found.verdict


def test_the_sentences():
    said = grade(20, 7).sentences
    assert said == (
        "Blurring what it points to lowers the score faster than 20 of 20 random orders: yes (mean score on the way "
        "+1.00, random +3.00 ± 0.00).",
        "Sharpening what it points to raises the score faster than 7 of 20 random orders: no (mean score on the way "
        "+1.00, random +1.60 ± 1.91).",
        "With weights drawn at random the map changes: rank correlation 0.10; with those after the last stage alone, "
        "0.20.",
        "10% of the evidence lies on the outer border (8% of each side), which is 30% of the area.",
        "How much lies outside the subject is not told: no subject is clear; it is dark.",
    )
    assert "stays much the same" in grade(drawn=0.7).sentences[2]
    assert (
        grade(outside=Share(0.25, 0.4))
        .sentences[-1]
        .startswith("25% of the evidence lies outside the subject, which is 40% of the area. ")
    )


@pytest.fixture(scope="module")
def graded():
    found = [answer(METHODS[name], bright()) for name in ("trace-back", "grad-cam")]
    return found, grades([found[0], Refusal("x", "X", "it cannot"), found[1]])


def test_what_points_to_the_truth_passes(graded):
    _, (first, none, second) = graded
    assert none is None
    for one in (first, second):
        assert one.follows == 2
        # What is bright is the subject, and what is outside brings little.
        assert one.outside.evidence < 0.2 < one.outside.area
        assert one.border.evidence < 0.1
    assert first.learned


def test_it_is_plain_data(graded):
    told = json.loads(json.dumps(graded[1][0].to_dict(), allow_nan=False))
    assert told["deletion"]["beaten"] == 20
    assert told["verdict"] == graded[1][0].verdict
    assert set(told["outside"]) == {"evidence", "area"}


def test_a_mask_says_where_the_subject_is():
    found = answer(METHODS["trace-back"], bright())
    mask = np.zeros((24, 24), bool)
    mask[:, 12:] = True
    (one,) = grades([found], mask=mask)
    assert one.outside.evidence > 0.9
    assert one.outside.area == 0.5
    assert one.sentences[-1].endswith("The subject is what the mask says.")
    with pytest.raises(ConfigError, match=r"mask has shape \(3, 3\), and the network's input is 24×24 pixels.\nGive"):
        grades([found], mask=np.ones((3, 3), bool))


def test_a_flat_map_has_no_grade():
    question = Question(bright_classifier(), Subject("black", np.zeros((24, 24, 1), np.uint8)), "bright")
    (one,) = grades([answer(METHODS["trace-back"], question)])
    assert one.verdict == "The map is flat: there is nothing to grade."
    assert one.sentences == ()
    assert json.dumps(one.to_dict(), allow_nan=False)

"""Evidence as people see it."""

import re

import numpy as np
import pytest

from convstage.explain import METHODS, Question
from convstage.explain.methods import SIGMA
from convstage.explain.methods import ask as answer
from convstage.pictures import Scale, as_picture
from convstage.subject import Subject
from support.questions import ask, block, bright, bright_classifier, make_classifier

HOSTILE = '<script>alert("1")</script> \u202eabc 🫁'


def test_single_pixels_are_smoothed_for_display_and_coarse_maps_are_not():
    traced = answer(METHODS["trace-back"], bright())
    assert traced.sigma == SIGMA * 24
    assert traced.smooth_hw.std() < traced.map_hw.std()
    # A Gaussian moves evidence, but makes none.
    assert traced.smooth_hw.sum() == pytest.approx(traced.map_hw.sum(), rel=1e-3)
    assert f"a Gaussian of {traced.sigma:.1f} pixels, 3% of the longer side" in traced.notes[-1]
    covered = answer(METHODS["occlusion"], bright())
    assert covered.smooth_hw is covered.map_hw


def test_the_overlay_is_red_where_something_speaks_for_the_class_and_blue_where_against():
    for target, red in (("bright", True), ("dark", False)):
        shown = answer(METHODS["trace-back"], bright(target)).overlay()[17, 7].astype(int)
        assert (shown[0] > shown[2]) == red
    picture = as_picture(block().pixels_hwc)
    assert np.array_equal(answer(METHODS["trace-back"], bright()).overlay()[:8], picture[:8])


def test_maps_can_share_a_scale():
    found = answer(METHODS["trace-back"], bright())
    wide = Scale.of(100 * found.smooth_hw, signed=True)
    assert not np.array_equal(found.overlay(scale=wide), found.overlay())


def test_a_flat_map_shows_the_image_alone():
    question = Question(bright_classifier(), Subject("black", np.zeros((24, 24, 1), np.uint8)), "bright")
    found = answer(METHODS["trace-back"], question)
    assert found.flat
    assert not found.overlay().any()
    assert found.reason in found._repr_html_().replace("<bdi>", "")


def test_what_is_asked_is_said():
    found = answer(METHODS["trace-back"], bright())
    assert re.fullmatch(r"probability \d+\.\d%, a score of [+-]\d+\.\d{3} against the mean of the others", found.asked)
    assert not answer(METHODS["trace-back"], bright(contrast=False)).asked.endswith("others")


@pytest.mark.parametrize("method", METHODS)
def test_names_are_text(method):
    classifier = make_classifier(classes=(HOSTILE, "other"))
    question = ask(classifier, target=HOSTILE)
    question = Question(classifier, Subject(HOSTILE, question.subject.pixels_hwc), HOSTILE)
    html = answer(METHODS[method], question)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<figure>") == html.count("</figure>") == 1

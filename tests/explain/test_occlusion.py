"""Occlusion: every window counted once for every pixel that it covers."""

import numpy as np
import pytest

from convstage.explain import METHODS
from convstage.explain.methods import ask as answer
from convstage.explain.occlusion import occlusion
from support.questions import ask, bright, make_classifier


@pytest.mark.parametrize("image", [(12, 18, 1), (13, 24, 3)])
def test_it_is_the_mean_fall_of_the_windows_over_a_pixel(image):
    question = ask(make_classifier(image=image))
    found = occlusion(question)
    (high, wide), (down, right) = found.details["window"], found.details["stride"]
    assert (high, wide) == (2, round(image[1] / 6))
    total, count, largest = np.zeros(image[:2]), np.zeros(image[:2]), 0.0
    for row in range(0, image[0] - high + down, down):
        for column in range(0, image[1] - wide + right, right):
            x = question.x_nchw.clone()
            place = (slice(None), slice(None), slice(row, row + high), slice(column, column + wide))
            x[place] = question.blurred_nchw[place]
            fall = question.score - question.scores_of(question.logits_of(x))[0]
            total[place[2:]] += fall
            count[place[2:]] += 1
            largest = max(largest, fall)
    assert np.allclose(found.map_hw, total / count, atol=1e-5)
    assert found.details["largest_fall"] == pytest.approx(largest, abs=1e-6)


@pytest.mark.parametrize("image", [(1, 1, 1), (3, 5, 1)])
def test_images_of_a_few_pixels_have_windows_of_one(image):
    found = occlusion(ask(make_classifier("INPUT -> FC(4) -> RELU -> CLASSIFIER", image)))
    assert found.details["window"] == [max(1, round(side / 6)) for side in image[:2]]
    assert found.map_hw.shape == image[:2]


def test_an_image_without_details_says_so():
    question = ask(make_classifier())
    question.subject.pixels_hwc[:] = 99
    found = answer(METHODS["occlusion"], type(question)(question.classifier, question.subject))
    assert found.flat
    assert found.reason == "Blurring any part of the image leaves the score as it is."


def test_what_does_not_count_has_no_evidence():
    found = occlusion(bright())
    assert np.abs(found.map_hw[:8]).max() < 1e-5
    assert found.map_hw[14:20, 4:10].min() > 0.01


def test_windows_are_run_in_batches_that_fit_into_memory(monkeypatch):
    question, sizes = ask(make_classifier()), []
    logits_of = question.logits_of
    monkeypatch.setattr(question, "logits_of", lambda x: sizes.append(len(x)) or logits_of(x))
    question.__dict__["batch"] = 7
    occlusion(question)
    assert max(sizes) == 7

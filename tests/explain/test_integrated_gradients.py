"""Integrated gradients: what the map adds up to."""

import numpy as np
import pytest
import torch

from convstage.explain.integrated_gradients import integrated_gradients
from convstage.explain.trace_back import trace_back
from support.questions import ask, make_classifier

SMOOTH = "INPUT -> CONV(4) -> TANH -> POOL(avg) -> FC(6) -> TANH -> CLASSIFIER"


@pytest.mark.parametrize("reference", ["black", "mean"])
def test_it_adds_up_to_the_difference_from_the_reference(reference):
    question = ask(make_classifier(SMOOTH), reference=reference)
    found = integrated_gradients(question)
    first = question.scores_of(question.logits_of(question.reference_nchw))[0]
    assert found.details["reference"] == pytest.approx(first)
    assert found.map_hw.sum() == pytest.approx(question.score - first, rel=1e-3)
    assert found.details["relative_error"] < 1e-3
    assert f"From the {reference} image" in found.notes[0]


def test_without_biases_it_is_trace_back():
    """A network of ReLUs without biases is linear along each ray, so that its gradient is the same all along it."""
    classifier = make_classifier()
    with torch.no_grad():
        for name, weight in classifier.network.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
    question = ask(classifier, reference="mean")
    assert np.allclose(integrated_gradients(question).map_hw, trace_back(question).map_hw, atol=1e-5)


def test_the_error_of_the_integral_is_told():
    details = integrated_gradients(ask(make_classifier())).details
    difference = details["score"] - details["reference"]
    assert details["relative_error"] == pytest.approx(abs(details["sum"] - difference) / abs(difference))
    assert details["steps"] == 32

"""Trace-back: the sum is exact for every network that it accepts, and it accepts no other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import ConfigError
from convstage.explain import METHODS
from convstage.explain.methods import ask as answer
from convstage.explain.question import REFERENCES
from convstage.explain.trace_back import LINEAR, STANDARDISATION, trace_back
from convstage.pattern.layers import LAYERS
from support.questions import ask, make_classifier

#: A network that has each kind of layer.
PATTERNS = {
    "INPUT": "INPUT -> CLASSIFIER",
    "CONV": "INPUT -> CONV(3, 2x3, stride=2) -> CLASSIFIER",
    "POOL": "INPUT -> CONV(3) -> POOL(avg) -> POOL(max, 3, stride=1) -> CLASSIFIER",
    "FC": "INPUT -> FC(5) -> RELU -> CLASSIFIER",
    "CLASSIFIER": "INPUT -> CLASSIFIER",
    "BN": "INPUT -> CONV(3) -> BN -> RELU -> FC(5) -> BN -> RELU -> CLASSIFIER",
    "DROPOUT": "INPUT -> CONV(3) -> RELU -> DROPOUT(0.5) -> CLASSIFIER",
    "GAP": "INPUT -> CONV(3) -> RELU -> GAP -> CLASSIFIER",
    "FLATTEN": "INPUT -> CONV(3) -> RELU -> FLATTEN -> CLASSIFIER",
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_kind_is_exact_or_refused(kind):
    pattern = PATTERNS.get(kind, f"INPUT -> CONV(3) -> {kind} -> POOL -> FC(5) -> {kind} -> CLASSIFIER")
    question = ask(make_classifier(pattern))
    if kind in LINEAR:
        details = trace_back(question).details
        assert details["relative_error"] < 1e-9
        assert details["sum"] == pytest.approx(question.score, rel=1e-4)
    else:
        with pytest.raises(ConfigError, match=rf"stage1\.{kind.lower()} \({kind}\) is not\.\nChoose another method"):
            trace_back(question)


def test_what_is_refused_would_be_wrong(monkeypatch):
    monkeypatch.setattr("convstage.explain.trace_back.LINEAR", LINEAR | {"SIGMOID"})
    pattern = "INPUT -> CONV(3) -> SIGMOID -> POOL -> FC(5) -> SIGMOID -> CLASSIFIER"
    assert trace_back(ask(make_classifier(pattern))).details["relative_error"] > 1e-3


LAYER = st.sampled_from(
    ["CONV(2)", "CONV(3, 2, padding=valid)", "RELU", "LEAKY_RELU", "BN", "POOL", "POOL(avg)", "POOL(3, stride=1)"]
)


@settings(deadline=None, max_examples=25)
@given(
    layers=st.lists(LAYER, min_size=1, max_size=5).filter(lambda layers: sum("POOL" in layer for layer in layers) < 3),
    channels=st.sampled_from([1, 3]),
    classes=st.integers(2, 4),
    contrast=st.booleans(),
    reference=st.sampled_from(sorted(REFERENCES)),
    seed=st.integers(0, 99),
)
def test_pixels_and_biases_add_up_to_the_score(layers, channels, classes, contrast, reference, seed):
    pattern = f"INPUT -> CONV(2) -> {' -> '.join(layers)} -> FC(4) -> RELU -> CLASSIFIER"
    classifier = make_classifier(pattern, (16, 18, channels), tuple("abcd"[:classes]), seed)
    question = ask(classifier, seed, contrast=contrast, reference=reference)
    found = trace_back(question)
    assert found.details["relative_error"] < 1e-4
    assert found.map_hw.sum() + found.details["biases"] == pytest.approx(question.score, rel=1e-4, abs=1e-4)
    assert sum(found.details["layers"].values()) == pytest.approx(found.details["biases"])


def test_by_hand():
    classifier = make_classifier("INPUT -> FC(2) -> RELU -> CLASSIFIER", (1, 2, 1))
    with torch.no_grad():
        fc, last = classifier.network.fc1, classifier.network.classifier
        fc.weight.copy_(torch.tensor([[2.0, -1.0], [-3.0, 1.0]]))
        fc.bias.copy_(torch.tensor([0.5, -0.25]))
        last.weight.copy_(torch.tensor([[1.0, 5.0], [4.0, 7.0]]))
        last.bias.copy_(torch.tensor([0.1, 0.3]))
    question = ask(classifier, target="ill", contrast=False, reference="mean")
    question.x_nchw = torch.tensor([[[[1.0, 0.5]]]])
    # Units: 2 - 0.5 + 0.5 = 2, open; -3 + 0.5 - 0.25 < 0, closed. The logit: 4 × 2 + 0.3 = 8.3.
    found = trace_back(question)
    assert found.map_hw.tolist() == [[8.0, -2.0]]
    expected = {STANDARDISATION: 0.0, "fc1": 2.0, "classifier": 0.3}
    assert found.details["layers"] == pytest.approx(expected)
    assert found.details["pixels"] == pytest.approx(6)
    assert found.details["biases"] == pytest.approx(2.3)
    assert found.notes[0].startswith("Pixels bring +6.000 and biases +2.300: together the score, +8.300 (")


def test_a_black_pixel_brings_nothing_unless_counted_from_elsewhere():
    question = ask(make_classifier())
    question.subject.pixels_hwc[:5] = 0
    black, white = (ask_again(question, reference) for reference in ("black", "white"))
    assert not trace_back(black).map_hw[:5].any()
    assert trace_back(white).map_hw[:5].any()


def ask_again(question, reference):
    return type(question)(question.classifier, question.subject, question.target, reference=reference)


def test_the_logit_alone_can_be_explained():
    classifier = make_classifier(classes=("a", "b", "c"))
    question = ask(classifier, target="b", contrast=False)
    assert question.score == question.logits[1]
    assert trace_back(question).details["sum"] == pytest.approx(question.logits[1], rel=1e-4)


def test_undecided_scores_are_exact_too():
    """A score near 0, in which much cancels out, is where single precision would fail."""
    classifier = make_classifier()
    score = ask(classifier, target="healthy").score
    with torch.no_grad():
        classifier.network.classifier.bias[0] -= score
    question = ask(classifier, target="healthy")
    assert abs(question.score) < 1e-5
    assert trace_back(question).details["relative_error"] < 1e-4


def test_an_image_like_the_reference_says_so():
    question = ask(make_classifier())
    question.subject.pixels_hwc[:] = 0
    found = answer(METHODS["trace-back"], ask_again(question, "black"))
    assert found.flat
    assert found.reason == "The image is the reference itself (black): it brings nothing of its own."
    assert found.strongest is None


def test_a_dead_network_says_so():
    classifier = make_classifier()
    with torch.no_grad():
        classifier.network.stage2.conv.bias.fill_(-1e4)
    for name in ("trace-back", "integrated-gradients"):
        found = answer(METHODS[name], ask(classifier))
        assert found.flat
        assert "every one ends at a ReLU that is closed" in found.reason
    assert np.isfinite(found.details["relative_error"])

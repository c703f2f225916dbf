"""What is asked: which class, what score, counted from where."""

import numpy as np
import pytest
import torch

from convstage import ConfigError
from convstage.calibration import softmax
from convstage.explain.question import REFERENCES
from support.questions import ask, make_classifier, noise


def test_the_predicted_class_is_explained_unless_told():
    classifier = make_classifier(classes=("a", "b", "c"))
    predicted = classifier.predict(noise(classifier).pixels_hwc)[0].label
    assert ask(classifier).name == predicted
    assert (
        ask(classifier, target="c").name == ask(classifier, target=2).name == ask(classifier, target=np.int64(2)).name
    )


@pytest.mark.parametrize("target", ["d", 3, -1, True, 1.0, "1"])
def test_an_unknown_class_is_refused(target):
    classifier = make_classifier(classes=("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"knows no class .*\nChoose one of a, b, c, or its number, 0 to 2."):
        ask(classifier, target=target)


def test_a_class_may_be_called_like_a_number():
    assert ask(make_classifier(classes=("7", "3")), target="3").target == 1


def test_the_score_is_what_decides():
    classifier = make_classifier(classes=("a", "b", "c"))
    question = ask(classifier, target="b")
    a, b, c = question.logits
    assert question.score == pytest.approx(b - (a + c) / 2)
    assert question.scores_of(np.array([[a + 5, b + 5, c + 5]]))[0] == pytest.approx(question.score)
    tensor = question.score_tensor(torch.from_numpy(question.logits[None]))
    assert float(tensor[0]) == pytest.approx(question.score)
    assert ask(classifier, target="b", contrast=False).score == b


def test_a_network_with_one_class_has_nothing_to_contrast():
    question = ask(make_classifier(classes=("only",)))
    assert not question.contrast
    assert question.score == question.logits[0]


def test_probabilities_are_those_of_prediction():
    classifier = make_classifier(shifts=((0, 0), (0, 1)))
    classifier.temperature = 2.0
    question = ask(classifier)
    prediction = classifier.predict(question.subject.pixels_hwc)[0]
    assert question.probabilities[question.target] == pytest.approx(prediction.probability)
    assert question.name == prediction.label
    # The logits are of the image as it is.
    assert not np.allclose(softmax(question.logits[None], 2.0)[0], question.probabilities)


def test_logits_that_are_not_finite_are_refused():
    classifier = make_classifier()
    with torch.no_grad():
        classifier.network.classifier.bias[0] = float("nan")
    with pytest.raises(ConfigError, match=r"logits for noise are not finite: \[nan, .*\nIts weights are damaged"):
        ask(classifier)


def test_references_are_one_grey_everywhere():
    classifier = make_classifier(image=(5, 4, 3))
    for name, grey in REFERENCES.items():
        reference = ask(classifier, reference=name).reference_nchw
        assert reference.shape == (1, 3, 5, 4)
        expected = 0 if grey is None else (grey / 255 - 0.4) / 0.3
        assert torch.allclose(reference, torch.tensor(expected, dtype=torch.float32), atol=1e-6)
    with pytest.raises(ConfigError, match=r"no reference 'grey'.\nChoose one of black, mean, white."):
        ask(classifier, reference="grey")


def test_the_blurred_image_has_the_same_mean_and_no_details():
    question = ask(make_classifier(image=(40, 40, 1)))
    sharp, blurred = question.x_nchw, question.blurred_nchw
    assert float(blurred.mean()) == pytest.approx(float(sharp.mean()), abs=0.05)
    assert float(blurred.std()) < 0.3 * float(sharp.std())


def test_the_network_for_gradients_shares_the_weights():
    classifier = make_classifier()
    question = ask(classifier)
    for ours, theirs in zip(question.network.parameters(), classifier.network.parameters(), strict=True):
        assert ours.data_ptr() == theirs.data_ptr()
        assert theirs.requires_grad
        assert not ours.requires_grad
    assert np.allclose(question.network(question.x_nchw).numpy()[0], question.logits, atol=1e-5)

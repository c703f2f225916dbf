"""The contract of METHODS: every method keeps it, also those that will be added."""

import json

import numpy as np
import pytest
import torch

import convstage
from convstage import ConfigError, DataError
from convstage.explain import METHODS, Evidence, Refusal, all_evidence, evidence
from convstage.explain.methods import ask as answer
from convstage.explain.methods import find_method
from support.questions import ask, block, bright, make_classifier

EVERY = pytest.mark.parametrize("method", METHODS.values(), ids=list(METHODS))


@EVERY
@pytest.mark.parametrize("image", [(12, 10, 1), (10, 17, 3)])
def test_a_map_has_the_size_of_the_image(method, image):
    question = ask(make_classifier(image=image))
    found = answer(method, question)
    assert found.map_hw.shape == found.smooth_hw.shape == image[:2]
    assert found.map_hw.dtype == np.float64
    assert np.isfinite(found.map_hw).all()
    assert found.overlay().shape == found.overlay(smooth=False).shape == (*image[:2], 3)
    assert found.notes
    assert found.score == question.score


@EVERY
def test_it_points_to_what_the_network_looks_for(method):
    found = answer(method, bright())
    row, column = found.strongest
    assert block().pixels_hwc[row, column, 0] == 255
    positive = found.map_hw.clip(min=0)
    # The windows of occlusion and the cells of Grad-CAM reach a little beyond it.
    assert positive[12:22, 2:12].sum() > 0.9 * positive.sum()


@EVERY
def test_it_is_the_same_every_time_and_leaves_the_network_as_it_was(method):
    classifier = make_classifier()
    before = {name: weight.clone() for name, weight in classifier.network.state_dict().items()}
    with torch.no_grad():  # it asks for gradients itself
        first = answer(method, ask(classifier)).map_hw
    assert np.array_equal(first, answer(method, ask(classifier)).map_hw)
    assert all(torch.equal(weight, before[name]) for name, weight in classifier.network.state_dict().items())
    assert all(weight.requires_grad and weight.grad is None for weight in classifier.network.parameters())
    assert not any(layer._forward_hooks or layer.training for layer in classifier.network.modules())


@EVERY
def test_it_needs_no_weights_that_ask_for_gradients(method):
    classifier = make_classifier()
    expected = answer(method, ask(classifier)).map_hw
    classifier.network.requires_grad_(False)
    assert np.array_equal(answer(method, ask(classifier)).map_hw, expected)


@EVERY
def test_it_is_plain_data(method):
    found = answer(method, ask(make_classifier()))
    told = json.loads(json.dumps(found.to_dict(values=True), allow_nan=False))
    assert told["method"] == method.name
    assert np.array_equal(told["map"], found.map_hw)
    assert "map" not in found.to_dict()
    assert told["strongest"] == list(found.strongest)


@EVERY
def test_it_is_described(method):
    assert METHODS[method.name] is method
    assert method.words == method.words.strip().rstrip(".")
    assert any(character.isdigit() for character in method.source), "the paper's year"


@EVERY
def test_another_class_has_other_evidence(method):
    classifier = make_classifier(classes=("a", "b", "c"))
    maps = [answer(method, ask(classifier, target=target)).map_hw for target in range(3)]
    assert not any(np.allclose(maps[first], maps[second]) for first, second in [(0, 1), (0, 2), (1, 2)])


@pytest.mark.parametrize("name", ["trace-back", "integrated-gradients", "occlusion"])
def test_of_two_classes_what_speaks_for_one_speaks_against_the_other(name):
    first, second = (answer(METHODS[name], ask(make_classifier(), target=target)) for target in ("healthy", "ill"))
    assert first.score == pytest.approx(-second.score)
    assert np.allclose(first.map_hw, -second.map_hw, atol=1e-6)


def test_all_of_them_or_some():
    classifier = make_classifier()
    subject = ask(classifier).subject
    assert [one.method for one in all_evidence(classifier, subject)] == list(METHODS)
    chosen = all_evidence(classifier, subject, "ill", ["occlusion", "trace-back"])
    assert [(one.method, one.target) for one in chosen] == [("occlusion", "ill"), ("trace-back", "ill")]


def test_a_method_that_cannot_be_used_says_why():
    classifier = make_classifier("INPUT -> CONV(3) -> GELU -> POOL -> CLASSIFIER")
    first, *others = all_evidence(classifier, ask(classifier).subject)
    assert isinstance(first, Refusal)
    assert first.method == "trace-back"
    assert "stage1.gelu (GELU)" in first.reason
    assert all(isinstance(one, Evidence) for one in others)


def test_an_unknown_method_is_refused():
    with pytest.raises(ConfigError, match=r"no method 'lime'.\nChoose one of trace-back, integrated-gradients"):
        find_method("lime")
    classifier = make_classifier()
    with pytest.raises(ConfigError, match="no method 'lime'"):
        all_evidence(classifier, ask(classifier).subject, methods=["lime"])


def test_an_image_can_be_a_file_a_name_or_pixels(trained, trained_folder, monkeypatch):
    name = "1-corona/3.png"
    by_file = evidence(trained.path, trained_folder / name)
    assert by_file.target == "1-corona"
    by_name = evidence(trained, name, method="trace-back")
    by_subject = evidence(trained, by_name.question.subject)
    by_classifier = evidence(convstage.load(trained), trained_folder / name)
    by_pixels = evidence(convstage.load(trained), by_file.question.subject.pixels_hwc)
    for found in (by_name, by_subject, by_classifier, by_pixels):
        assert np.array_equal(found.map_hw, by_file.map_hw)
    assert by_pixels.question.subject.name == "image"
    with pytest.raises(DataError, match=f"{name} is no file.\nGive an image file; the name of a run's image needs"):
        evidence(convstage.load(trained), name)


def test_shifted_views_are_told():
    classifier = make_classifier(shifts=((0, 0), (0, 1), (1, 0)))
    found = answer(METHODS["occlusion"], ask(classifier))
    assert "mean of 3 shifted views" in found.notes[-1]
    assert found.probability == pytest.approx(classifier.predict(found.question.subject.pixels_hwc)[0].probability)

"""Random weights: what is drawn anew, and what a map that ignores the weights gets."""

import numpy as np
import pytest
import torch

from convstage.explain import methods
from convstage.explain.methods import METHODS, Method
from convstage.explain.methods import ask as answer
from convstage.explain.randomised import likeness, redraw
from convstage.explain.result import Found
from support.questions import ask, make_classifier


def test_the_layers_that_are_asked_for_are_drawn():
    network = make_classifier().network
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    for stages in (False, True):
        drawn = redraw(network, stages=stages, seed=1)
        same = {name for name, weight in drawn.named_parameters() if torch.equal(weight, before[name])}
        kept = {name for name in before if name.startswith("stage")}
        assert same == (set() if stages else kept)
    assert all(torch.equal(weight, before[name]) for name, weight in network.named_parameters())


def test_draws_are_reproducible():
    network = make_classifier().network
    first, again, other = (redraw(network, stages=True, seed=seed).classifier.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def of_the_image(question):
    """Return the image itself, whatever the network is."""
    return Found(question.subject.pixels_hwc[:, :, 0] / 255, {}, ["the image"], "", 0.0)


@pytest.fixture
def blind(monkeypatch):
    """Add a method that does not look at the network."""
    method = Method("image", "Image", "the image", "2026", False, 0.0, of_the_image)
    monkeypatch.setitem(methods.METHODS, "image", method)
    return method


def test_a_map_that_needs_no_network_stays_as_it_is(blind):
    found = answer(blind, ask(make_classifier()))
    assert likeness(found, stages=True) == pytest.approx(1)
    assert likeness(found, stages=False) == pytest.approx(1)


def test_a_map_of_gradients_changes():
    found = answer(METHODS["trace-back"], ask(make_classifier(image=(40, 40, 1))))
    assert likeness(found, stages=True) < 0.3
    assert likeness(found, stages=False) < 0.5


def test_the_sign_is_left_out(monkeypatch):
    """What speaks for a class in a random network might as well speak against it."""
    signs = iter([1, -1, 1, -1])
    method = Method("sign", "Sign", "a sign", "2026", False, 0.0, lambda question: signed(question, next(signs)))
    monkeypatch.setitem(methods.METHODS, "sign", method)
    assert likeness(answer(method, ask(make_classifier())), stages=True) == pytest.approx(1)


def signed(question, sign):
    return Found(sign * of_the_image(question).map_hw, {}, [], "", 0.0)


def test_a_map_that_becomes_flat_has_nothing_in_common(monkeypatch):
    maps = iter([np.arange(120.0).reshape(12, 10), *[np.zeros((12, 10))] * 3])
    method = Method("fades", "Fades", "it fades", "2026", False, 0.0, lambda _: Found(next(maps), {}, [], "flat", 0.0))
    monkeypatch.setitem(methods.METHODS, "fades", method)
    assert likeness(answer(method, ask(make_classifier())), stages=True) == 0

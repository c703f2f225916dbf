"""Grad-CAM: which layer, and the paper's formula."""

import pytest
import torch
from torch.nn import functional as F

from convstage import ConfigError, Pattern
from convstage.explain import METHODS
from convstage.explain.grad_cam import choose_layer, grad_cam
from convstage.explain.methods import ask as answer
from convstage.recipe import default_pattern
from support.questions import ask, make_classifier


@pytest.mark.parametrize(
    ("pattern", "side", "layer", "cells", "seen"),
    [
        (default_pattern(28, 28), 28, "stage2", 7, 10),
        (default_pattern(128, 128), 128, "stage4", 8, 46),
        (default_pattern(224, 224), 224, "stage5", 7, 94),
        ("INPUT -> [CONV(2) -> RELU -> POOL]*4 -> CLASSIFIER", 32, "stage2", 8, 10),
        ("INPUT -> CONV(2) -> RELU -> CONV(2) -> RELU -> CLASSIFIER", 9, "stage2", 9, 5),
    ],
)
def test_it_is_the_last_stage_that_still_has_places(pattern, side, layer, cells, seen):
    chosen = choose_layer(Pattern(pattern).plan((side, side, 1), 2))
    assert (chosen.name, chosen.cells, chosen.receptive_field) == (layer, (cells, cells), (seen, seen))
    assert "the last stage with 7 cells or more along each side" in chosen.reason


def test_on_small_images_it_is_the_one_with_the_most_cells():
    chosen = choose_layer(Pattern("INPUT -> [CONV(2) -> RELU -> POOL]*2 -> CLASSIFIER").plan((10, 12, 1), 2))
    assert (chosen.name, chosen.cells) == ("stage1", (5, 6))
    assert "no stage has 7 cells along each side" in chosen.reason


def test_a_network_without_convolution_is_refused():
    with pytest.raises(ConfigError, match=r"maps of a convolution, and the network has none.\nChoose another method."):
        grad_cam(ask(make_classifier("INPUT -> FC(4) -> RELU -> CLASSIFIER")))


@pytest.mark.parametrize("head", ["GAP", "FC(6) -> RELU"])
def test_it_is_the_formula_of_the_paper(head):
    classifier = make_classifier(f"INPUT -> [CONV(8) -> RELU -> POOL]*2 -> {head} -> CLASSIFIER", (28, 32, 1))
    question = ask(classifier)
    maps = question.network.get_submodule("stage1")(question.x_nchw)
    maps = question.network.get_submodule("stage2")(maps).requires_grad_()
    x = maps
    for layer in list(question.network)[2:]:
        x = layer(x)
    (gradient,) = torch.autograd.grad(question.score_tensor(x)[0], maps)
    cells = F.relu((gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1, keepdim=True)).detach()
    found = grad_cam(question)
    assert found.details["layer"] == "stage2"
    expected = F.interpolate(cells.double(), (28, 32), mode="bilinear")[0, 0]
    assert torch.allclose(torch.from_numpy(found.map_hw), expected, atol=1e-6)
    assert found.map_hw.any()
    assert ("averages away" in " ".join(found.notes)) == (head != "GAP")


def test_when_nothing_speaks_for_the_class_it_says_so():
    classifier = make_classifier("INPUT -> CONV(4) -> RELU -> GAP -> CLASSIFIER")
    with torch.no_grad():
        classifier.network.classifier.weight[1] = -1.0
        classifier.network.classifier.weight[0] = 0.0
    found = answer(METHODS["grad-cam"], ask(classifier, target="ill"))
    assert found.flat
    assert not found.map_hw.any()
    assert found.reason.startswith("No cell of stage1 speaks for ill")

"""Small classifiers to ask: with random weights, and one made by hand that looks for brightness."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from convstage import Pattern
from convstage.data import Geometry, Standardisation
from convstage.explain import Question
from convstage.predict import Classifier
from convstage.shifts import NONE
from convstage.subject import Subject

STAGES = "INPUT -> [CONV(8) -> RELU -> POOL]*2 -> FC(6) -> RELU -> CLASSIFIER"
#: Where the bright block lies that `bright` looks for: rows, columns.
BLOCK = (slice(14, 20), slice(4, 10))


def make_classifier(
    pattern: str = STAGES,
    image: tuple[int, int, int] = (12, 10, 1),
    classes: tuple[str, ...] = ("healthy", "ill"),
    seed: int = 0,
    shifts=NONE,
) -> Classifier:
    """Return a network with random weights, biases and statistics."""
    plan = Pattern(pattern).plan(image, len(classes))
    network = plan.build(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(weight, 0, 0.3, generator=generator)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.5, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.normal_(layer.weight, 1, 0.3, generator=generator)
    channels = "colour" if image[2] == 3 else "grey"
    standardisation = Standardisation((0.4,) * image[2], (0.3,) * image[2])
    return Classifier(network, plan, classes, Geometry(*image[:2], channels), standardisation, shifts)


def noise(classifier: Classifier, seed: int = 0) -> Subject:
    """Return an image of noise."""
    shape = classifier.plan.image
    return Subject("noise", np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def ask(classifier: Classifier, seed: int = 0, target=None, **options) -> Question:
    return Question(classifier, noise(classifier, seed), target, **options)


def bright_classifier() -> Classifier:
    """Return a network whose second class is more probable the more bright pixels there are, made by hand."""
    plan = Pattern("INPUT -> CONV(1) -> RELU -> POOL -> CLASSIFIER").plan((24, 24, 1), 2)
    network = plan.build(seed=0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.stage1.conv.weight[0, 0, 1, 1] = 1.0
        network.stage1.conv.bias[0] = -0.5  # of the value 0..1: what is darker than grey does not count
        network.classifier.weight[1] = 0.1
        network.classifier.bias[0] = 1.0
    return Classifier(network, plan, ("dark", "bright"), Geometry(24, 24), Standardisation((0.0,), (1.0,)))


def block() -> Subject:
    pixels = np.zeros((24, 24, 1), np.uint8)
    pixels[BLOCK] = 255
    return Subject("block", pixels)


def bright(target: str = "bright", **options) -> Question:
    """Return a question to that network about an image with a bright block."""
    return Question(bright_classifier(), block(), target, **options)

"""The receptive field: nothing outside it matters, and its first and last rows and columns do."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage.subject import Subject
from convstage.walkthrough.steps import steps_of
from walkthrough.networks import classifier_of, patterns, some_cells, walk_of

examples = settings(max_examples=25, deadline=None)


@given(patterns(), st.integers(0, 2**31))
@examples
def test_what_lies_outside_changes_nothing(pattern: str, seed: int) -> None:
    walk = walk_of(pattern, seed)
    for name, cell in some_cells(walk, each=3, seed=seed):
        if name == "softmax":
            continue
        rows, columns = walk.receptive_field(name, cell)
        pixels = 255 - walk.subject.pixels_hwc
        pixels[rows.start : rows.stop, columns.start : columns.stop] = walk.subject.pixels_hwc[
            rows.start : rows.stop, columns.start : columns.stop
        ]
        other = steps_of(walk.classifier, Subject("other", pixels))
        assert other[name].output[cell] == np.float32(walk.steps[name].output[cell])


@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 10**6)
)
@examples
def test_its_edges_are_read(size: int, stride: int, pool: int, pool_stride: int, second: int, seed: int) -> None:
    """In a linear network with positive weights every path to the image counts."""
    pattern = (
        f"INPUT(16x13x1) -> CONV(1, {size}, stride={stride}) -> POOL(avg, {pool}, stride={pool_stride}) -> "
        f"CONV(1, {second}) -> CLASSIFIER(2)"
    )
    classifier = classifier_of(pattern)
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            parameter.fill_(1.0)
    x = torch.zeros(1, 1, 16, 13, requires_grad=True)
    outputs = classifier.network.walk(x)
    walk = walk_of(pattern)
    for name, cell in some_cells(walk, each=3, seed=seed):
        if len(cell) == 1:
            continue
        (gradient,) = torch.autograd.grad(outputs[name][0, 0, cell[0], cell[1]], x, retain_graph=True)
        read = np.argwhere(gradient[0, 0].numpy() != 0)
        rows, columns = walk.receptive_field(name, cell)
        assert read.min(axis=0).tolist() == [rows[0], columns[0]]
        assert read.max(axis=0).tolist() == [rows[-1], columns[-1]]


def test_padding_of_a_deeper_layer_depends_on_nothing() -> None:
    # By the formula of the receptive field alone it would be 11×11; half of it lies in paddings.
    walk = walk_of("INPUT(20x20x1) -> CONV(1, 5) -> CONV(1, 7) -> CLASSIFIER(2)")
    assert walk.plan.rows[2].receptive_field == (11, 11)
    assert walk.receptive_field("stage2.conv", (0, 10)) == (range(6), range(5, 16))


def test_vectors() -> None:
    walk = walk_of("INPUT(8x8x1) -> CONV(2, 3) -> POOL -> BN -> FC(4) -> BN -> CLASSIFIER(2)")
    assert walk.receptive_field("flatten", 0) == walk.receptive_field("stage1.pool", (0, 0, 0)) == (range(3), range(3))
    assert walk.receptive_field("flatten", 2 * 4 + 1) == walk.receptive_field("stage1.pool", (1, 0, 1))
    whole = (range(8), range(8))
    for name in ("fc1", "fc1_bn", "classifier", "softmax"):
        assert walk.receptive_field(name, 1) == whole
    averaged = walk_of("INPUT(8x8x1) -> CONV(2, 3) -> GAP -> BN -> CLASSIFIER(2)")
    assert averaged.receptive_field("gap", 1) == averaged.receptive_field("bn1", 1) == whole

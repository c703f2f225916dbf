"""Groups of a walk: stages, vectors and fully connected layers, each with one scale of colours."""

from __future__ import annotations

import numpy as np

from convstage.walkthrough.groups import groups_of, words
from walkthrough.networks import ALL_KINDS, walk_of


def groups(pattern: str):
    return groups_of(walk_of(pattern).steps.values())


def test_a_stage_is_one_group_and_a_unit_with_its_activation_another() -> None:
    found = groups(
        "INPUT(8x8x1) -> BN -> RELU -> CONV(2) -> BN -> RELU -> POOL -> CONV(3) -> FC(4) -> RELU -> CLASSIFIER(2)"
    )
    assert [[step.name for step in group.steps] for group in found] == [
        ["bn1", "relu1"],
        ["stage1.conv", "stage1.bn", "stage1.relu", "stage1.pool"],
        ["stage2.conv"],
        ["flatten"],
        ["fc1", "fc1_relu"],
        ["classifier"],
    ]
    assert [group.name for group in found] == ["bn1", "stage1", "stage2", "flatten", "fc1", "classifier"]
    assert [group.is_map for group in found] == [True] * 3 + [False] * 3
    assert found[1].title == "stage1: 8×8×1 becomes 4×4×2"


def test_a_scale_holds_all_values_of_its_group() -> None:
    for group in groups(ALL_KINDS):
        values = np.concatenate([step.output.ravel() for step in group.steps])
        assert group.scale.low <= values.min() and values.max() <= group.scale.high
        if values.min() < 0:
            assert group.scale.signed and group.scale.low == -group.scale.high
        if group.filters is not None:
            assert group.filter_scale is not None and group.filter_scale.signed
            assert group.filter_scale.high == np.abs(group.filters).max()


def test_filters_are_those_of_the_convolution() -> None:
    stage = groups("INPUT(8x8x3) -> CONV(5, 3x2) -> RELU -> CLASSIFIER(2)")[0]
    assert stage.filters is not None and stage.filters.shape == (5, 3, 2, 3)
    weight = stage.steps[0].how.weight.detach()
    np.testing.assert_array_equal(stage.filters[4, :, :, 1], weight[4, 1].numpy())


def test_every_layer_says_what_it_does() -> None:
    steps = walk_of(ALL_KINDS).steps
    said = {step.kind: words(step) for step in steps.values()}
    assert said["CONV"] == "convolution with 5 filters of 3×3×4, stride 2×2, padding same: before the non-linearity"
    assert said["RELU"].startswith("after the non-linearity: it keeps what is positive")
    assert said["POOL"] == "pooling: the mean of every 2×2 cells, stride 1×1"
    assert said["DROPOUT"] == "dropout: after training it changes nothing"
    assert all(said.values())

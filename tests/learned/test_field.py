"""The receptive field of a cell: the patch alone, put through the layers, gives the network's own value."""

from __future__ import annotations

from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import Pattern, Plan
from convstage.errors import PatternError
from convstage.learned.field import field_of
from convstage.sizes import clipped

_sides = st.tuples(st.integers(1, 4), st.integers(1, 4))
_steps = st.tuples(st.integers(1, 3), st.integers(1, 3))
_cellwise = st.sampled_from(["RELU", "BN", "DROPOUT(0.3)", "TANH", "SIGMOID", "GELU"])


@st.composite
def convolutions(draw: st.DrawFn) -> str:
    (height, width), (down, right) = draw(_sides), draw(_steps)
    zeros = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)).map(lambda pair: f"{pair[0]}x{pair[1]}")
    padding = draw(st.sampled_from(["same", "valid"]) | zeros)
    return f"CONV({draw(st.integers(1, 3))}, {height}x{width}, {down}x{right}, padding={padding})"


@st.composite
def poolings(draw: st.DrawFn) -> str:
    (height, width), (down, right) = draw(_sides), draw(_steps)
    return f"POOL({draw(st.sampled_from(['max', 'avg']))}, {height}x{width}, {down}x{right})"


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    layers = draw(st.lists(st.one_of(convolutions(), convolutions(), poolings(), _cellwise), min_size=1, max_size=6))
    image = (draw(st.integers(5, 14)), draw(st.integers(5, 14)), draw(st.sampled_from([1, 3])))
    while layers:
        try:
            return Pattern(f"INPUT -> {' -> '.join(layers)} -> CLASSIFIER").plan(image, 2)
        except PatternError:  # it does not fit; a shorter one may
            layers.pop()
    return Pattern("INPUT -> CONV(2) -> CLASSIFIER").plan(image, 2)


def trained(plan: Plan) -> torch.nn.Module:
    """Return a network in evaluation mode whose biases and normalisations are not those that do nothing."""
    network = plan.build(seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    for name, tensor in network.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        if name.endswith("running_var"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network


@settings(max_examples=60, deadline=None)
@given(plans(), st.data())
def test_the_patch_alone_gives_the_value(plan: Plan, data: st.DataObject) -> None:
    network = trained(plan)
    height, width, channels = plan.image
    x = torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(3))
    row = data.draw(st.sampled_from([row for row in plan.rows[1:] if len(row.output) == 3 and row.kind != "FLATTEN"]))
    cell = tuple(data.draw(st.integers(0, side - 1)) for side in row.output[:2])
    with torch.inference_mode():
        expected = network.walk(x)[row.name][:, :, cell[0], cell[1]]
        field = field_of(plan, row.name, cell)
        rows, columns = field.inside
        alone = field.run(network, x[:, :, rows.start : rows.stop, columns.start : columns.stop])
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-5)
    assert (len(field.frame[0]), len(field.frame[1])) == row.receptive_field
    for inside, shared in zip(field.inside, clipped(field.frame, plan.image), strict=True):
        assert shared.start <= inside.start < inside.stop <= shared.stop


def test_every_pixel_inside_counts_and_none_outside() -> None:
    plan = Pattern("INPUT(20x20x1) -> [CONV(3) -> RELU -> POOL]*2 -> CONV(2) -> CLASSIFIER(2)").plan()
    network = plan.build(seed=0).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data.abs_()
    x = torch.rand(1, 1, 20, 20, requires_grad=True)
    # With an average in the place of the maximum every cell of a window has its part in the value.
    for name in ("stage1", "stage2"):
        network.get_submodule(name).pool = torch.nn.AvgPool2d(2)
    field = field_of(plan, "stage3.conv", (1, 3))
    network.walk(x)["stage3.conv"][0, :, 1, 3].sum().backward()
    seen = x.grad[0, 0] != 0
    rows, columns = field.inside
    assert seen[rows.start : rows.stop, columns.start : columns.stop].all()
    assert seen.sum() == len(rows) * len(columns)
    assert field.frame == (range(-3, 15), range(5, 23))
    assert field.inside == (range(15), range(5, 20))


def test_what_a_pooling_leaves_over_is_not_inside() -> None:
    plan = Pattern("INPUT(7x7x1) -> POOL -> CONV(2) -> CLASSIFIER(2)").plan()
    field = field_of(plan, "stage1.conv", (2, 0))
    assert field.frame == (range(2, 8), range(-2, 4))
    assert field.inside == (range(2, 6), range(4)), "row 6 is left over by the pooling"


@pytest.mark.parametrize("cell", [(0, 0), (3, 3)])
def test_multiply_adds_are_those_of_the_cells_that_are_needed(cell: tuple[int, int]) -> None:
    plan = Pattern("INPUT(12x12x3) -> CONV(4) -> RELU -> POOL -> CONV(5) -> CLASSIFIER(2)").plan()
    field = field_of(plan, "stage2.conv", cell)
    # 3×3 pooled cells at most, of 2×2 cells each; at the corner only 2×2 of them are real.
    pooled = 4 if cell == (0, 0) else 9
    assert field.multiply_adds == pooled * 4 * 3 * 9 * 4 + 9 * 4 * 5
    assert field.values >= prod(len(one) for one in field.inside) * 3

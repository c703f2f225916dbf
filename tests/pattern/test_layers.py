"""The contract of LAYERS: what an entry says of itself is what the module that it builds does."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.utils.flop_counter import FlopCounterMode

from convstage import Pattern
from convstage.errors import PatternError
from convstage.pattern.hyperparameters import Context, Hyperparameter, Settings, settle
from convstage.pattern.layers import LAYERS, LayerKind
from convstage.pattern.parse import parse
from convstage.pattern.plan import Plan
from convstage.pattern.tree import Layer
from convstage.sizes import Shape

MAP, VECTOR = (9, 8, 3), (7,)

#: Settings beside the defaults; a new kind needs no line here to be checked with its defaults.
SETTINGS = {
    "CONV": [
        "1", "4, 1", "4, 5x3", "4, 2", "4, 4x1", "4, valid", "4, s=2", "4, s=2x3, valid", "4, 5, p=2x1",
        "4, 5x3, p=1x0", "4, 3, s=4", "4, 2x4, s=3x2", "5, 9x8, valid",
    ],
    "POOL": ["avg", "3", "avg, 3", "2x1", "3, s=1", "avg, 3x2, s=2x1", "1", "1, s=2", "9x8", "2, s=5"],
    "FC": ["1", "300"],
    "CLASSIFIER": ["1", "2"],
    "DROPOUT": ["0", "0.9"],
}  # fmt: skip
CASES = [
    pytest.param(f"{kind}({given})" if given else kind, shape, id=f"{kind}({given})-{len(shape)}d")
    for kind, entry in LAYERS.items()
    for given in ["", *SETTINGS.get(kind, [])]
    for shape in [MAP] * (not entry.needs_vector) + [VECTOR] * (not entry.needs_map and kind != "INPUT")
]


def entry_of(text: str) -> tuple[LayerKind, Settings]:
    (layer,) = parse(text).terms
    assert isinstance(layer, Layer)
    entry = LAYERS[layer.kind]
    return entry, settle(layer, entry.hyperparameters, Context(image=MAP, classes=4), text)


def images(shape: Shape, number: int = 1) -> Tensor:
    """Zeros in torch's order of axes."""
    return torch.zeros(number, *((shape[2], *shape[:2]) if len(shape) == 3 else shape))


def shape_of(outputs: Tensor) -> Shape:
    """Height, width, channels, or length."""
    sizes = tuple(outputs.shape[1:])
    return (*sizes[1:], sizes[0]) if len(sizes) == 3 else sizes


def ones(module: nn.Module) -> nn.Module:
    """The module in evaluation, with all weights one and all biases zero."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(float("bias" not in name))
    return module.eval()


# What an entry says against what its module does.


@pytest.mark.parametrize("name", LAYERS)
def test_every_entry_says_what_it_is(name: str) -> None:
    entry = LAYERS[name]
    assert entry.name == name == name.upper()
    assert entry.key.isidentifier() and entry.key == entry.key.lower()
    assert len(entry.meaning) > 10
    assert not (entry.needs_map and entry.needs_vector)


def test_keys_are_not_shared() -> None:
    assert len({entry.key for entry in LAYERS.values()}) == len(LAYERS)


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_output_size_is_the_modules(text: str, shape: Shape) -> None:
    entry, settings = entry_of(text)
    outputs = entry.build(settings, shape).eval()(images(shape, number=2))
    assert outputs.shape[0] == 2
    assert entry.output(settings, shape) == shape_of(outputs)


@pytest.mark.parametrize(("text", "shape"), CASES)
def test_weights_and_biases_are_the_modules(text: str, shape: Shape) -> None:
    entry, settings = entry_of(text)
    parameters = list(entry.build(settings, shape).named_parameters())
    assert all(name.endswith(("weight", "bias")) for name, _ in parameters)
    assert entry.weights(settings, shape) == sum(p.numel() for name, p in parameters if name.endswith("weight"))
    assert entry.biases(settings, shape) == sum(p.numel() for name, p in parameters if name.endswith("bias"))


@pytest.mark.parametrize(("text", "shape"), [case for case in CASES if not case.id.startswith(("INPUT", "BN"))])
def test_multiply_adds_are_half_of_what_torch_counts_as_flops(text: str, shape: Shape) -> None:
    entry, settings = entry_of(text)
    module, x = entry.build(settings, shape).eval(), images(shape)
    with FlopCounterMode(display=False) as counter:
        module(x)
    assert 2 * entry.multiply_adds(settings, shape) == counter.get_total_flops()


@pytest.mark.parametrize("shape", [MAP, VECTOR], ids=["map", "vector"])
def test_batch_normalisation_multiplies_every_value_once(shape: Shape) -> None:
    entry, settings = entry_of("BN")
    assert entry.multiply_adds(settings, shape) == prod(shape)


@pytest.mark.parametrize(("text", "shape"), [case for case in CASES if not case.id.startswith("INPUT")])
def test_connections_are_the_cells_of_the_dense_matrix_that_are_not_zero(text: str, shape: Shape) -> None:
    entry, settings = entry_of(text)
    # The largest of a window depends on one cell at a time, but reads all, as the mean does.
    module = ones(entry.build({key: "avg" if value == "max" else value for key, value in settings.items()}, shape))
    x = torch.rand(images(shape).shape, generator=torch.Generator().manual_seed(1)) + 0.1
    matrix = jacobian(module, x)
    assert matrix.numel() == prod(shape) * prod(entry.output(settings, shape))
    assert entry.connections(settings, shape) == int(matrix.count_nonzero())


def test_the_input_has_no_connections_and_changes_nothing() -> None:
    entry, settings = entry_of("INPUT")
    assert entry.connections(settings, ()) == 0
    assert isinstance(entry.build(settings, MAP), nn.Identity)


@pytest.mark.parametrize("name", LAYERS)
def test_what_an_entry_says_of_maps_and_vectors_is_so(name: str) -> None:
    entry, settings = entry_of(name)
    if not entry.needs_vector:
        assert (len(entry.output(settings, MAP)) == 1) == entry.makes_vector
    if entry.reads_all and not entry.needs_vector:
        module = ones(entry.build(settings, MAP))
        x = torch.rand(1, 3, 9, 8, requires_grad=True)
        module(x)[0, 0].backward()
        assert int(x.grad.abs().sum(1).count_nonzero()) == 9 * 8


# The receptive field against the gradient.

FIELDS = [
    "CONV(2)",
    "CONV(2, 5x3)",
    "CONV(2, 4x1)",
    "CONV(2, 3, s=2)",
    "CONV(2, 1, s=3) -> CONV(2)",
    "CONV(2) -> RELU -> POOL(avg)",
    "[CONV(2) -> RELU -> POOL(avg)]*3",
    "[CONV(2, valid) -> BN -> CONV(2, 2x3) -> POOL(avg, 3, s=2x1)]*2",
    "POOL(avg, 3x2, s=1) -> CONV(2, 5, s=2, p=2) -> DROPOUT -> POOL(avg, 1x2)",
    "CONV(2, 7, s=2) -> RELU -> POOL(avg, 3, s=2) -> CONV(2) -> LEAKY_RELU -> CONV(2, 2)",
]


def seen_by(output: Tensor, image: Tensor) -> tuple[int, int]:
    """Height and width of the part of the image that a value depends on."""
    (gradient,) = torch.autograd.grad(output, image, retain_graph=True)
    rows, columns = gradient.abs().sum((0, 1)).nonzero().unbind(1)
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


@pytest.mark.parametrize("text", FIELDS)
def test_receptive_fields_are_where_the_gradient_is_not_zero(text: str) -> None:
    plan = Pattern(f"INPUT -> {text} -> CLASSIFIER").plan("90x80x1", 2)
    image = torch.ones(1, 1, 90, 80, requires_grad=True)
    outputs = ones(plan.build()).walk(image)
    *rows, flatten, _ = plan.rows
    for row in rows:
        height, width, _ = row.output
        assert seen_by(outputs[row.name][0, 0, height // 2, width // 2], image) == row.receptive_field, row.name
    height, width, channels = flatten.input
    middle = outputs[flatten.name][0, (height // 2 * width + width // 2) * channels]
    assert seen_by(middle, image) == flatten.receptive_field


@pytest.mark.parametrize("text", ["CONV(2) -> GAP -> DROPOUT", "POOL(avg) -> FC(3) -> BN -> RELU -> FC(2)"])
def test_behind_a_layer_that_reads_all_the_receptive_field_is_the_image(text: str) -> None:
    plan = Pattern(f"INPUT -> {text} -> CLASSIFIER").plan("30x20x1", 2)
    image = torch.ones(1, 1, 30, 20, requires_grad=True)
    outputs = ones(plan.build()).walk(image)
    first = next(place for place, row in enumerate(plan.rows) if row.layer.reads_all)
    assert first < len(plan.rows) - 1
    for row in plan.rows[first:]:
        assert seen_by(outputs[row.name][0, 0], image) == row.receptive_field == (30, 20), row.name


def test_a_receptive_field_may_be_larger_than_the_image() -> None:
    plan = Pattern("INPUT -> CONV*5 -> CLASSIFIER").plan("4x4x1", 2)
    assert plan.rows[5].receptive_field == (11, 11)


# One place: a kind that is put into LAYERS is known everywhere.


class Enlarge(LayerKind):
    name, key, meaning = "ENLARGE", "enlarge", "every cell becomes several equal ones"
    needs_map = True
    hyperparameters = (Hyperparameter("factor", "pair", lambda *_: (2, 2), "rows and columns", short="f"),)

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (shape[0] * settings["factor"][0], shape[1] * settings["factor"][1], shape[2])

    def connections(self, settings: Settings, shape: Shape) -> int:
        return prod(self.output(settings, shape))

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        return nn.Upsample(scale_factor=settings["factor"])


class GlobalMaximum(LayerKind):
    name, key, meaning = "GMP", "gmp", "the largest of each map, one number per channel"
    needs_map = makes_vector = reads_all = True

    def output(self, settings: Settings, shape: Shape) -> Shape:
        return (shape[2],)

    def build(self, settings: Settings, shape: Shape) -> nn.Module:
        return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())


@pytest.fixture
def new_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Enlarge(), GlobalMaximum()):
        monkeypatch.setitem(LAYERS, kind.name, kind)


def plan_of_new_kinds() -> Plan:
    text = "INPUT -> CONV(4) -> RELU -> POOL -> enlarge(3x1) -> CONV(5) -> ENLARGE -> GMP -> DROPOUT -> CLASSIFIER"
    return Pattern(text).plan("8x6x1", 2)


@pytest.mark.usefixtures("new_kinds")
def test_a_new_kind_is_planned_and_shown() -> None:
    plan = plan_of_new_kinds()
    rows: dict[str, Any] = {row.name: row for row in plan.rows}
    assert list(rows)[4:] == ["enlarge1", "stage2.conv", "stage2.enlarge", "gmp", "dropout1", "classifier"]
    assert rows["enlarge1"].settings == {"factor": (3, 1)}
    assert rows["enlarge1"].output == (12, 3, 4)
    assert rows["stage2.enlarge"].output == (24, 6, 5)
    assert rows["gmp"].output == (5,)
    assert rows["gmp"].receptive_field == (8, 6)
    assert "│ stage2.enlarge │" in str(plan)
    assert plan.to_dict()["layers"][4]["settings"] == {"factor": [3, 1]}


@pytest.mark.usefixtures("new_kinds")
def test_a_new_kind_is_built() -> None:
    plan = plan_of_new_kinds()
    outputs = plan.build().eval().walk(torch.rand(2, 1, 8, 6))
    assert {name: shape_of(values) for name, values in outputs.items()} == {row.name: row.output for row in plan.rows}


@pytest.mark.usefixtures("new_kinds")
def test_a_new_kind_is_known_to_error_messages() -> None:
    with pytest.raises(PatternError, match=r"Did you mean ENLARGE\?"):
        Pattern("INPUT -> ENLARGEN -> CLASSIFIER").plan("8x8x1", 2)
    with pytest.raises(PatternError, match=r"CONV needs a map of height and width, but GMP has made it a vector\."):
        Pattern("INPUT -> GMP -> CONV -> CLASSIFIER").plan("8x8x1", 2)
    with pytest.raises(PatternError, match=r"factor of ENLARGE must be a whole number of at least 1"):
        Pattern("INPUT -> ENLARGE(0) -> CLASSIFIER").plan("8x8x1", 2)


def test_without_it_the_new_kind_is_unknown() -> None:
    with pytest.raises(PatternError, match="unknown layer 'ENLARGE'"):
        plan_of_new_kinds()

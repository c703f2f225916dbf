"""The network: readable names, He's weights, stages as modules, and one layer after another."""

from __future__ import annotations

import copy
from math import prod

import pytest
import torch
from torch import Tensor, nn

from convstage import Pattern
from convstage.network import Network
from convstage.stage import Convolution, FlattenRows, Stage

TEXT = "INPUT -> [CONV(8|16) -> BN -> RELU -> POOL]*2 -> FC(32) -> RELU -> DROPOUT -> CLASSIFIER"


def network_of(text: str, image: str = "12x10x3", classes: int = 4, seed: int | None = 0) -> Network:
    return Pattern(text).plan(image, classes).build(seed)


def images(network: Network, number: int = 3) -> Tensor:
    height, width, channels = network.plan.image
    return torch.rand(number, channels, height, width, generator=torch.Generator().manual_seed(1)) - 0.5


def test_state_dict_keys_read_as_the_plan_does() -> None:
    network = network_of("INPUT -> CONV -> RELU -> POOL -> CONV -> BN -> RELU -> FC -> RELU -> BN -> CLASSIFIER")
    normalised = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(network.state_dict()) == [
        "stage1.conv.weight",
        "stage1.conv.bias",
        "stage2.conv.weight",
        "stage2.conv.bias",
        *[f"stage2.bn.{name}" for name in normalised],
        "fc1.weight",
        "fc1.bias",
        *[f"fc1_bn.{name}" for name in normalised],
        "classifier.weight",
        "classifier.bias",
    ]


def test_every_row_of_the_plan_is_a_module_by_its_name() -> None:
    network = network_of(TEXT)
    assert all(isinstance(network.get_submodule(row.name), nn.Module) for row in network.plan.rows[1:])
    leaves = [name for name, module in network.named_modules() if not list(module.children())]
    assert leaves == [row.name for row in network.plan.rows[1:]]


# Weights.


def test_weights_have_he_variance_and_biases_are_zero() -> None:
    network = network_of("INPUT -> CONV(64, 5x3) -> RELU -> FC(300) -> RELU -> CLASSIFIER", "20x20x8", 50)
    for layer in (network.stage1.conv, network.fc1, network.classifier):
        fan_in = prod(layer.weight.shape[1:])
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.1)
        assert layer.weight.mean().item() == pytest.approx(0, abs=0.1 * (2 / fan_in) ** 0.5)
        assert not layer.bias.any()


def test_the_same_seed_gives_the_same_weights_whatever_torchs_own_state_is() -> None:
    torch.manual_seed(1)
    one = network_of(TEXT, seed=7).state_dict()
    torch.manual_seed(2)
    same, other = network_of(TEXT, seed=7).state_dict(), network_of(TEXT, seed=8).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["fc1.weight"], other["fc1.weight"])


def test_without_a_seed_torchs_own_random_state_decides() -> None:
    made = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        made.append(network_of(TEXT, seed=None).classifier.weight)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_filters_lie_channels_last_in_memory() -> None:
    network = network_of("INPUT -> [CONV(8) -> RELU]*2 -> CLASSIFIER")
    for stage in (network.stage1, network.stage2):
        assert stage.conv.weight.is_contiguous(memory_format=torch.channels_last)
        assert not stage.conv.weight.is_contiguous()


# Forward.


@pytest.mark.parametrize(
    "text",
    [
        "INPUT -> CLASSIFIER",
        "INPUT -> [CONV(4) -> RELU -> POOL]*2 -> FC(5) -> RELU -> CLASSIFIER",
        "INPUT -> CONV(4, 4x2, s=2x1) -> RELU -> POOL(3, s=1) -> CLASSIFIER",
        "INPUT -> CONV(4, valid) -> RELU -> GAP -> CLASSIFIER",
        "INPUT -> CONV(4, 5, p=1x2) -> TANH -> POOL(avg) -> CLASSIFIER",
        "INPUT -> POOL -> BN -> CONV(4) -> BN -> GELU -> DROPOUT -> POOL(3x2, s=2) -> RELU -> FC(3) -> CLASSIFIER",
    ],
)
def test_walk_ends_with_what_forward_returns_and_shows_every_layer(text: str) -> None:
    network = network_of(text).eval()
    x = images(network)
    outputs = network.walk(x)
    assert list(outputs) == [row.name for row in network.plan.rows]
    assert outputs["input"] is x
    torch.testing.assert_close(outputs["classifier"], network(x), rtol=1e-5, atol=1e-6)


def test_walk_shows_each_layers_own_output() -> None:
    network = network_of("INPUT -> CONV(4) -> RELU -> POOL -> FC(5) -> RELU -> CLASSIFIER")
    outputs = network.walk(images(network))
    assert (outputs["stage1.conv"] < 0).any()
    assert torch.equal(outputs["stage1.relu"], outputs["stage1.conv"].clamp(min=0))
    assert torch.equal(outputs["stage1.pool"], nn.functional.max_pool2d(outputs["stage1.relu"], 2))
    assert torch.equal(outputs["fc1_relu"], outputs["fc1"].relu())


def test_forward_gives_logits_for_every_image() -> None:
    network = network_of(TEXT).eval()
    assert network(images(network, 5)).shape == (5, 4)
    assert network(images(network, 0)).shape == (0, 4)


def test_every_parameter_has_a_gradient() -> None:
    network = network_of(TEXT).train()
    network(images(network)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.fc1.parameters())
    assert all(parameter.grad is not None for parameter in network.parameters())


# Stages.


@pytest.mark.parametrize(
    ("text", "fused"),
    [
        ("CONV -> RELU", 2),
        ("CONV -> RELU -> POOL", 3),
        ("CONV(4, 4x3, s=2) -> RELU -> POOL(3, s=2)", 3),
        ("CONV", 0),
        ("CONV -> POOL", 0),
        ("CONV -> RELU -> POOL(avg)", 2),
        ("CONV -> BN -> RELU -> POOL", 0),
        ("CONV -> TANH -> POOL", 0),
        ("CONV -> RELU -> DROPOUT", 2),
        ("CONV -> RELU -> RELU", 2),
    ],
)
def test_how_much_of_a_stage_is_one_operator(text: str, fused: int) -> None:
    (stage, *_) = network_of(f"INPUT -> {text} -> CLASSIFIER")
    assert isinstance(stage, Stage)
    assert stage.fused == fused


@pytest.mark.parametrize(
    "text", ["CONV(4, 4x3, s=1x2) -> RELU -> POOL(3x2, s=2x1)", "CONV(4) -> RELU -> POOL(avg)", "CONV(4) -> RELU"]
)
def test_a_fused_stage_computes_what_its_layers_do(text: str) -> None:
    network = network_of(f"INPUT -> {text} -> CLASSIFIER")
    stage, x = network.stage1, images(network)
    one_by_one = x
    for layer in stage:
        one_by_one = layer(one_by_one)
    torch.testing.assert_close(stage(x), one_by_one)
    assert one_by_one.any()


@pytest.mark.parametrize("margins", [(1, 2, 0, 1), (1, 1, 0, 1), (0, 1, 1, 1), (0, 0, 2, 1), (1, 0, 0, 0)])
def test_convolution_pads_every_side_as_its_margins_say(margins: tuple[int, int, int, int]) -> None:
    layer = Convolution(2, 3, (4, 3), (1, 1), margins)
    top, bottom, left, right = margins
    x = torch.rand(1, 2, 6, 5)
    padded = nn.functional.pad(x, (left, right, top, bottom))
    assert layer.padding == (0, 0)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(padded, layer.weight, layer.bias))


def test_convolution_with_even_margins_is_torchs_own() -> None:
    layer = Convolution(2, 3, (3, 5), (2, 1), (1, 1, 2, 2))
    x = torch.rand(1, 2, 6, 5)
    assert layer.padding == (1, 2)
    torch.testing.assert_close(layer(x), nn.Conv2d.forward(layer, x))


# Children.


def test_a_network_is_a_sequence_of_stages_and_layers() -> None:
    network = network_of(TEXT)
    names = ["stage1", "stage2", "flatten", "fc1", "fc1_relu", "fc1_dropout", "classifier"]
    assert [name for name, _ in network.named_children()] == names
    assert len(network) == len(names)
    assert [network[index] for index in range(len(network))] == list(network)
    assert network[-1] is network.classifier


def test_a_slice_of_a_network_is_an_ordinary_sequence_of_the_same_layers() -> None:
    network = network_of(TEXT).eval()
    features, head = network[:2], network[2:]
    assert type(features) is type(head) is nn.Sequential
    assert [*features, *head] == list(network)
    assert [name for name, _ in features.named_children()] == ["stage1", "stage2"]
    x = images(network)
    assert torch.equal(head(features(x.contiguous(memory_format=torch.channels_last))), network(x))


def test_a_slice_of_a_stage_is_a_stage() -> None:
    stage = network_of("INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER").stage1
    assert isinstance(stage[:2], Stage)
    assert stage[:2].fused == 2
    assert stage[:1].fused == 0


def test_a_copy_is_a_network_of_its_own() -> None:
    network = network_of(TEXT).eval()
    x = images(network)
    before = network(x)
    other = copy.deepcopy(network)
    assert torch.equal(other(x), before)
    with torch.no_grad():
        other.classifier.bias += 1
    assert torch.equal(network(x), before)


def test_weights_can_be_carried_over() -> None:
    one, other = network_of(TEXT, seed=1).eval(), network_of(TEXT, seed=2).eval()
    other.load_state_dict(one.state_dict())
    x = images(one)
    assert torch.equal(one(x), other(x))


# Flattening.


def test_flattening_goes_row_by_row_cell_by_cell_with_the_channels_together() -> None:
    x = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    flat = FlattenRows()(x)
    assert flat.shape == (2, 60)
    expected = [[x[n, c, i, j] for i in range(4) for j in range(5) for c in range(3)] for n in range(2)]
    assert flat.tolist() == torch.tensor(expected).tolist()


def test_flattening_copies_nothing_of_maps_that_lie_channels_last() -> None:
    x = torch.rand(2, 3, 4, 5)
    last = x.contiguous(memory_format=torch.channels_last)
    assert FlattenRows()(last).data_ptr() == last.data_ptr()
    assert FlattenRows()(x).data_ptr() != x.data_ptr()
    assert torch.equal(FlattenRows()(last), FlattenRows()(x))


def test_in_a_network_the_maps_reach_the_flattening_channels_last() -> None:
    network = network_of("INPUT -> [CONV(4) -> RELU -> POOL]*2 -> FC(5) -> CLASSIFIER")
    seen: list[Tensor] = []
    network.flatten.register_forward_hook(lambda _module, inputs, output: seen.extend((inputs[0], output)))
    network(images(network))
    maps, vector = seen
    assert maps.data_ptr() == vector.data_ptr()

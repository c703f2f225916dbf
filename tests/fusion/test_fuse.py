"""What is replaced, what is not and why; and that nobody can tell the difference."""

from __future__ import annotations

import copy
import io
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import convstage
from convstage.fusion import FusionError, fusions


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def said(model: nn.Module) -> dict[str, tuple[str, int, str]]:
    convstage.fuse(model, quiet=True)
    return {row.name: (row.words, row.layers, row.reason) for row in fusions(model).rows}


def conv(**settings) -> nn.Conv2d:
    return nn.Conv2d(3, 6, 3, **settings)


class Odd(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2


WHY_NOT = {
    "groups": ([nn.Conv2d(3, 6, 3, groups=3), nn.ReLU()], "it has 3 groups"),
    "dilation": ([conv(dilation=2), nn.ReLU()], "it has dilation 2×2"),
    "padding": ([conv(padding=1, padding_mode="reflect"), nn.ReLU()], "it is padded with reflect, and not with zeros"),
    "subclass": ([Odd(3, 6, 3), nn.ReLU()], "Odd may do more than Conv2d, whose subclass it is"),
    "transposed": ([nn.ConvTranspose2d(3, 6, 3), nn.ReLU()], "ConvTranspose2d is not two-dimensional convolution"),
    "another non-linearity": ([conv(), nn.LeakyReLU()], "LeakyReLU follows it, and not ReLU"),
    "pooled first": ([conv(), nn.MaxPool2d(2), nn.ReLU()], "MaxPool2d follows it, and not ReLU"),
    "normed twice": (
        [conv(), nn.BatchNorm2d(6), nn.BatchNorm2d(6), nn.ReLU()],
        "BatchNorm2d follows its batch norm, and not ReLU",
    ),
    "the end": ([conv()], "nothing that only reads it follows it, and not ReLU"),
}


@pytest.mark.parametrize("layers, reason", WHY_NOT.values(), ids=WHY_NOT)
def test_what_cannot_be_one_operator_stays_and_it_is_said_why(x, layers, reason):
    model = nn.Sequential(*layers)
    before = model(x)
    assert said(model)["0"][1:] == (0, reason)
    assert type(model) is nn.Sequential
    assert torch.equal(model.eval()(x), nn.Sequential(*layers).eval()(x)) and before.shape == model(x).shape


POOLS = {
    "plain": (nn.MaxPool2d(2), 3, ""),
    "overlapping": (nn.MaxPool2d(3, 2), 3, ""),
    "padded": (nn.MaxPool2d(3, 2, 1), 3, ""),
    "rounded up": (nn.MaxPool2d(3, 2, ceil_mode=True), 3, ""),
    "dilated": (nn.MaxPool2d(2, dilation=2), 2, "without its pooling, which has dilation"),
    "average": (nn.AvgPool2d(2), 2, ""),
}


@pytest.mark.parametrize("pool, layers, reason", POOLS.values(), ids=POOLS)
def test_poolings(x, pool, layers, reason):
    plain = nn.Sequential(conv(padding=1), nn.ReLU(), pool)
    model = copy.deepcopy(plain)
    assert said(model)["0"][1:] == (layers, reason)
    for side in (12, 11):
        some = x[..., :side, :side].clone().requires_grad_()
        same = some.detach().clone().requires_grad_()
        y, z = plain(some), model(same)
        assert torch.allclose(y, z, atol=1e-6)
        (y**2).sum().backward()
        (z**2).sum().backward()
        assert torch.allclose(some.grad, same.grad, atol=1e-4)


class Functional(nn.Module):
    """The same in every way that it can be written."""

    def __init__(self, relu, pool) -> None:
        super().__init__()
        self.conv = conv(padding="same")
        self.relu, self.pool = relu, pool

    def forward(self, x):
        return self.pool(self.relu(self.conv(x)))


RELUS = [F.relu, torch.relu, lambda x: x.relu(), lambda x: F.relu(x, inplace=True), lambda x: x.relu_(), nn.ReLU()]
FUNCTIONS = [
    lambda x: F.max_pool2d(x, 2),
    lambda x: torch.max_pool2d(x, (2, 2), stride=2),
    lambda x: F.max_pool2d(x, kernel_size=[2], stride=2, padding=0, ceil_mode=False),
]


class Block(nn.Sequential):
    """A sequence with a forward of its own."""

    def forward(self, x):
        return F.relu(self[0](x)) + 1


def test_a_sequence_with_a_forward_of_its_own_is_told_by_that(x):
    model = Block(conv(), nn.Tanh())
    y = model(x)
    assert said(model) == {"0": ("Conv2d → relu", 2, "")}
    assert torch.allclose(y, model(x), atol=1e-6)


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize("pool", FUNCTIONS)
def test_functions_are_found_as_layers_are(x, relu, pool):
    model = Functional(relu, pool)
    y = model(x)
    assert said(model)["conv"][1] == 3
    assert torch.allclose(y, model(x), atol=1e-6)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = conv(padding=1), conv(padding=1)

    def forward(self, x):
        y = self.conv(x)
        z = F.relu(self.other(x))
        return y + F.relu(y) + z + F.max_pool2d(z, 1)


def test_what_something_else_reads_too_is_kept(x):
    model = Branches()
    y = model(x)
    found = said(model)
    assert found["conv"][1:] == (0, "nothing that only reads it follows it, and not ReLU")
    assert found["other"][:2] == ("Conv2d → relu", 2)
    assert torch.allclose(y, model(x), atol=1e-6)


class Shared(nn.Module):
    """One convolution and one pooling, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(2)

    def forward(self, x):
        for _ in range(2):
            x = self.pool(torch.relu(self.conv(x)))
        return x.view(x.size(0), -1)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_layers_that_are_used_twice_and_the_memory_format_of_the_result(x, memory_format):
    model = Shared()
    y = model(x)
    convstage.fuse(model, quiet=True)
    assert torch.allclose(y, model(x), atol=1e-6)
    chain = nn.Sequential(model.conv, nn.ReLU())
    some = x.contiguous(memory_format=memory_format)
    assert convstage.fuse(chain, quiet=True)(some).stride() == F.relu(model.conv(some)).stride()


class Looks(nn.Module):
    """Looks at its input, in a method that forward calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def first(self, x):
        return x[0] if isinstance(x, list) else x

    def forward(self, x):
        return F.relu(self.conv(self.first(x)))


class Branching(Looks):
    def first(self, x):
        return x if x.shape[0] > 1 else x * 2


class Making(Looks):
    def first(self, x):
        return x + torch.ones(1)


class Unused(Looks):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    "kind, reason",
    [
        (Looks, "its forward looks at what it is given (isinstance)"),
        (Branching, "its forward cannot be traced: symbolically traced variables"),
        (Making, "its forward makes tensors of its own"),
        (Unused, "its forward does not call it"),
    ],
)
def test_a_forward_that_cannot_be_written_down_stays(kind, reason):
    model = kind()
    before = set(vars(model))
    (row,) = said(model).values()
    assert row[1] == 0 and row[2].startswith(reason)
    assert type(model) is kind and set(vars(model)) == before


class Drops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, x):
        x = F.relu(self.conv(x))
        return F.dropout(x, 0.5, self.training) if self.training else x + 1


def test_training_and_evaluation_are_two_ways(x):
    model = convstage.fuse(Drops(), quiet=True)
    assert fusions(model).rows[0].layers == 2
    torch.manual_seed(0)
    trained = model(x)
    torch.manual_seed(0)
    assert torch.allclose(trained, F.dropout(F.relu(model.conv(x)), 0.5), atol=1e-6)
    assert torch.allclose(model.eval()(x), F.relu(model.conv(x)) + 1, atol=1e-6)
    assert all(not module.training for module in model.modules())


@pytest.mark.parametrize(
    "model",
    [nn.Sequential(OrderedDict(conv=conv(), relu=nn.ReLU())), Functional(nn.ReLU(), nn.MaxPool2d(2))],
    ids=["sequence", "forward"],
)
def test_hooks_see_what_goes_through_their_layer(x, model):
    y = model(x)
    convstage.fuse(model, quiet=True)
    seen = []
    handle = model.conv.register_forward_hook(lambda module, given, output: seen.append(output.shape))
    assert torch.allclose(model(x), y, atol=1e-6) and len(seen) == 1
    handle.remove()
    model(x)
    assert len(seen) == 1
    model.conv.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape))
    convstage.fuse(model, quiet=True)
    assert fusions(model).rows[0].reason == "has hooks, which are to see what goes through it"


def test_layers_of_a_sequence_may_be_changed_afterwards(x):
    model = convstage.fuse(nn.Sequential(conv(), nn.ReLU(), nn.Flatten()), quiet=True)
    part = model[:2]
    assert torch.allclose(part(x), F.relu(model[0](x)), atol=1e-6)
    model[1] = nn.Tanh()
    assert torch.equal(model(x), torch.tanh(model[0](x)).flatten(1))
    model[1] = nn.ReLU()
    model.insert(2, nn.MaxPool2d(2))
    assert torch.allclose(model(x), F.max_pool2d(F.relu(model[0](x)), 2).flatten(1), atol=1e-6)


def test_frozen_batch_norm_has_gradients(x):
    plain = nn.Sequential(conv(bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)).eval()
    nn.init.uniform_(plain[1].running_var, 0.5, 2)
    fused = convstage.fuse(copy.deepcopy(plain), quiet=True)
    for model in (plain, fused):
        (model(x) ** 2).sum().backward()
    for one, other in zip(plain.parameters(), fused.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-4)
    bare = nn.Sequential(conv(), nn.BatchNorm2d(6, affine=False, track_running_stats=False), nn.ReLU()).eval()
    assert torch.equal(bare(x), convstage.fuse(copy.deepcopy(bare), quiet=True)(x))


def test_other_numbers_and_single_images_run_as_torch_does(x):
    model = convstage.fuse(nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2)), quiet=True)
    assert torch.allclose(model(x)[0], model(x[0]), atol=1e-6)
    assert model.double()(x.double()).dtype == torch.float64
    model.float()
    with torch.autocast("cpu", torch.bfloat16):
        assert model(x).shape == (2, 6, 5, 5)


def test_it_says_what_it_has_done(capsys):
    convstage.fuse(nn.Sequential(conv(), nn.ReLU(), nn.Conv2d(6, 6, 1)))
    assert capsys.readouterr().err.splitlines()[:4] == [
        "1 of 2 convolutions run with what follows them as one operator:",
        "  0  Conv2d → ReLU",
        "as they were:",
        "  2  Conv2d: nothing that only reads it follows it, and not ReLU",
    ]
    assert str(fusions(nn.Linear(1, 1))) == "There is no convolution in this model."


class Counts(nn.Module):
    """Depends on what no trace shows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = conv(), 0

    def forward(self, x):
        self.calls += 1
        return F.relu(self.conv(x)) * self.calls


def test_an_example_finds_what_a_trace_cannot_show(x):
    model = Counts()
    with pytest.raises(FusionError, match="fused, the model says another thing about the example than before"):
        convstage.fuse(model, example=x)
    assert type(model) is Counts
    assert type(convstage.fuse(Shared(), example=x, quiet=True)) is not Shared


def test_weights_are_saved_and_loaded_as_ever(x):
    model = convstage.fuse(Shared(), quiet=True)
    file = io.BytesIO()
    from safetensors.torch import load, save

    file.write(save({name: value.contiguous() for name, value in model.state_dict().items()}))
    other = Shared()
    other.load_state_dict(load(file.getvalue()))
    assert torch.allclose(other(x), model(x), atol=1e-6)


def test_our_own_networks_are_fused_already():
    network = convstage.Pattern("INPUT(16x16x1) -> [CONV(4) -> RELU -> POOL]*2 -> CLASSIFIER(2)").plan().build()
    before = [type(module) for module in network.modules()]
    found = fusions(convstage.fuse(network, quiet=True))
    assert [(row.name, row.layers) for row in found.rows] == [("stage1.conv", 3), ("stage2.conv", 3)]
    assert [type(module) for module in network.modules()] == before


def test_a_traced_model_can_be_fused(x):
    from torch import fx

    model = fx.symbolic_trace(Functional(nn.ReLU(), nn.MaxPool2d(2)))
    y = model(x)
    assert said(model)["conv"][1] == 3
    assert torch.allclose(model(x), y, atol=1e-6)

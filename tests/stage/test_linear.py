"""The fully connected layer is torch's, value for value and gradient for gradient."""

import copy

import pytest
import torch
from torch import nn

from convstage.stage import linear
from convstage.stage.linear import FullyConnected


def pair(c=300, k=40, bias=True):
    torch.manual_seed(0)
    ours = FullyConnected(c, k, bias=bias)
    theirs = nn.Linear(c, k, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def results(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    return [y, *torch.autograd.grad(y, [x, *layer.parameters()], torch.cos(y.detach()))]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("count", [1, 2, 65])
def test_it_is_torchs(count, bias):
    ours, theirs = pair(bias=bias)
    x = torch.randn(count, 300)
    for a, b in zip(results(ours, x), results(theirs, x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
        assert a.is_contiguous()


def test_the_faster_product_runs(monkeypatch):
    calls = []
    product = linear._product
    monkeypatch.setattr(linear, "_product", lambda *args: calls.append(1) or product(*args))
    results(pair()[0], torch.randn(3, 300))
    assert len(calls) == 3
    with torch.inference_mode():
        pair()[0](torch.randn(3, 300))
    assert len(calls) == 4


@pytest.mark.parametrize("x", [torch.randn(4, 5, 300), torch.randn(300), torch.randn(0, 300)])
def test_other_shapes_are_torchs_too(x):
    ours, theirs = pair()
    assert torch.equal(ours(x), theirs(x))


def test_other_types_are_torchs_too(monkeypatch):
    ours, theirs = pair()
    x = torch.randn(4, 300)
    assert torch.equal(ours.double()(x.double()), theirs.double()(x.double()))
    ours, theirs = pair()
    with torch.autocast("cpu"):
        assert ours(x).dtype == theirs(x).dtype == torch.bfloat16
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert torch.equal(ours(x), theirs(x))


def test_only_what_is_wanted_gets_a_gradient():
    ours, _ = pair()
    ours.weight.requires_grad_(False)
    ours(torch.randn(2, 300)).sum().backward()
    assert ours.weight.grad is None
    assert torch.equal(ours.bias.grad, torch.full((40,), 2.0))


def test_it_can_be_differentiated_twice():
    ours, theirs = pair(6, 4)
    found = []
    for layer in (ours, theirs):
        x = torch.linspace(-1, 1, 12).view(2, 6).requires_grad_()
        (gradient,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), layer.weight)[0])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_a_copy_is_a_layer_of_its_own():
    ours, _ = pair()
    twin = copy.deepcopy(ours)
    twin.weight.data.zero_()
    assert ours.weight.any()
    assert list(ours.state_dict()) == ["weight", "bias"]

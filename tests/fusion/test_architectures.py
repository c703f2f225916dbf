"""Published networks: the same state dict, outputs and gradients, alone and under torch's own tools."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import convstage
from convstage.fusion import fusions
from support.architectures import ARCHITECTURES

#: Fewer hidden units and smaller images than published: the convolutions are what is tried.
SMALL = {"LeNet-5": 28, "AlexNet": 67, "SqueezeNet": 49}


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    make, (channels, _, _), _ = ARCHITECTURES[name]
    torch.manual_seed(0)
    less = {} if name in ("LeNet-5", "SqueezeNet", "ResNet-18, stem", "DenseNet, stem") else {"hidden": 32}
    model = make(classes=5, **less)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
    side = SMALL.get(name, 32)
    return model, torch.randn(2, channels, side, side)


def step(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(1)  # of dropout
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, torch.arange(len(x)) % logits.shape[1])
    return logits.detach(), list(torch.autograd.grad(loss, list(model.parameters())))


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 2e-4 * max(1e-3, float(one.abs().max())))


def as_good(exact: torch.Tensor, plain: torch.Tensor, fused: torch.Tensor) -> bool:
    """Whether the fused result is about as near to float64's as torch's own; deep networks amplify what is rounded."""
    error, error_of_torch = ((one - exact).abs().max() for one in (fused, plain))
    return bool(error <= 5 * error_of_torch + 1e-5 * exact.abs().max())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fused_it_is_what_it_was(name):
    model, x = built(name)
    kinds, keys = [type(module) for module in model.modules()], list(model.state_dict())
    plain, exact = copy.deepcopy(model), copy.deepcopy(model).double()
    fused = convstage.fuse(model, quiet=True)
    assert fused is model and list(model.state_dict()) == keys
    assert len(fusions(model).replaced) == ARCHITECTURES[name][2]
    assert all(isinstance(module, kind) for module, kind in zip(fused.modules(), kinds, strict=True))
    for training in (False, True):
        results = [step(one.train(training), x.to(next(one.parameters()).dtype)) for one in (exact, plain, fused)]
        assert as_good(*(logits for logits, _ in results))
        assert all(as_good(*gradients) for gradients in zip(*(found for _, found in results), strict=True))
    assert all(torch.allclose(one, other) for one, other in zip(plain.buffers(), fused.buffers(), strict=True))
    convstage.unfuse(model)
    assert [type(module) for module in model.modules()] == kinds
    model.eval()
    assert torch.equal(model(x), plain.eval()(x))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_copies_and_weights_go_from_one_to_the_other(name):
    model, x = built(name)
    plain = copy.deepcopy(model).eval()
    fused = convstage.fuse(model, quiet=True).eval()
    copied = copy.deepcopy(fused)
    assert len(fusions(copied).replaced) == ARCHITECTURES[name][2]
    for parameter in fused.parameters():
        nn.init.uniform_(parameter, -0.05, 0.05)
    assert torch.equal(copied(x), copied(x)) and close(plain(x).detach(), copied(x).detach())
    plain.load_state_dict(fused.state_dict())
    assert close(plain(x).detach(), fused(x).detach())
    copied.load_state_dict(plain.state_dict())
    assert torch.equal(fused(x), copied(x))

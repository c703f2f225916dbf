"""A fused model under torch's compiler and in a distributed training."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import distributed, nn

import convstage
from support.architectures import LeNet5, ResNetStem


def gradients(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    (model(x) ** 2).mean().backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.filterwarnings("ignore")  # of the compiler's own
@pytest.mark.parametrize(
    "make, side", [(LeNet5, (1, 28)), (lambda: ResNetStem(3), (3, 32))], ids=["LeNet5", "ResNetStem"]
)
@pytest.mark.parametrize("training", [False, True])
def test_the_compiler_takes_it_as_a_whole(make, side, training):
    # Always the same weights: in one of a hundred two values are so near that rounding decides which is the larger,
    # and with it where a gradient goes, in float64 as well.
    torch.manual_seed(0)
    model = make()
    x = torch.randn(2, side[0], side[1], side[1])
    fused = convstage.fuse(copy.deepcopy(model), quiet=True).train(training)
    plain = copy.deepcopy(model).train(training)
    compiled = torch.compile(fused, backend="aot_eager", fullgraph=True)
    for one, other in zip(gradients(plain, x), gradients(compiled, x), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-5 * max(1.0, float(one.abs().max())))


@pytest.fixture
def group():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_it_trains_with_distributed_data_parallel(group):
    torch.manual_seed(0)
    x = torch.randn(2, 1, 28, 28)
    fused = convstage.fuse(LeNet5(), quiet=True)
    alone = gradients(fused, x)
    wrapped = nn.parallel.DistributedDataParallel(fused)
    assert list(wrapped.module.state_dict()) == list(LeNet5().state_dict())
    for one, other in zip(alone, gradients(wrapped, x), strict=True):
        assert torch.allclose(one, other, atol=1e-6)

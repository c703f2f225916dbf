import subprocess
import sys

import pytest
import torch

from convstage.optimizer import AdamW

SHAPES = ((8, 3, 3, 3), (8,), (10, 24), (1,))


def parameters(channels_last: bool) -> list[torch.Tensor]:
    torch.manual_seed(3)
    tensors = [torch.randn(shape) for shape in SHAPES]
    if channels_last:
        tensors[0] = tensors[0].contiguous(memory_format=torch.channels_last)
    return [tensor.requires_grad_() for tensor in tensors]


def give_gradients(tensors: list[torch.Tensor], step: int) -> None:
    random = torch.Generator().manual_seed(step)
    for tensor in tensors:
        tensor.grad = torch.empty_like(tensor).copy_(torch.randn(tensor.shape, generator=random))


def both(channels_last: bool = False, **options):
    ours, theirs = parameters(channels_last), parameters(channels_last)
    groups = [{"params": theirs[:2], "weight_decay": 0.1}, {"params": theirs[2:], "weight_decay": 0.0}]
    return (
        (ours, AdamW([(ours[:2], 0.1), (ours[2:], 0.0)], **options)),
        (theirs, torch.optim.AdamW(groups, fused=True, **options)),
    )


@pytest.mark.parametrize("channels_last", [False, True])
def test_it_takes_the_steps_of_torchs_own_to_the_bit(channels_last: bool):
    (ours, optimizer), (theirs, reference) = both(channels_last, betas=(0.8, 0.99), eps=1e-6)
    for step in range(5):
        for group in [*optimizer.param_groups, *reference.param_groups]:
            group["lr"] = 0.01 / (step + 1)
        give_gradients(ours, step)
        give_gradients(theirs, step)
        optimizer.step()
        reference.step()
        assert all(map(torch.equal, ours, theirs))


def test_a_parameter_without_a_gradient_stays():
    (ours, optimizer), (theirs, reference) = both()
    for step in range(3):
        give_gradients(ours, step)
        give_gradients(theirs, step)
        if step == 0:
            ours[1].grad = theirs[1].grad = None
        if step == 1:
            ours[2].grad = ours[3].grad = theirs[2].grad = theirs[3].grad = None  # a group without any
        optimizer.step()
        reference.step()
    assert all(map(torch.equal, ours, theirs))


def test_its_state_goes_on_elsewhere():
    (ours, optimizer), _ = both(channels_last=True)
    give_gradients(ours, 0)
    optimizer.step()
    (others, other), _ = both(channels_last=True)
    with torch.no_grad():
        for mine, copy in zip(ours, others, strict=True):
            copy.copy_(mine)
    # As a file has it: every tensor in one memory format.
    stored = {
        n: {k: t.clone(memory_format=torch.contiguous_format) for k, t in s.items()}
        for n, s in optimizer.state_dict().items()
    }
    other.load_state_dict(stored)
    for tensors, one in ((ours, optimizer), (others, other)):
        give_gradients(tensors, 1)
        one.step()
    assert all(map(torch.equal, ours, others))


def test_zero_grad_forgets_the_gradients():
    (ours, optimizer), _ = both()
    give_gradients(ours, 0)
    optimizer.zero_grad()
    assert all(tensor.grad is None for tensor in ours)


def test_a_training_step_does_not_load_torchs_compiler():
    script = """
import sys, torch, convstage
from convstage.recipe import make_optimizer
network = convstage.Pattern("INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER").plan((8, 8, 1), 2).build()
optimizer = make_optimizer(network, 0.01)
network(torch.rand(2, 1, 8, 8)).sum().backward()
optimizer.step()
print("torch._dynamo" in sys.modules)
"""
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "False"

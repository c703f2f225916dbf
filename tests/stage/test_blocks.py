"""Large results in blocks that come back: the same numbers, and memory that stays as it was."""

import gc
import subprocess
import sys

import pytest
import torch

from convstage.stage import conv_relu_pool
from convstage.stage.load import library

pytestmark = pytest.mark.skipif(
    library() is None or not library().convstage_keep_blocks(False),
    reason="blocks need the compiled library, and torch 2.11 or later",
)


@pytest.fixture
def kept():
    """Keep blocks during a test; afterwards as before it, where nothing had asked for them."""
    library().convstage_keep_blocks(True)
    yield
    gc.collect()
    library().convstage_keep_blocks(False)


def stage(size: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(seed)
    x = torch.rand(4, 16, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(32, 16, 3, 3).requires_grad_()
    y = conv_relu_pool(x, weight, padding="same", pool=2)
    return y, *torch.autograd.grad(y.square().sum(), (x, weight))


def test_results_are_the_same_with_blocks_and_without(kept):
    library().convstage_keep_blocks(False)
    without = stage(128)
    library().convstage_keep_blocks(True)
    for _ in range(3):
        assert all(map(torch.equal, without, stage(128)))


def test_a_freed_block_is_given_out_again(kept):
    x, weight = torch.rand(4, 16, 128, 128), torch.randn(32, 16, 3, 3)
    first = conv_relu_pool(x, weight, padding="same", pool=2)
    place = first.data_ptr()
    second = conv_relu_pool(x, weight, padding="same", pool=2)
    assert second.data_ptr() != place
    del first
    assert conv_relu_pool(x, weight, padding="same", pool=2).data_ptr() == place


def test_a_result_outlives_the_keeping(kept):
    y, *_ = stage(128)
    copy = y.clone()
    library().convstage_keep_blocks(False)
    assert torch.equal(y, copy)
    view = y[1:, ::2]
    del y
    stage(128, seed=1)
    assert torch.equal(view, copy[1:, ::2])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says in /proc how much memory a process has")
def test_sizes_that_are_no_longer_asked_for_go_back_to_the_system():
    script = """
import pathlib, torch
from convstage.stage import conv_relu_pool
from convstage.stage.load import library
library().convstage_keep_blocks(True)
weight = torch.randn(32, 1, 3, 3)
def megabytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20
def run(size):
    conv_relu_pool(torch.rand(4, 1, size, size), weight, padding="same", pool=2)
run(64)
before = megabytes()
run(1024)  # 128 MB
large = megabytes() - before
for turn in range(100):
    run(256)
run(400)  # another size: what was not asked for since then is given back
print(large, megabytes() - before)
"""
    told = subprocess.check_output([sys.executable, "-c", script], text=True)
    large, left = map(int, told.split())
    assert large > 120
    assert left < 60

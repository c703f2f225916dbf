"""Whoever computes a stage, the operator, torch, or both: the result is the stage's, with and without gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from convstage.stage import conv_relu_pool
from convstage.stage.op import Worth, fastest_way

#: (channels, filters, filter, step, pool, pool step) -> who computes it with winners, and without.
WAYS = {
    (16, 16, 3, 1, 2, 2): ("kernel", "kernel"),
    (16, 16, 3, 1, 3, 2): ("kernel", "kernel, then pooling"),
    (16, 32, 3, 1, 2, 1): ("kernel, then pooling", "kernel, then pooling"),
    (3, 16, 3, 1, 2, 1): ("kernel", "kernel"),
    (16, 16, 5, 1, 2, 2): ("kernel", "torch"),
    (1, 8, 5, 1, 2, 2): ("kernel", "kernel"),
    (3, 8, 11, 4, 3, 2): ("kernel", "torch"),
    (32, 32, 3, 1, None, None): ("kernel", "kernel"),
    (16, 32, 3, 1, None, None): ("torch", "kernel"),
    (32, 32, 3, 1, 1, 1): ("kernel", "kernel"),
    (3, 16, 5, 1, None, None): ("kernel", "kernel"),
    (16, 16, 5, 1, None, None): ("torch", "torch"),
    (16, 16, 1, 1, None, None): ("torch", "torch"),
    (16, 16, 3, 2, None, None): ("torch", "torch"),
}


@pytest.mark.parametrize("shape", WAYS)
def test_every_way_gives_the_stage_and_its_gradients(shape):
    channels, filters, size, step, pool, pool_step = shape
    window, window_step = (None if n is None else (n, n) for n in (pool, pool_step))
    ways = [fastest_way((filters, channels, size, size), (step, step), window, window_step, r) for r in (True, False)]
    assert tuple(ways) == WAYS[shape]

    torch.manual_seed(0)
    # float64 for the truth; whole numbers, so that ties are many and sums are exact.
    x = torch.randint(-3, 4, (2, channels, 23, 26)).double().requires_grad_()
    weight = torch.randint(-2, 3, (filters, channels, size, size)).double().requires_grad_()
    bias = torch.randint(-2, 3, (filters,)).double().requires_grad_()
    truth = F.relu(F.conv2d(x, weight, bias, step, 1))
    truth = truth if pool is None else F.max_pool2d(truth, pool, pool_step)
    upstream = torch.randint(-2, 3, truth.shape).double()
    gradients = torch.autograd.grad(truth, (x, weight, bias), upstream)

    inputs = [tensor.detach().float().requires_grad_() for tensor in (x, weight, bias)]
    options = {"stride": step, "padding": 1, "pool": pool, "pool_stride": pool_step}
    y = conv_relu_pool(*inputs, **options)
    ours = torch.autograd.grad(y, inputs, upstream.float())
    with torch.no_grad():
        plain = conv_relu_pool(*inputs, **options)
    for found, expected in zip([y, plain, *ours], [truth, truth, *gradients], strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4 * float(expected.detach().abs().max()))


#: (images, height and width of the map) -> who computes 64 → 64 filters of 3×3: trained; asked; asked, and pooled 2×2.
FEW_CELLS = {
    (16, 56, 56): ("kernel", "kernel", "kernel"),
    (16, 14, 14): ("torch", "torch", "kernel"),
    (1, 14, 14): ("torch", "torch", "torch"),
    (16, 13, 13): ("torch", "torch", "kernel"),  # as many tiles as 16×16
    (16, 16, 16): ("torch", "kernel", "kernel"),
    (0, 14, 14): ("kernel", "kernel", "kernel"),  # nothing to do
}


@pytest.mark.parametrize("cells", FEW_CELLS)
def test_few_cells_are_not_worth_the_transformation_of_the_filters(cells):
    filters, step = (64, 64, 3, 3), (1, 1)
    ways = [fastest_way(filters, step, None, None, record, cells) for record in (True, False)]
    pooled = [fastest_way(filters, step, (2, 2), (2, 2), record, cells) for record in (True, False)]
    assert (*ways, pooled[1]) == FEW_CELLS[cells]
    # Its gradients must be the same for any number of threads.
    assert pooled[0] == "kernel"
    overlapping = fastest_way(filters, step, (3, 3), (2, 2), False, cells)
    assert overlapping == ("torch" if ways[1] == "torch" else "kernel, then pooling")


@given(st.floats(0.5, 3), st.floats(0, 500), *(st.integers(1, 300) for _ in range(3)))
def test_more_images_are_never_less_worth_it(gain, filters, images, high, wide):
    """As long as the algorithm gains anything on such a map."""
    few, many = (Worth(gain, filters).of((n, high, wide)) for n in (images, images + 1))
    assert many or not few


@pytest.mark.parametrize("pool", [None, 2, 3])
def test_with_few_cells_the_values_and_gradients_are_the_stages(pool):
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((1, 32, 9, 9), (32, 32, 3, 3), (32,)))
    options = {"padding": "same", "pool": pool, "pool_stride": pool and 2}
    truth = F.relu(F.conv2d(x.double(), weight.double(), bias.double(), padding=1))
    truth = truth if pool is None else F.max_pool2d(truth, pool, 2)
    y = conv_relu_pool(x, weight, bias, **options)
    with torch.no_grad():
        plain = conv_relu_pool(x, weight, bias, **options)
    ours = torch.autograd.grad(y.square().sum(), (x, weight, bias))
    expected = torch.autograd.grad(truth.square().sum(), (x, weight, bias))
    for found, exact in zip([y, plain, *ours], [truth, truth, *expected], strict=True):
        torch.testing.assert_close(found.double(), exact.double(), rtol=1e-4, atol=1e-3)


def test_a_graph_that_is_kept_can_be_gone_through_again():
    x = torch.rand(1, 16, 12, 12, requires_grad=True)
    y = conv_relu_pool(x, torch.randn(16, 16, 3, 3, requires_grad=True), pool=2).sum()
    (first,) = torch.autograd.grad(y, x, retain_graph=True)
    (second,) = torch.autograd.grad(y, x)
    assert torch.equal(first, second)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(y, x)

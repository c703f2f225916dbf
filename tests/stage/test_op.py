"""The public stage function against its definition, and against torch's own composition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from convstage import ConfigError
from convstage.stage import active, conv_relu_pool, reference


@st.composite
def cases(draw):
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    channels, filters = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from(["valid", "same", 1, (0, 2), (2, 0, 1, 1)]))
    pool = draw(st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pool_stride = draw(st.none() | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    image = random.integers(-3, 4, (height, width, channels)).astype(float)
    weights = random.integers(-2, 3, (filters, *size, channels)).astype(float)
    bias = random.integers(-2, 3, filters).astype(float) if draw(st.booleans()) else None
    return image, weights, bias, {"stride": stride, "padding": padding, "pool": pool, "pool_stride": pool_stride}


@given(cases())
@settings(max_examples=300, deadline=None)
def test_the_function_is_the_definition(case):
    image, weights, bias, options = case
    try:
        maps = reference.stage(image, weights, bias, **options)
    except ConfigError:
        return  # the filter or the window does not fit; torch says so too, in its own words
    expected = maps.after if maps.pooled is None else maps.pooled
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    weight = torch.from_numpy(weights).permute(0, 3, 1, 2)
    got = conv_relu_pool(x, weight, None if bias is None else torch.from_numpy(bias), **options)
    np.testing.assert_allclose(got[0].permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-12)


def test_gradients_are_torchs_own():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 9, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda *args: conv_relu_pool(*args, padding="same", pool=2), (x, weight, bias))
    ours = torch.autograd.grad(conv_relu_pool(x, weight, bias, padding="same", pool=2).sum(), (x, weight, bias))
    theirs = torch.autograd.grad(F.max_pool2d(F.relu(F.conv2d(x, weight, bias, padding=1)), 2).sum(), (x, weight, bias))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_there_is_no_gradient_at_zero():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    conv_relu_pool(x, torch.ones(1, 1, 1, 1), pool=2).sum().backward()
    assert not x.grad.any()


def test_nan_and_infinity_go_through():
    x = torch.tensor([[1.0, float("nan"), 2.0, float("inf")]]).view(1, 1, 1, 4)
    y = conv_relu_pool(x, torch.ones(1, 1, 1, 1), pool=(1, 2))
    assert torch.isnan(y[0, 0, 0, 0])
    assert torch.isposinf(y[0, 0, 0, 1])


def test_channels_last_stays_channels_last():
    x = torch.rand(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    y = conv_relu_pool(x, torch.rand(4, 3, 3, 3).contiguous(memory_format=torch.channels_last), padding="same", pool=2)
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("padding", ["full", -1, (1, -1), (1, 2, 3), 0.5, None])
def test_padding_that_is_none_is_refused(padding):
    with pytest.raises(ConfigError, match="padding must be valid, same, or zeros counted"):
        conv_relu_pool(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), padding=padding)


def test_the_active_implementation_says_why():
    implementation = active()
    assert implementation.name
    assert implementation.reason

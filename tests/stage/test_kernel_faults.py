"""What random shapes and malformed calls have found, one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import library as torch_library
from torch import nn
from torch.nn import functional as F

import convstage
from convstage import Pattern
from convstage.stage import conv_relu_pool
from convstage.stage.load import library
from convstage.stage.modules import FlattenRows
from convstage.stage.op import fastest_way
from convstage.stage.program import Program, UnsupportedError, runner

POOLED = ((1, 1), (1, 1, 1, 1), (2, 2), (2, 2))


def ops():
    library()
    return torch.ops.convstage


@pytest.mark.parametrize(("channels", "size"), [(3, (3, 1)), (1, (3, 3)), (9, (3, 1)), (1, (3, 9)), (3, (3, 3))])
def test_filters_of_as_many_taps_are_told_apart(isa, channels, size):
    """3 × 1 filters of three channels have the taps of 3 × 3 filters of one, and are not they."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, channels, 9, 12, generator=generator)
    weight = torch.randn(5, channels, *size, generator=generator).requires_grad_()
    gradient = torch.randn(2, 5, *F.max_pool2d(F.conv2d(x, weight), 2).shape[2:], generator=generator)
    (ours,) = torch.autograd.grad(conv_relu_pool(x, weight, pool=2), weight, gradient)
    (theirs,) = torch.autograd.grad(F.max_pool2d(F.conv2d(x, weight).relu(), 2), weight, gradient)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"pool": 2, "padding": 1}, {"padding": 1}, {"pool": (3, 2), "pool_stride": 1}])
@pytest.mark.parametrize("channels", [3, 6])
def test_the_gradient_can_be_differentiated_again(options, channels):
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(shape, generator=generator).requires_grad_()
        for shape in ((2, channels, 9, 8), (4, channels, 3, 3), (4,))
    ]

    def second(x, weight, bias):
        y = conv_relu_pool(x, weight, bias, **options)
        gradients = torch.autograd.grad(y.square().sum(), (x, weight, bias), create_graph=True)
        return torch.autograd.grad(sum(gradient.square().sum() for gradient in gradients), (x, weight, bias))

    wide = [tensor.detach().double().requires_grad_() for tensor in inputs]
    for ours, exact in zip(second(*inputs), second(*wide), strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-4, atol=1e-4 * exact.abs().max().item())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # forward_ad's own
def test_tangents_are_torchs():
    """Forward-mode derivatives, of which the operator knows none."""
    x, tangent = torch.randn(1, 2, 6, 6), torch.randn(1, 2, 6, 6)
    weight = torch.randn(3, 2, 3, 3)
    _, ours = torch.func.jvp(lambda x: conv_relu_pool(x, weight, pool=2), (x,), (tangent,))
    _, theirs = torch.func.jvp(lambda x: F.max_pool2d(F.conv2d(x, weight).relu(), 2), (x,), (tangent,))
    torch.testing.assert_close(ours, theirs)
    assert ours.any()


@pytest.mark.parametrize("place", range(3))
def test_tensors_with_and_without_data_are_not_mixed(place):
    tensors = [torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), torch.ones(3)]
    tensors[place] = tensors[place].to("meta")
    with pytest.raises(RuntimeError, match="tensors of one device are needed; got cpu and meta"):
        ops().conv_relu_pool(*tensors, *POOLED, True)


@pytest.mark.parametrize("place", range(3))
def test_a_tensor_without_its_memory_is_refused(place):
    tensors = [torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3), torch.ones(3)]
    tensors[place].untyped_storage().resize_(8)
    with pytest.raises(RuntimeError, match="a tensor's memory is smaller than the tensor"):
        ops().conv_relu_pool(*tensors, *POOLED, True)


BIG = 2**63 - 1


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (((1, 1), (BIG, BIG, 0, 0), (1, 1), (1, 1)), "has more than 2\\^46 numbers"),
        (((1, 1), (2**31, 2**31, 2**31, 2**31), (1, 1), (1, 1)), "has more than 2\\^46 numbers"),
        (((1, 1), (2**33, 2**33, 2**33, 2**33), (2**32, 2**32), (2**33, 2**33)), "has more than 2\\^46 numbers"),
        (((1, 1), (300, 300, 0, 0), (255, 1), (1, 1)), "a pooling window has at most 254 cells"),
        (((1, 1), (300, 300, 300, 300), (2**7, 2**7), (1, 1)), "a pooling window has at most 254 cells"),
    ],
)
def test_sizes_that_overflow_are_refused(windows, message):
    with pytest.raises(RuntimeError, match=message):
        ops().conv_relu_pool(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3), None, *windows, True)


def test_a_step_beyond_the_map_is_never_taken():
    x, weight = torch.randn(1, 2, 8, 8), torch.randn(3, 2, 3, 3)
    y, _ = ops().conv_relu_pool(x, weight, None, (2**62, 2**62), (0,) * 4, (1, 1), (2**62, 2**62), True)
    torch.testing.assert_close(y, F.conv2d(x, weight).relu()[..., :1, :1])


def test_a_map_without_cells_is_refused_as_by_torch():
    with pytest.raises(RuntimeError, match="a map has at least one cell"):
        ops().conv_relu_pool(
            torch.ones(1, 1, 0, 5), torch.ones(1, 1, 3, 3), None, (1, 1), (2,) * 4, (1, 1), (1, 1), True
        )


def test_windows_of_more_cells_than_a_byte_counts_are_not_unpooled():
    """255 would be a place and say that a window is dead."""
    gradient, winner = torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="a pooling window has at most 254 cells"):
        ops().conv_relu_pool_unpool(gradient, winner, (300, 1), (300, 1), (1, 1))


def test_a_bias_may_be_a_view():
    x, weight = torch.randn(1, 2, 6, 6), torch.randn(4, 2, 3, 3)
    for bias in (torch.tensor([0.5]).expand(4), torch.randn(4, 2)[:, 1]):
        torch.testing.assert_close(conv_relu_pool(x, weight, bias), F.conv2d(x, weight, bias).relu())


@pytest.mark.parametrize("filters", [1, 2, 16])
@pytest.mark.parametrize("padding", [0, (1, 0, 0, 0), 1])
def test_one_column_of_one_channel_in_channels_last_format_is_convolved(filters, padding):
    """Torch 2.13 takes numbers of other images, or of none, where all of a batch's maps are one column wide."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, 3, 1, generator=generator).permute(0, 3, 1, 2)
    weight = torch.randn(filters, 1, 2, 3, generator=generator)
    y = conv_relu_pool(x, weight, stride=(1, 5), padding=padding)
    assert y.shape[3] == 1
    exact = conv_relu_pool(
        x.double().clone(memory_format=torch.contiguous_format), weight.double(), stride=(1, 5), padding=padding
    )
    torch.testing.assert_close(y.double(), exact, rtol=1e-4, atol=1e-4)


def test_a_single_filter_in_channels_last_format_has_a_gradient():
    """Torch refuses it for small maps, and so did the operator where it takes torch's gradient."""
    x = torch.randn(1, 15, 14, 16).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(1, 15, 9, 1)
    last = weight.contiguous(memory_format=torch.channels_last).requires_grad_()
    (expected,) = torch.autograd.grad(F.conv2d(x, weight.requires_grad_(), stride=2).relu().sum(), weight)
    for y in (
        conv_relu_pool(x, last, stride=2),
        ops().conv_relu_pool(x, last, None, (2, 2), (0,) * 4, *POOLED[:1] * 2, True)[0],
    ):
        (found,) = torch.autograd.grad(y.sum(), last)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            (8, 8, 2),
            "a convolution of the network is for 1 channels, and gets 2: do the layers fit each other, and the shape",
        ),
        ((12, 8, 1), "a fully connected layer of the network is for 64 numbers, and gets 96: do the layers fit"),
        ((2, 2, 1), "a map of 2 × 2 cells is too small for the filter or the pooling window"),
    ],
)
def test_prediction_refuses_an_image_of_another_shape_than_the_networks(image, message):
    network = Pattern("INPUT -> CONV(4, 5) -> RELU -> POOL -> CLASSIFIER").plan((8, 8, 1), 3).build(seed=0).eval()
    if image == (2, 2, 1):
        network[0][0].margins = (0, 0, 0, 0)
    with pytest.raises(ValueError, match=message):
        Program(network, image)


def test_prediction_refuses_images_without_numbers_in_memory():
    network = Pattern("INPUT -> CONV(4) -> RELU -> CLASSIFIER").plan((8, 8, 1), 3).build(seed=0).eval()
    run, image = Program(network, (8, 8, 1)), torch.ones(1, 1, 8, 8)
    with pytest.raises(ValueError, match=r"is for tensors on the processor, not torch.strided on meta"):
        run(image.to("meta"))
    with torch.no_grad():
        torch.testing.assert_close(run(torch._neg_view(image)), network(-image))
    image.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="somebody has resized its storage"):
        run(image)


def test_prediction_refuses_a_bias_of_another_length_and_rows_of_maps():
    network = nn.Sequential(FlattenRows(), nn.Linear(4, 3))
    network[1].bias = nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="a bias of the network is for 2 filters, and gets 3"):
        Program(network, (2, 2, 1))
    with pytest.raises(UnsupportedError, match="fully connected layers of vectors only"):
        Program(nn.Sequential(nn.Linear(4, 3)), (2, 4, 1))


def test_a_network_made_in_inference_mode_can_be_run():
    with torch.inference_mode():
        network = Pattern("INPUT -> CONV(4) -> RELU -> CLASSIFIER").plan((8, 8, 1), 3).build(seed=0).eval()
        x = torch.randn(2, 1, 8, 8)
        torch.testing.assert_close(runner(network, (8, 8, 1))(x), network(x))


def test_torchs_own_checks_of_the_other_operators():
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(2, 3, 8, 9, generator=generator), torch.randn(4, 3, 3, 3, generator=generator)
    y, winner = ops().conv_relu_pool(x, weight, None, *POOLED, True)
    gradient = torch.randn(y.shape, generator=generator)
    torch_library.opcheck(ops().conv_relu_pool_weight_backward.default, (gradient, winner, x, (3, 3), *POOLED))
    torch_library.opcheck(ops().conv_relu_pool_input_backward.default, (gradient, winner, weight, x.shape, *POOLED))
    torch_library.opcheck(ops().conv_relu_pool_unpool.default, (gradient, winner, (8, 9), *POOLED[2:]))
    torch_library.opcheck(ops().conv_relu_pool_unpool.default, (gradient.requires_grad_(), winner, (8, 9), *POOLED[2:]))


def test_deterministic_algorithms_take_the_weights_gradient_from_the_kernel():
    weight = (32, 16, 5, 5)
    assert fastest_way(weight, (1, 1), None, None, True) == "torch"
    inputs = [torch.randn(2, 16, 9, 9), torch.randn(weight).requires_grad_(), torch.randn(32)]
    called = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            called.append(str(function))
            return function(*args, **(kwargs or {}))

    torch.use_deterministic_algorithms(True)
    try:
        with Watch():
            conv_relu_pool(*inputs).sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert any("conv_relu_pool_weight_backward" in name for name in called)
    assert not any("convolution" in name for name in called)


@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda steps: max(steps) > 1),
    padding=st.tuples(*[st.integers(1, 5)] * 4),
    shape=st.tuples(st.integers(2, 12), st.integers(2, 12)),
)
@settings(max_examples=60, deadline=None)
def test_the_gradient_of_a_strided_stage_by_the_kernel_is_torchs(size, stride, padding, shape):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *shape, generator=generator).requires_grad_()
    weight = torch.randn(5, 3, *size, generator=generator)
    y, _ = ops().conv_relu_pool(x, weight, None, stride, padding, (1, 1), (1, 1), True)
    gradient = torch.randn(y.shape, generator=generator)
    (theirs,) = torch.autograd.grad(y, x, gradient, retain_graph=True)
    torch.use_deterministic_algorithms(True)
    try:
        (ours,) = torch.autograd.grad(y, x, gradient)
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_training_ends_with_the_same_weights_for_any_number_of_threads(trained_folder, tmp_path):
    """Pooled stages and fully connected layers: what most networks here are made of."""
    weights = []
    for threads in (1, 2, 4):
        run = convstage.train(
            trained_folder,
            pattern="INPUT -> [CONV(8|16) -> RELU -> POOL]*2 -> FC(40) -> RELU -> DROPOUT(0.3) -> CLASSIFIER",
            epochs=2,
            batch_size=9,
            threads=threads,
            report=False,
            out=tmp_path / str(threads),
        )
        weights.append({name: tensor.numpy().tobytes() for name, tensor in run.read_model()[0].items()})
    assert weights[0] == weights[1] == weights[2]


def test_an_image_does_not_depend_on_the_infinities_of_another(isa):
    network = Pattern("INPUT -> CONV(32) -> RELU -> CONV(32) -> RELU -> POOL -> CLASSIFIER").plan((12, 10, 3), 4)
    run = Program(network.build(seed=0).eval(), (12, 10, 3))
    images = torch.randn(4, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    images[2, 1, 5, 5] = torch.inf
    together = run(images)
    for image in range(4):
        assert torch.equal(run(images[image : image + 1])[0].nan_to_num(), together[image].nan_to_num())
    assert not together[2].isfinite().all()

"""The compiled kernel, for every instruction set that this machine has, against torch and float64."""

import threading
import warnings

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import library
from torch.nn import functional as F

from convstage.stage import conv_relu_pool
from convstage.stage.autograd import DEAD
from convstage.stage.load import active, choose, instruction_sets

# A machine that builds nothing is no place to test the kernel, and must not pass for one.
ISAS = instruction_sets() or ["no compiled kernel"]


def composed(x, weight, bias, stride, padding, pool, pool_stride):
    top, bottom, left, right = padding
    y = F.relu(F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride))
    return F.max_pool2d(y, pool, pool_stride)


def operator(x, weight, bias, *windows, record=True):
    return torch.ops.convstage.conv_relu_pool(x, weight, bias, *windows, record)


@st.composite
def stages(draw):
    """Any filter, stride, padding, pooling, channels, batch and memory format."""
    n, c, k = (
        draw(st.integers(1, 3)),
        draw(st.sampled_from([1, 2, 3, 5, 16, 17, 33])),
        draw(st.sampled_from([1, 3, 16, 17, 40])),
    )
    size = draw(st.sampled_from([(1, 1), (3, 3), (5, 5), (2, 4), (7, 3), (1, 11)]))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    padding = tuple(draw(st.integers(0, size[axis] - 1)) for axis in (0, 0, 1, 1))
    pool = draw(st.sampled_from([(1, 1), (2, 2), (2, 2), (3, 3), (1, 4)]))
    pool_stride = draw(st.sampled_from([pool, pool, (1, 1), (2, 2), (3, 5)]))
    cells = [draw(st.integers(pool[axis], 9)) for axis in (0, 1)]
    h = max(1, (cells[0] - 1) * stride[0] + size[0] - padding[0] - padding[1] + draw(st.integers(0, stride[0] - 1)))
    w = max(1, (cells[1] - 1) * stride[1] + size[1] - padding[2] - padding[3] + draw(st.integers(0, stride[1] - 1)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    x = torch.randn(n, c, h, w, generator=generator)
    if draw(st.booleans()):
        x = x.contiguous(memory_format=torch.channels_last)
    weight = torch.randn(k, c, *size, generator=generator) / (c * size[0] * size[1]) ** 0.5
    bias = torch.randn(k, generator=generator) if draw(st.booleans()) else None
    return x, weight, bias, (stride, padding, pool, pool_stride)


def run(function, dtype, x, weight, bias, windows):
    """Return the output and the gradients of all inputs, for a gradient that is the same for all."""
    leaves = [tensor.to(dtype).requires_grad_() for tensor in (x, weight, bias) if tensor is not None]
    y = function(*leaves, *([None] if bias is None else []), *windows)
    gradient = torch.cos(torch.arange(y.numel(), dtype=torch.float64)).view(y.shape).to(dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves, gradient)]


def errors(x, weight, bias, windows):
    """Yield root-mean-square errors against float64, ours and torch's, and the size of the values."""
    exact = run(composed, torch.float64, x, weight, bias, windows)
    theirs = run(composed, torch.float32, x, weight, bias, windows)
    ours = run(lambda *args: operator(*args)[0], torch.float32, x, weight, bias, windows)
    for truth, mine, torchs in zip(exact, ours, theirs, strict=True):
        yield (*((value - truth).square().mean().sqrt().item() for value in (mine, torchs)), truth.abs().max().item())


def is_close_call(x, weight, bias, windows):
    """Return whether a window's winner hangs on rounding: then float32 may rightly choose another."""
    stride, (top, bottom, left, right), pool, pool_stride = windows
    padded = F.pad(x.double(), (left, right, top, bottom))
    before = F.relu(F.conv2d(padded, weight.double(), None if bias is None else bias.double(), stride))
    cells = F.unfold(before.flatten(0, 1)[:, None], pool, stride=pool_stride)
    best = cells.topk(min(2, cells.shape[1]), dim=1).values
    gap = best[:, 0] - best[:, 1] if best.shape[1] == 2 else best[:, 0]
    return bool(((best[:, 0] > 0) & (torch.minimum(gap, best[:, 0]) < 1e-4)).any())


@pytest.mark.parametrize("isa", ISAS)
@given(stage=stages())
@settings(max_examples=150, deadline=None)
def test_values_and_gradients_are_as_exact_as_torchs(isa, stage):
    """At most twice torch's error; on few cells that is luck, so what a sum in one row may lose is allowed, too."""
    choose(isa)
    assume(not is_close_call(*stage))
    x, weight, _, _ = stage
    longest = max(weight[0].numel(), x.shape[0] * x.shape[2] * x.shape[3])
    for ours, torchs, scale in errors(*stage):
        assert ours <= 2 * torchs + 6e-8 * longest**0.5 * (scale + 1)
    choose(ISAS[0])


@pytest.mark.parametrize("shape", [(8, 1, 32, 28), (8, 32, 64, 28), (8, 64, 128, 14), (2, 512, 64, 7), (8, 32, 32, 28)])
def test_on_layers_of_usual_size_the_error_is_at_most_twice_torchs(isa, shape):
    n, channels, filters, side = shape
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, channels, side, side, generator=generator)
    weight = torch.randn(filters, channels, 3, 3, generator=generator) / (9 * channels) ** 0.5
    bias = torch.randn(filters, generator=generator)
    for ours, torchs, scale in errors(x, weight, bias, ((1, 1), (1, 1, 1, 1), (2, 2), (2, 2))):
        if torchs < 1e-4 * scale:  # else a close call went to another winner
            assert ours <= 2 * torchs


def test_winners_are_torchs(isa):
    """Small whole numbers make sums exact and ties many."""
    generator = torch.Generator().manual_seed(0)
    for pool, step in (((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 2), (1, 1))):
        x = torch.randint(-2, 3, (2, 3, 11, 9), generator=generator).float()
        weight = torch.randint(-1, 2, (20, 3, 3, 3), generator=generator).float()
        y, winner = operator(x, weight, None, (1, 1), (1, 1, 1, 1), pool, step)
        before = F.relu(F.conv2d(x, weight, padding=1))
        expected, index = F.max_pool2d(before, pool, step, return_indices=True)
        assert torch.equal(y, expected)
        row, column = index // before.shape[3], index % before.shape[3]
        place = (
            (row - torch.arange(y.shape[2])[:, None] * step[0]) * pool[1] + column - torch.arange(y.shape[3]) * step[1]
        )
        assert torch.equal(winner.long(), torch.where(expected > 0, place, DEAD))


def test_nan_and_infinity_are_torchs(isa):
    values = torch.tensor([1.0, -1.0, 0.0, float("nan"), float("inf"), -float("inf"), -0.0])
    generator = torch.Generator().manual_seed(1)
    x = values[torch.randint(0, 7, (4, 1, 12, 12), generator=generator)]
    weight = torch.ones(17, 1, 1, 1)
    for pool in ((2, 2), (3, 3), (1, 1)):
        windows = ((1, 1), (0, 0, 0, 0), pool, pool)
        expected = composed(x, weight, None, *windows)
        y, winner = operator(x, weight, None, *windows)
        assert torch.equal(y.isnan(), expected.isnan())
        assert torch.equal(y.nan_to_num(7.0), expected.nan_to_num(7.0))
        assert torch.equal(winner == DEAD, expected == 0)


@pytest.mark.parametrize("pool", [(2, 2), (1, 1)])
@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_nan_and_infinity_stay_where_torch_has_them(isa, strange, pool):
    """With channels enough for Winograd's algorithm, which would spread them over a tile."""
    x, weight, bias = (tensor.detach() for tensor in problem(c=32))
    windows = ((1, 1), (1, 1, 1, 1), pool, pool)
    x[1, 5, 7, 8] = strange
    expected = composed(x, weight, bias, *windows)
    y, winner = operator(x, weight, bias, *windows)
    assert torch.equal(y.isfinite(), expected.isfinite())
    assert torch.equal(y.isnan(), expected.isnan())
    torch.testing.assert_close(y[::2], expected[::2], rtol=1e-4, atol=1e-4)
    gradient = torch.ones_like(y)
    gradient[winner != DEAD] *= torch.where(torch.arange(int((winner != DEAD).sum())) == 99, strange, 1)
    dense = torch.ops.convstage.conv_relu_pool_unpool(gradient, winner, x.shape[2:], *windows[2:])
    theirs = torch.nn.grad.conv2d_input(x.shape, weight, dense, padding=1)
    dx = torch.ops.convstage.conv_relu_pool_input_backward(gradient, winner, weight, x.shape, *windows)
    assert torch.equal(dx.isfinite(), theirs.isfinite())


def test_there_is_no_gradient_at_zero(isa):
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    y, winner = operator(x, torch.ones(1, 1, 1, 1), None, (1, 1), (0, 0, 0, 0), (2, 2), (2, 2))
    y.sum().backward()
    assert (winner == DEAD).all()
    assert not x.grad.any()


@pytest.mark.parametrize("channels", [3, 16, 32, 48])
@pytest.mark.parametrize(("same", "winners"), [((1, 1), {0}), ((1, 0), {0, 1}), ((0, 1), {0, 2})])
def test_where_the_image_is_flat_the_first_cell_wins(isa, channels, same, winners):
    """Flat in all directions, down the columns, along the rows: whichever algorithm runs, equal cells stay equal."""
    generator = torch.Generator().manual_seed(0)
    extents = (1 if same[0] else 22, 1 if same[1] else 22)
    x = torch.randn(2, channels, *extents, generator=generator).expand(2, channels, 22, 22)
    weight = torch.randn(40, channels, 3, 3, generator=generator)
    _, winner = operator(x, weight, None, (1, 1), (0, 0, 0, 0), (2, 2), (2, 2))
    assert set(winner.unique().tolist()) == winners | {DEAD}


def problem(n=3, c=16, k=33, side=20):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(n, c, side, side, generator=generator).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(k, c, 3, 3, generator=generator)
    return x.requires_grad_(), weight.requires_grad_(), torch.randn(k, generator=generator).requires_grad_()


def step(x, weight, bias):
    y = conv_relu_pool(x, weight, bias, padding="same", pool=2)
    return [y.detach(), *torch.autograd.grad(y, (x, weight, bias), torch.cos(y.detach()))]


def test_the_number_of_threads_changes_nothing(isa):
    tensors = problem()
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(step(*tensors))
    torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


def test_several_threads_may_call_at_once():
    tensors = problem()
    expected = step(*tensors)
    failures = []

    def work():
        results = [step(*tensors) for _ in range(5)]
        failures.extend(r for r in results if not all(map(torch.equal, r, expected)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize(
    ("windows", "record"),
    [
        (((1, 1), (1, 1, 1, 1), (2, 2), (2, 2)), True),
        (((1, 1), (0, 0, 0, 0), (3, 3), (2, 2)), True),
        (((2, 2), (1, 1, 1, 1), (2, 2), (1, 1)), True),
        (((1, 1), (1, 1, 1, 1), (1, 1), (1, 1)), True),
        (((1, 1), (1, 1, 1, 1), (2, 2), (2, 2)), False),
    ],
)
def test_torchs_own_checks_of_an_operator(windows, record):
    x, weight, bias = problem(n=2, c=3, k=4, side=10)
    if not record:
        x, weight, bias = x.detach(), weight.detach(), bias.detach()
    library.opcheck(torch.ops.convstage.conv_relu_pool, (x, weight, bias, *windows, record))
    library.opcheck(torch.ops.convstage.conv_relu_pool, (x, weight, None, *windows, record))


def test_gradcheck():
    """The kernel knows float32 only: with steps and tolerances for it, on whole numbers away from ties."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 2, 6, 6, generator=generator).requires_grad_()
    weight = torch.randn(3, 2, 3, 3, generator=generator).requires_grad_()
    bias = torch.randn(3, generator=generator).requires_grad_()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is not a double precision.*")
        assert torch.autograd.gradcheck(
            lambda *args: conv_relu_pool(*args, padding="same", pool=2),
            (x, weight, bias),
            eps=1e-3,
            atol=2e-2,
            rtol=1e-2,
        )


@pytest.mark.parametrize("channels", [1, 3, 5, 32, 40])
def test_a_stage_without_pooling(isa, channels):
    x, weight, bias = problem(c=channels)
    y, winner = operator(x, weight, bias, (1, 1), (1, 1, 1, 1), (1, 1), (1, 1))
    expected = F.relu(F.conv2d(x, weight, bias, padding=1))
    assert torch.equal(winner == DEAD, y == 0)
    torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-4)
    ours = torch.autograd.grad(y.square().sum(), (x, weight, bias))
    theirs = torch.autograd.grad(expected.square().sum(), (x, weight, bias))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-2)


def test_memory_of_the_forward_pass_is_the_output_and_a_byte_per_cell():
    x, weight, bias = problem()
    y, winner = operator(x, weight, bias, (1, 1), (1, 1, 1, 1), (2, 2), (2, 2))
    assert winner.dtype == torch.uint8
    assert winner.shape == y.shape
    kept = {id(tensor) for tensor in y.grad_fn.saved_tensors} if hasattr(y.grad_fn, "saved_tensors") else set()
    assert len(kept) <= 3
    with torch.no_grad():
        assert operator(x, weight, bias, (1, 1), (1, 1, 1, 1), (2, 2), (2, 2), record=False)[1].numel() == 0


@pytest.mark.parametrize("empty", ["batch", "filters"])
def test_nothing_in_nothing_out(empty):
    x = torch.zeros(0 if empty == "batch" else 2, 3, 8, 8, requires_grad=True)
    weight = torch.zeros(0 if empty == "filters" else 4, 3, 3, 3, requires_grad=True)
    y = conv_relu_pool(x, weight, padding="same", pool=2)
    assert y.shape == (x.shape[0], weight.shape[0], 4, 4)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not weight.grad.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(1, 2, 8, 8)}, "filters and input have different numbers of channels"),
        ({"x": torch.zeros(3, 8, 8)}, "a tensor of four dimensions is needed"),
        ({"x": torch.zeros(1, 3, 8, 8, dtype=torch.float64)}, "float32 is needed"),
        ({"x": torch.zeros(1, 3, 1, 1)}, "the filter is larger than the padded map"),
        ({"bias": torch.zeros(5)}, "bias is one number per filter"),
        ({"stride": (0, 1)}, "sizes and strides are at least 1"),
        ({"stride": (1, 1, 1)}, "are two numbers"),
        ({"padding": (-1, 0, 0, 0)}, "padding is at least 0"),
        ({"pool": (9, 9)}, "the pooling window is larger than the map"),
        ({"pool": (16, 16)}, "a pooling window has at most 254 cells"),
    ],
)
def test_malformed_calls_raise(change, message):
    arguments = {
        "x": torch.zeros(1, 3, 8, 8),
        "weight": torch.zeros(4, 3, 3, 3),
        "bias": None,
        "stride": (1, 1),
        "padding": (0, 0, 0, 0),
        "pool": (2, 2),
        "pool_stride": (2, 2),
    } | change
    with pytest.raises(RuntimeError, match=message):
        operator(*arguments.values())


def test_what_the_kernel_does_not_do_runs_composed():
    x, weight, bias = problem()
    for convert in (torch.Tensor.double, torch.Tensor.bfloat16):
        y = conv_relu_pool(convert(x), convert(weight), convert(bias), padding="same", pool=2)
        assert y.dtype == convert(x).dtype
    large = conv_relu_pool(x, weight, bias, padding="same", pool=16)
    assert torch.allclose(large, F.max_pool2d(F.relu(F.conv2d(x, weight, bias, padding=1)), 16), atol=1e-4)


def test_inference_mode_autocast_and_deepcopy():
    import copy

    from convstage import Pattern

    network = Pattern("INPUT(12x12x3) -> CONV(8) -> RELU -> POOL -> CLASSIFIER(2)").plan().build(seed=0)
    x = torch.rand(2, 3, 12, 12)
    expected = network(x).detach()
    with torch.inference_mode():
        assert torch.equal(network(x), expected)
    assert torch.equal(copy.deepcopy(network)(x).detach(), expected)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(network(x).float(), expected, atol=0.1)


def run_python(convstage, code, **environment):
    """Run a program that ends well, in which nothing of the kernel was used before."""
    ended = convstage.python(f"import warnings\nwarnings.simplefilter('always')\n{code}", environment=environment)
    assert not ended.returncode, ended.stderr
    return ended


@pytest.mark.parametrize("name", ISAS)
def test_the_environment_forces_an_instruction_set(convstage, name):
    code = "from convstage.stage import active; print(active().name, '|', active().reason)"
    assert run_python(convstage, code, CONVSTAGE_ISA=name).stdout == f"compiled kernel, {name} | CONVSTAGE_ISA={name}\n"


def test_the_environment_turns_the_kernel_off(convstage):
    code = "from convstage.stage import active; print(active().name, '|', active().reason)"
    told = run_python(convstage, code, CONVSTAGE_ISA="off")
    assert told.stdout == "composed torch operations | CONVSTAGE_ISA=off\n"
    assert told.stderr == ""


def test_an_instruction_set_that_is_not_here_gives_one_warning_and_the_widest(convstage):
    code = "from convstage.stage import active; print(active().name); active()"
    told = run_python(convstage, code, CONVSTAGE_ISA="abacus")
    assert told.stdout == f"compiled kernel, {ISAS[0]}\n"
    assert told.stderr.count("UserWarning: convstage: this machine has no instruction set CONVSTAGE_ISA=abacus") == 1


def test_without_the_library_everything_works_with_one_warning(convstage):
    code = """
from pathlib import Path
import torch
import convstage.stage.load as load
load.KERNELS = Path("nowhere.so")
from convstage.stage import active, conv_relu_pool
for _ in range(2):
    print(tuple(conv_relu_pool(torch.zeros(1, 1, 4, 4), torch.zeros(2, 1, 3, 3), padding="same", pool=2).shape))
print(active().name)
"""
    told = run_python(convstage, code)
    assert told.stdout == "(1, 2, 2, 2)\n(1, 2, 2, 2)\ncomposed torch operations\n"
    assert told.stderr.count("UserWarning: convstage: the compiled kernel was not built: there was no C++") == 1


def test_this_machine_has_the_kernel():
    assert active().compiled
    assert "scalar" in ISAS
    with pytest.raises(ValueError, match="there is no instruction set 'abacus' here; there are "):
        choose("abacus")

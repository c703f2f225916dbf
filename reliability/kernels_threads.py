"""The stage's operators give the same bits with 1, 2 and 4 threads; and which of torch's do not.

Random stages (`kernel_cases.py`) of larger batches, forward, backward and as prediction, fully connected layers, and,
to be told and not to be judged, operators of torch that a training may use.

    python reliability/kernels_threads.py [--shapes 1000] [--seed 0] [--seconds 300] [--result FILE]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convstage.stage import conv_relu_pool
from convstage.stage.linear import FullyConnected
from convstage.stage.load import choose, instruction_sets
from convstage.stage.modules import Convolution, FlattenRows, Stage
from convstage.stage.program import Program, UnsupportedError
from kernel_cases import Case, make
from outcome import end, parser

THREADS = (1, 2, 4)
#: Of the operators of torch, each on tensors of so many random sizes.
TORCHS_SIZES = 25

Results = list[Tensor]


def same(work: Callable[[], Results]) -> bool:
    """Return whether some work gives the same bits with every number of threads."""
    before, results = torch.get_num_threads(), []
    try:
        for threads in THREADS:
            torch.set_num_threads(threads)
            results.append(work())
    finally:
        torch.set_num_threads(before)
    return all(same_bits(one, other) for result in results[1:] for one, other in zip(result, results[0], strict=True))


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are equal, NaN and the sign of zero included."""
    return one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def ours(case: Case, repeats: int) -> Iterator[tuple[str, Callable[[], Results]]]:
    """Yield what is computed of a case, with its batch repeated: no multiple of anything."""
    ops, windows = torch.ops.convstage, case.windows
    x, gradient = (torch.cat([tensor] * repeats) for tensor in (case.x, case.gradient))
    _, winner = ops.conv_relu_pool(x, case.weight, case.bias, *windows, True)
    yield "values and winners", lambda: [*ops.conv_relu_pool(x, case.weight, case.bias, *windows, True)]
    yield "values", lambda: [ops.conv_relu_pool(x, case.weight, case.bias, *windows, False)[0]]
    size = case.weight.shape[2:]
    yield (
        "gradients of weights and biases",
        lambda: [*ops.conv_relu_pool_weight_backward(gradient, winner, x, size, *windows)],
    )
    if max(windows[0]) == 1:
        yield (
            "gradient of the input",
            lambda: [ops.conv_relu_pool_input_backward(gradient, winner, case.weight, x.shape, *windows)],
        )
    yield "prediction", lambda: predicted(case, x)
    yield "a training's step, torch told to be deterministic", lambda: stepped(case, x, gradient)


def predicted(case: Case, x: Tensor) -> Results:
    """Return what the fast path of prediction gives; nothing where torch is faster."""
    stride, padding, pool, step = case.windows
    size = (case.weight.shape[2], case.weight.shape[3])
    conv = Convolution(case.x.shape[1], len(case.weight), size, stride, padding)
    conv.weight = nn.Parameter(case.weight)
    conv.bias = None if case.bias is None else nn.Parameter(case.bias)
    pooling = [] if pool == step == (1, 1) else [nn.MaxPool2d(pool, step)]
    try:
        network = nn.Sequential(Stage(conv, nn.ReLU(), *pooling), FlattenRows())
        return [Program(network, (x.shape[2], x.shape[3], x.shape[1]))(x)]
    except UnsupportedError:
        return []


def stepped(case: Case, x: Tensor, gradient: Tensor) -> Results:
    """Return the gradients of the public function, whoever computes them."""
    stride, padding, pool, step = case.windows
    window = None if pool == step == (1, 1) else pool
    leaves = [tensor.detach().requires_grad_() for tensor in (x, case.weight, case.bias) if tensor is not None]
    torch.use_deterministic_algorithms(True)
    try:
        options: Any = {"stride": stride, "padding": padding, "pool": window, "pool_stride": window and step}
        y = conv_relu_pool(*leaves, **options)
        return [y.detach(), *torch.autograd.grad(y, leaves, gradient)]
    finally:
        torch.use_deterministic_algorithms(False)


def connected(random: Random) -> Callable[[], Results]:
    """Return the work of a fully connected layer and its gradients."""
    n, c, k = random.randint(1, 300), random.randint(1, 3000), random.randint(1, 300)
    layer, x, gradient = FullyConnected(c, k), torch.randn(n, c).requires_grad_(), torch.randn(n, k)

    def work() -> Results:
        y = layer(x)
        return [y.detach(), *torch.autograd.grad(y, [x, *layer.parameters()], gradient)]

    return work


def torchs(random: Random) -> Iterator[tuple[str, Callable[[], Results]]]:
    """Yield operators of torch, on random sizes."""
    n, c, k, side = random.randint(2, 64), random.choice((3, 16, 32)), random.choice((16, 32)), random.randint(8, 32)
    maps = torch.randn(n, c, side, side).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(k, c, 3, 3).contiguous(memory_format=torch.channels_last)
    gradient = torch.randn(n, k, side, side).contiguous(memory_format=torch.channels_last)

    def convolution(*wanted: bool) -> Results:
        found = torch.ops.aten.convolution_backward(
            gradient, maps, weight, [k], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, list(wanted)
        )
        return [tensor for tensor in found if tensor is not None]

    yield "convolution: values", lambda: [F.conv2d(maps, weight, padding=1)]
    yield "convolution: gradient of the input", lambda: convolution(True, False, False)
    yield "convolution: gradient of the weights", lambda: convolution(False, True, False)
    yield "convolution: gradient of the biases", lambda: convolution(False, False, True)
    for name, layer in {
        "batch normalisation": nn.BatchNorm2d(c),
        "average pooling": nn.AvgPool2d(2),
        "max pooling": nn.MaxPool2d(3, 2),
        "global average pooling": nn.AdaptiveAvgPool2d(1),
        "GELU": nn.GELU(),
        "sigmoid": nn.Sigmoid(),
        "tanh": nn.Tanh(),
        "leaky ReLU": nn.LeakyReLU(),
        "softmax": nn.Softmax(1),
    }.items():
        yield name, lambda layer=layer: with_gradients(layer, maps)  # type: ignore[misc]
    rows, matrix = torch.randn(n, 40 * c), torch.randn(k, 40 * c)
    yield "matrix product (torch.nn.Linear)", lambda: [F.linear(rows, matrix)]
    labels = torch.arange(n) % k
    yield "cross-entropy", lambda: with_gradients(lambda logits: F.cross_entropy(logits, labels)[None], rows[:, :k])
    yield "length of a gradient", lambda: [torch.stack(torch._foreach_norm([maps, weight]))]
    yield "sum of all numbers", lambda: [maps.sum()]


def with_gradients(layer: Callable[[Tensor], Tensor], x: Tensor) -> Results:
    """Return a layer's output and all of its gradients."""
    leaf = x.detach().clone().requires_grad_()
    y = layer(leaf)
    parameters = list(layer.parameters()) if isinstance(layer, nn.Module) else []
    return [y.detach(), *torch.autograd.grad(y, [leaf, *parameters], torch.cos(y.detach()))]


def main() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--shapes", type=int, default=1000, help="random stages, spread over the instruction sets")
    asked = flags.parse_args()
    began, random = time.monotonic(), Random(asked.seed)
    torch.manual_seed(asked.seed)
    compared: dict[str, int] = {}
    problems: list[str] = []
    isas = instruction_sets()
    number = 0
    while number < asked.shapes and time.monotonic() - began < asked.seconds:
        choose(isas[number % len(isas)])
        case = make(number, asked.seed)
        works = list(ours(case, random.randint(1, 7))) if case.x.numel() and case.weight.numel() else []
        for name, work in [*works, ("fully connected layer, with its gradients", connected(random))]:
            compared[name] = compared.get(name, 0) + 1
            if not same(work):
                problems.append(f"{name}, {isas[number % len(isas)]}, case {number}: {case}")
        number += 1
    choose(isas[0])
    if number < asked.shapes:
        problems.append(f"the time was up after {number} of {asked.shapes} stages")
    told: dict[str, int] = {}
    for _ in range(TORCHS_SIZES):
        for name, work in torchs(random):
            told[name] = told.get(name, 0) + (not same(work))
    figures = {
        "stages": number,
        "threads": list(THREADS),
        "compared": compared,
        f"torch's operators: sizes of {TORCHS_SIZES} where bits differ": told,
    }
    end(asked.result, "the same bits with any number of threads", figures, problems, began)


if __name__ == "__main__":
    main()

"""Malformed calls of the stage's operators give Python exceptions: no crash, and nothing out of bounds.

A valid call of an operator, of the public function or of the fast path of prediction is spoiled in one way or two:
ranks, types, devices, layouts, memory taken away, sizes that do not belong together, winners that are none, windows of
any length and number. The calls are made in processes of their own, so that a crash is seen, with 4 GiB
of memory to ask for. A call that must not succeed and does is told, too; some are odd, but can be answered.

    python reliability/kernels_malformed.py [--calls 1200] [--seed 0] [--seconds 600] [--result FILE]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded

import torch
from torch import Tensor, nn

from convstage.stage import conv_relu_pool
from convstage.stage.load import choose, instruction_sets
from convstage.stage.modules import Convolution, FlattenRows, Stage
from convstage.stage.program import Program
from kernel_cases import Case, make
from outcome import end, parser

#: Bytes that a process may ask for above what it has.
ROOM = 4 << 30
#: Numbers that no window has; -1 and 0 are odd, the others overflow somewhere.
NUMBERS = (
    -1,
    0,
    -(2**62),
    2**31 - 1,
    2**31,
    2**32,
    2**33,
    2**46,
    2**61,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    2.5,
    None,
    "2",
)
#: Objects that are no tensors.
OBJECTS = (None, 3, "x", [1.0], object())

Arguments = list[Any]
#: What is called, its arguments, and which of them are tensors and which are lists of numbers.
Call = tuple[str, Callable[..., Any], Arguments]


def calls(case: Case) -> list[Call]:
    """Return valid calls of all operators on a case."""
    ops, windows = torch.ops.convstage, [list(window) for window in case.windows]
    x, weight, bias, gradient = case.x, case.weight, case.bias, case.gradient
    _, winner = ops.conv_relu_pool(x, weight, bias, *windows, True)
    before = [(gradient.shape[axis + 2] - 1) * windows[3][axis] + windows[2][axis] for axis in (0, 1)]
    found: list[Call] = [
        ("conv_relu_pool", ops.conv_relu_pool, [x, weight, bias, *windows, True]),
        (
            "weight_backward",
            ops.conv_relu_pool_weight_backward,
            [gradient, winner, x, list(weight.shape[2:]), *windows],
        ),
        ("unpool", ops.conv_relu_pool_unpool, [gradient, winner, before, *windows[2:]]),
        ("function", function, [x, weight, bias, *windows]),
        ("prediction", predict, [x, weight, bias, *windows, [x.shape[2], x.shape[3], x.shape[1]]]),
    ]
    if max(windows[0]) == 1:
        arguments = [gradient, winner, weight, list(x.shape), *windows]
        found.append(("input_backward", ops.conv_relu_pool_input_backward, arguments))
    return found


def function(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, pool: Any, pool_stride: Any) -> Tensor:
    """Call the public function."""
    return conv_relu_pool(x, weight, bias, stride=stride, padding=padding, pool=pool, pool_stride=pool_stride)


def predict(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, pool: Any, pool_stride: Any, image: Any) -> Any:
    """Run a stage as a network by the fast path of prediction."""
    filters, channels, *size = weight.shape
    conv = Convolution(channels, filters, tuple(size), tuple(stride), tuple(padding))
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    layers = [conv, nn.ReLU(), nn.MaxPool2d(tuple(pool), tuple(pool_stride))]
    return Program(nn.Sequential(Stage(*layers), FlattenRows()), tuple(image))(x)


def taken_away(tensor: Tensor) -> Tensor:
    """Return a copy without its memory."""
    copy = tensor.clone()
    copy.untyped_storage().resize_(0)
    return copy


#: Name -> a spoiled tensor. The operators must refuse all of the first; the others they may answer.
REFUSED: dict[str, Callable[[Tensor, Random], Any]] = {
    "no tensor": lambda _, random: random.choice(OBJECTS[1:]),
    "fewer axes": lambda tensor, _: tensor.flatten(0, 1) if tensor.dim() > 1 else tensor.sum(),
    "more axes": lambda tensor, _: tensor[None],
    "another type": lambda tensor, random: tensor.to(
        random.choice((torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64))
    ),
    "no data": lambda tensor, _: tensor.to("meta"),
    "one channel more": lambda tensor, _: torch.cat([tensor, tensor[:, :1]], 1) if tensor.dim() > 1 else tensor[None],
    "sparse": lambda tensor, _: tensor.to_sparse(),
    "memory taken away": lambda tensor, _: taken_away(tensor),
}
ANSWERED: dict[str, Callable[[Tensor, Random], Any]] = {
    "no image": lambda tensor, _: tensor[:0],
    "one more": lambda tensor, _: torch.cat([tensor, tensor[:1]]),
    "no cells": lambda tensor, _: tensor[..., :0],
    "fewer cells": lambda tensor, _: tensor[..., :-1],
    "endless": lambda tensor, _: tensor[:1].expand(2**40, *tensor.shape[1:]),
    "other numbers": lambda tensor, random: (
        torch.full_like(tensor, random.choice((254, 255, 100, 9)))
        if tensor.dtype == torch.uint8
        else tensor * torch.nan
    ),
    "a view with a gradient": lambda tensor, _: (
        tensor.clone().requires_grad_().flip(0)[:] if tensor.dtype == torch.float32 else tensor.flip(0)
    ),
    "a half of something": lambda tensor, _: torch.stack([tensor, tensor], -1)[..., 0],
    "a negated view": lambda tensor, _: torch._neg_view(tensor) if tensor.dtype == torch.float32 else tensor,
}


def spoil(name: str, arguments: Arguments, random: Random) -> tuple[Arguments, str, bool]:
    """Return spoiled arguments, in which way, and whether they must be refused."""
    arguments = list(arguments)
    tensors = [place for place, value in enumerate(arguments) if isinstance(value, Tensor) and value.numel()]
    lists = [place for place, value in enumerate(arguments) if isinstance(value, list)]
    kind = random.random()
    operator = name not in ("function", "prediction")  # those have torch to turn to
    if kind < 0.04 and operator:
        return arguments[:-1] if random.random() < 0.5 else [*arguments, 1, 2], "number of arguments", True
    if kind < 0.5 and tensors:
        place, refused = random.choice(tensors), random.random() < 0.6
        way = random.choice(list(REFUSED if refused else ANSWERED))
        if name == "function" and "taken away" in way:
            way = "no data"  # where torch's own operators run, that crashes torch
        arguments[place] = (REFUSED | ANSWERED)[way](arguments[place], random)
        other_input = name == "weight_backward" and place == 2 and "channel" in way  # of other channels, but an input
        return arguments, f"argument {place}: {way}", refused and operator and not other_input
    place = random.choice(lists)
    values = list(arguments[place])
    if random.random() < 0.2:
        count = random.choice([length for length in (0, 1, 3, 5, 6) if length != len(values)])
        arguments[place] = (values * 6)[:count]
        # One number stands for all of a list, in torch's schemas.
        return arguments, f"argument {place}: {count} numbers", operator and count > 1
    number = random.choice(NUMBERS)
    values[random.randrange(len(values))] = number
    arguments[place] = values
    refused = operator and (isinstance(number, str | float | type(None)) or abs(number) >= 2**63 or number < 0)
    return arguments, f"argument {place}: {number!r} in {values}", refused


def make_call(number: int, seed: int) -> tuple[str, str]:
    """Make a call by its number; return what became of it, and what must not have been."""
    random = Random(f"{seed} {number}")
    isas = instruction_sets()
    choose(isas[number % len(isas)])
    case = make(number, seed)
    name, call, arguments = random.choice(calls(case))
    how, must_raise = "", False
    for _ in range(random.choice((1, 1, 2))):
        try:
            arguments, way, refused = spoil(name, arguments, random)
        except Exception:  # what is spoiled cannot always be spoiled further
            break
        how, must_raise = f"{how}; {way}", must_raise or refused
        if (
            "taken away" in way or "endless" in way
        ):  # torch crashes when it copies the one, and is never done with the other
            break
    try:
        result = call(*arguments)
    except Exception as error:
        return type(error).__name__, "" if str(error) else f"{name}{how}: the exception says nothing"
    # What was answered must be there: every number is read.
    for tensor in result if isinstance(result, tuple) else (result,):
        if tensor.device.type == "cpu" and tensor.numel() <= 2**24:
            tensor.double().sum().item()
    return "answered", f"{name}{how}: answered, on {case}" if must_raise else ""


def work(numbers: Sequence[int], seed: int) -> None:
    """Make calls in this process, each told before it begins and after it ends."""
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
    warnings.simplefilter("ignore")
    for number in numbers:
        print(number, flush=True)
        what, problem = make_call(number, seed)
        print(what, problem.replace("\n", " "), sep="\t", flush=True)


def watch(count: int, seed: int, seconds: float = 600) -> tuple[Counter[str], list[str]]:
    """Make calls in processes, a new one after each crash; return what became of them, and what must not have been."""
    told: Counter[str] = Counter()
    problems: list[str] = []
    first, until = 0, time.monotonic() + seconds
    while first < count:
        command = [sys.executable, __file__, "--child", f"{first}", "--calls", f"{count}", "--seed", f"{seed}"]
        try:
            left = max(1.0, until - time.monotonic())
            child = subprocess.run(command, capture_output=True, text=True, timeout=left, check=False)
            output, ended = (
                child.stdout,
                f"ends with {child.returncode}: {child.stderr[-300:]}" * (child.returncode != 0),
            )
        except subprocess.TimeoutExpired as late:
            output, ended = (late.stdout or b"").decode(), "is not done in time"
        lines = output.splitlines()
        for line in lines[1::2]:
            what, problem = line.split("\t")
            told[what] += 1
            problems += [problem] if problem else []
        if ended:
            problems.append(f"call {lines[-1] if lines else first}: the process {ended}")
        if ended.startswith("is not"):
            break
        first = int(lines[-2 if len(lines) % 2 == 0 else -1]) + 1 if lines else count
    return told, problems


def main() -> None:
    flags = parser(__file__, __doc__)
    flags.add_argument("--calls", type=int, default=1200, help="some of which are odd, but are answered")
    flags.add_argument("--child", type=int, metavar="FIRST", help="make the calls in this process, from this one on")
    asked = flags.parse_args()
    if asked.child is not None:
        work(range(asked.child, asked.calls), asked.seed)
        return
    began = time.monotonic()
    told, problems = watch(asked.calls, asked.seed, asked.seconds)
    figures = {"calls": told.total(), "exceptions": told.total() - told["answered"], "became": dict(told)}
    end(asked.result, "malformed calls of the stage's operators", figures, problems, began)


if __name__ == "__main__":
    main()

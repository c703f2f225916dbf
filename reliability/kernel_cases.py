"""Random stages by number: any filter, stride, padding, pooling, channels, batch, layout in memory, kind of values."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

#: stride; zeros at the top, bottom, left, right; pooling window; its stride.
Windows = tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int], tuple[int, int]]

CHANNELS = (1, 1, 2, 3, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 40, 64, 65)
FILTERS = (1, 2, 3, 8, 15, 16, 17, 32, 33, 40, 48, 64)
SIZES = (*4 * ((3, 3),), (1, 1), (2, 2), (5, 5), (7, 7), (2, 4), (7, 3), (1, 3), (3, 1), (1, 11), (9, 1))
POOLS = ("none", "2×2", "2×2", "2×2", "any", "overlapping", "average")
LAYOUTS = ("plain", "channels last", "offset", "every other", "turned", "expanded")
VALUES = ("normal", "normal", "after ReLU", "whole", "whole", "huge", "tiny", "denormal", "zero", "strange")
#: Values of which one is put into an input that is otherwise normal.
STRANGE = (float("nan"), float("inf"), -float("inf"), 3e38, -0.0)
#: Products of a case, at most: it takes some milliseconds.
MOST_PRODUCTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A stage, its input, and the gradient of its output.

    Attributes
    ----------
    x : Tensor, shape (n, c, h, w)
    weight : Tensor, shape (k, c, fh, fw)
    bias : Tensor, shape (k,), or None
    gradient : Tensor, shape (n, k, qh, qw)
        Of the output.
    windows : Windows
        As the operator takes them.
    average : bool
        Whether torch's average pooling of 2 × 2 cells follows; the stage itself has no pooling then.
    layout, values : str
        How the tensors lie in memory (one of `LAYOUTS`), and what is in them (one of `VALUES`).
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    gradient: Tensor
    windows: Windows
    average: bool
    layout: str
    values: str

    def __str__(self) -> str:
        shapes = f"x {tuple(self.x.shape)}, weight {tuple(self.weight.shape)}, {'no ' * (self.bias is None)}bias"
        return f"{shapes}, windows {self.windows}, {self.layout}, {self.values}"


def make(number: int, seed: int = 0) -> Case:
    """Return a case by its number; the same whenever and wherever it is made."""
    random = Random(f"{seed} {number}")
    while True:
        shape, windows, average = _shape(random)
        n, c, k, h, w, fh, fw, high, wide = shape
        if n * k * high * wide * c * fh * fw <= MOST_PRODUCTS:
            break
    torch_random = torch.Generator().manual_seed(random.getrandbits(62))
    values, layout = random.choice(VALUES), random.choice(LAYOUTS)
    x = _values(values, (n, c, h, w), random, torch_random)
    weight = _values("whole" if values == "whole" else "normal", (k, c, fh, fw), random, torch_random)
    if values != "whole":
        weight /= (c * fh * fw) ** 0.5
    bias = _values("whole" if values == "whole" else "normal", (k,), random, torch_random)
    bias *= {"huge": 1e15, "tiny": 1e-15, "denormal": 0, "zero": 0}.get(values, 1)
    pooled = [(size - p) // s + 1 for size, p, s in zip((high, wide), *windows[2:], strict=True)]
    gradient = _values("whole" if values == "whole" else "normal", (n, k, *pooled), random, torch_random)
    return Case(
        _laid(x, layout, random),
        _laid(weight, random.choice(LAYOUTS[:5]), random),
        None if random.random() < 0.25 else bias,
        _laid(gradient, random.choice(LAYOUTS[:5]), random),
        windows,
        average,
        layout,
        values,
    )


def _shape(random: Random) -> tuple[tuple[int, ...], Windows, bool]:
    n, c, k = random.choice((1, 1, 2, 3, 5)), random.choice(CHANNELS), random.choice(FILTERS)
    empty = random.random()
    if empty < 0.02:
        n = 0
    elif empty < 0.03:
        k = 0
    size = random.choice(SIZES)
    stride = random.choice(((1, 1), (1, 1), (1, 1), (2, 2), (1, 3), (4, 1)))
    padding = [random.choice((0, (f - 1) // 2, f // 2, random.randint(0, f + 1))) for f in size for _ in range(2)]
    kind = random.choice(POOLS)
    pool = {"none": (1, 1), "average": (1, 1), "2×2": (2, 2)}.get(kind, (random.randint(1, 4), random.randint(1, 4)))
    step = pool
    if kind == "any":
        step = (random.randint(1, 5), random.randint(1, 5))
    elif kind == "overlapping":
        step = (max(1, pool[0] - 1), max(1, pool[1] - 1))
    cells = [random.randint(max(p, 2 if kind == "average" else 1), 14) for p in pool]
    given = []
    for axis in (0, 1):
        before, after = padding[2 * axis : 2 * axis + 2]
        spare = random.randint(0, stride[axis] - 1)
        given.append(max(1, (cells[axis] - 1) * stride[axis] + size[axis] - before - after + spare))
    high, wide = (
        (given[axis] + padding[2 * axis] + padding[2 * axis + 1] - size[axis]) // stride[axis] + 1 for axis in (0, 1)
    )
    windows = (stride, (padding[0], padding[1], padding[2], padding[3]), pool, step)
    return (n, c, k, *given, *size, high, wide), windows, kind == "average"


def _values(kind: str, shape: tuple[int, ...], random: Random, generator: torch.Generator) -> Tensor:
    if kind == "whole":
        return torch.randint(-3, 4, shape, generator=generator).float()
    found = torch.randn(shape, generator=generator)
    match kind:
        case "after ReLU":
            return found.relu()
        case "zero":
            return found * 0  # zeros of both signs
        case "strange" if found.numel():
            found.view(-1)[random.randrange(found.numel())] = random.choice(STRANGE)
    return found * {"huge": 1e15, "tiny": 1e-15, "denormal": 1e-39}.get(kind, 1)


def _laid(tensor: Tensor, layout: str, random: Random) -> Tensor:
    """Return the same numbers, lying otherwise in memory; "expanded" repeats one image or one channel."""
    n, c, h, w = tensor.shape
    match layout:
        case "channels last":
            return tensor.contiguous(memory_format=torch.channels_last)
        case "offset":  # numbers begin anywhere: vectors are not aligned
            start = random.randint(1, 17)
            buffer = torch.full((tensor.numel() + start + 5,), float("nan"))
            view = buffer[start : start + tensor.numel()].view(n, h, w, c).permute(0, 3, 1, 2)
            return view.copy_(tensor)
        case "every other":
            return torch.full((n, c, h, 2 * w + 1), float("nan"))[..., 1::2].copy_(tensor)
        case "turned":
            return torch.full((w, h, c, n), float("nan")).permute(3, 2, 1, 0).copy_(tensor)
        case "expanded" if n and c:
            return tensor[:1].expand(n, c, h, w) if random.random() < 0.5 else tensor[:, :1].expand(n, c, h, w)
    return tensor

"""What must hold for the stage's operators on a case: errors at most twice torch's, and torch's special values.

An error is the largest difference from float64, of all numbers of a tensor. Ours may be twice torch's in
float32 on the same numbers in channels-last format, plus what one sum in a row may lose: u·q·√m, and
4·u·q at least. u = 2⁻²⁴ is what rounding one number may cost, m the number of terms, and q the largest root of
a sum of squared terms: independent rounding errors grow with roots (Higham and Mary 2019, doi:10.1137/18M1226312), and
the squares of m partial sums add up to q²·m/2, so that √m is 2.4 standard deviations. Without it
tensors of few numbers would fail by luck: torch's error is zero on some. For all cases together the root mean
square of error / (u·q) is compared, too, where luck plays no part: `Finding.score`.

A winner that differs from that of float64 must be as large as rounding allows. Gradients are compared with
those of float64 for the same winners: torch's with torch's, ours with ours. Whole numbers torch adds without
error, where larger tiles of Winograd's algorithm do not: there torch's error is that on a third of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from convstage.sizes import pair
from convstage.stage import conv_relu_pool
from convstage.stage.autograd import DEAD
from convstage.stage.modules import Convolution, FlattenRows, Stage
from convstage.stage.program import Program, UnsupportedError
from kernel_cases import Case, Windows

U = 2.0**-24
#: The smallest difference of two numbers: below it there is nothing to round to.
LEAST = 2.0**-149
#: So many times what a sum may lose is no rounding: torch is wrong, and no measure (`convstage.stage.op.conv2d`).
WRONG = 10
#: Sums whose terms together may be larger can overflow on their way, or not, as the order has it.
OVERFLOWS = 2.0**126


@dataclass(frozen=True, slots=True)
class Finding:
    """A tensor's errors.

    Attributes
    ----------
    part : str
        Which tensor.
    ours, torchs : float
        Largest errors.
    rounding : float
        What one sum in a row may lose, see above.
    score : (float, float)
        Ours and torch's, in u·q.
    problem : str
        What does not hold; "" when all does.
    """

    part: str
    ours: float = 0.0
    torchs: float = 0.0
    rounding: float = 0.0
    score: tuple[float, float] = (0.0, 0.0)
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Our error over torch's, to which half the allowance is added: at most 2."""
        return self.ours / (self.torchs + self.rounding / 2 + LEAST)


def operators() -> Any:
    """Return the operators that are checked."""
    return torch.ops.convstage


def check(case: Case) -> Iterator[Finding]:
    """Yield what there is to say of a case: one finding for every tensor that an operator gives."""
    try:
        yield from _check(case)
    except Exception as error:  # the caller wants to know which case it was
        yield Finding("call", problem=f"{type(error).__name__}: {error}")


def _check(case: Case) -> Iterator[Finding]:
    ops, x, weight, bias, windows = operators(), case.x, case.weight, case.bias, case.windows
    y, winner = ops.conv_relu_pool(x, weight, bias, *windows, True)
    plain, nothing = ops.conv_relu_pool(x, weight, bias, *windows, False)
    if nothing.numel() or not _same(plain, y):
        yield Finding("values", problem="with winners and without, the values differ")
    if bool(((winner == DEAD) != (y == 0)).any()):
        yield Finding("winners", problem="a window is dead if, and only if, its value is 0")
    if not case.x.numel() or not case.weight.numel():
        yield from _empty(case, y, winner)
        return
    exact = _Exact(case)
    yield exact.values("values", y)
    if winner.max() < DEAD or (winner != DEAD).any():
        yield exact.winners(winner)
    yield from _gradients(case, exact, winner)
    yield from _public(case, exact)
    if not case.average:
        yield from _program(case, exact)


def _empty(case: Case, y: Tensor, winner: Tensor) -> Iterator[Finding]:
    """Nothing in, nothing out, and no gradient for weights that have seen nothing."""
    ops, stride = operators(), case.windows[0]
    dw, db = ops.conv_relu_pool_weight_backward(case.gradient, winner, case.x, case.weight.shape[2:], *case.windows)
    if y.shape != case.gradient.shape or dw.any() or db.any():
        yield Finding("empty", problem="nothing gives something")
    if max(stride) == 1:
        dx = ops.conv_relu_pool_input_backward(case.gradient, winner, case.weight, case.x.shape, *case.windows)
        if dx.shape != case.x.shape or dx.any():
            yield Finding("empty", problem="nothing has a gradient")


class _Exact:
    """A case in float64, and torch's float32 beside it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        tensors = [tensor for tensor in (case.x, case.weight, case.bias) if tensor is not None]
        self.before = convolved(*(tensor.double() for tensor in tensors), windows=case.windows)
        self.terms = case.weight[0].numel() + 1
        formats = [torch.channels_last if tensor.dim() == 4 else torch.contiguous_format for tensor in tensors]
        self.near = [tensor.contiguous(memory_format=wanted) for tensor, wanted in zip(tensors, formats, strict=True)]
        self.torchs_before = convolved(*self.near, windows=case.windows)
        self.roots = convolved(*(tensor.double().square() for tensor in tensors), windows=case.windows).sqrt()
        self.torchs_error = None
        if case.values == "whole" and by_points_that_round(case, whatever_pooling=True):
            thirds = [tensor / 3 for tensor in self.near]
            exact = convolved(*(tensor.double() for tensor in thirds), windows=case.windows)
            self.torchs_error = 9 * _error(convolved(*thirds, windows=case.windows), exact)
        error = _error(self.torchs_before, self.before) if self.torchs_error is None else self.torchs_error
        self.allowed = 2 * error + _rounding(self.roots, self.terms)

    def values(self, part: str, y: Tensor, after: Callable[[Tensor], Tensor] | None = None) -> Finding:
        """Compare an output, of the stage with its own pooling or with another one `after` it."""
        pool = after or (lambda before: F.max_pool2d(before.relu(), *self.case.windows[2:]))
        torchs, truth, roots = pool(self.torchs_before), pool(self.before), pool(self.roots)
        return _finding(part, y, torchs, truth, roots, self.terms, strict=True, torchs_error=self.torchs_error)

    def winners(self, winner: Tensor) -> Finding:
        """See whether every winner is the largest of its window, and alive, as far as rounding lets one say."""
        _, _, pool, step = self.case.windows
        largest = F.max_pool2d(self.before, pool, step)
        won = picked(self.before, winner, pool, step)
        alive = winner != DEAD
        if self.case.values == "whole" and not by_points_that_round(self.case):
            expected = winners_of(self.before.relu(), pool, step)
            return Finding("winners", problem="" if torch.equal(expected, winner) else "ties: not the first cell wins")
        behind = torch.where(alive, largest - won, largest).nan_to_num(0, 0, 0)
        wrong = bool((behind > self.allowed).any())
        return Finding("winners", problem="a winner is not the largest of its window" if wrong else "")


def _gradients(case: Case, exact: _Exact, winner: Tensor) -> Iterator[Finding]:
    ops, windows, gradient = operators(), case.windows, case.gradient
    x, weight = case.x, case.weight
    pool, step = windows[2:]
    size = exact.before.shape[2:]
    dense = ops.conv_relu_pool_unpool(gradient, winner, size, pool, step)
    truth, single = (unpooled(given, winner, size, pool, step) for given in (gradient.double(), gradient.float()))
    yield _finding("gradient before the pooling", dense, single, truth, truth.abs(), pool[0] * pool[1])
    dw, db = ops.conv_relu_pool_weight_backward(gradient, winner, x, weight.shape[2:], *windows)
    found = {"weights": dw, "bias": db}
    if max(windows[0]) == 1:
        found["input"] = ops.conv_relu_pool_input_backward(gradient, winner, weight, x.shape, *windows)
    yield from _compared(case, exact, winner, [("", found), ("autograd, ", _by_autograd(case))])


def _by_autograd(case: Case) -> dict[str, Tensor]:
    """Return the gradients as a training has them."""
    tensors = [
        None if tensor is None else tensor.detach().requires_grad_() for tensor in (case.x, case.weight, case.bias)
    ]
    y, _ = torch.ops.convstage.conv_relu_pool(*tensors, *case.windows, True)
    leaves = [tensor for tensor in tensors if tensor is not None]
    found = torch.autograd.grad(y, leaves, case.gradient)
    return dict(zip(("input", "weights", "bias"), found, strict=False))


def _compared(
    case: Case, exact: _Exact, winner: Tensor, groups: list[tuple[str, dict[str, Tensor]]]
) -> Iterator[Finding]:
    """Compare gradients with those of float64 for the same winners, and torch's error with its own."""
    gradient, windows = case.gradient, case.windows
    pool, step = windows[2:]
    mine, theirs = (
        unpooled(gradient.double(), chosen, exact.before.shape[2:], pool, step)
        for chosen in (winner, winners_of(exact.torchs_before.relu(), pool, step))
    )
    wide = (case.x.detach().double().contiguous(), case.weight.detach().double().contiguous())
    truth, torchs_truth = backward(mine, *wide, windows), backward(theirs, *wide, windows)
    torchs = backward(theirs.float().contiguous(memory_format=torch.channels_last), *exact.near[:2], windows)
    # Where windows overlap, a cell that has won several is a term for each of them.
    parts = unpooled(gradient.double().square(), winner, exact.before.shape[2:], pool, step)
    squares = backward(parts, *(tensor.square() for tensor in wide), windows)
    seen = gradient[:, 0].numel()
    terms = {"weights": seen, "bias": seen, "input": case.weight[:, 0].numel()}
    for whose, found in groups:
        for part, ours in found.items():
            name, roots = f"{whose}gradient of the {part}", squares[part].sqrt()
            yield _finding(name, ours, torchs[part], truth[part], roots, terms[part], truth_of_torch=torchs_truth[part])


def _public(case: Case, exact: _Exact) -> Iterator[Finding]:
    """The public function, whoever computes it; with average pooling after it where the case has one."""
    stride, padding, pool, step = case.windows
    window = None if pool == step == (1, 1) else pool
    options: Any = {"stride": stride, "padding": padding, "pool": window, "pool_stride": window and step}
    y = conv_relu_pool(case.x, case.weight, case.bias, **options)
    if case.average:
        mean = F.avg_pool2d(y, 2)
        yield exact.values("function, average pooling", mean, lambda before: F.avg_pool2d(before.relu(), 2))
    yield exact.values("function", y)


def _program(case: Case, exact: _Exact) -> Iterator[Finding]:
    """The fast path of prediction: the stage as a network, and a fully connected layer of the same numbers."""
    n, c, h, w = case.x.shape
    stride, padding, pool, step = case.windows
    conv = Convolution(c, case.weight.shape[0], pair(tuple(case.weight.shape[2:]), "size"), stride, padding)
    pooling = torch.nn.MaxPool2d(pool, step)
    layers = [conv, torch.nn.ReLU()] if pool == step == (1, 1) else [conv, torch.nn.ReLU(), pooling]
    conv.weight = torch.nn.Parameter(case.weight)
    conv.bias = None if case.bias is None else torch.nn.Parameter(case.bias)
    shape = case.gradient.shape
    with torch.inference_mode():
        try:
            run = Program(torch.nn.Sequential(Stage(*layers), FlattenRows()), (h, w, c))
        except UnsupportedError:  # torch is faster
            pass
        else:
            y = run(case.x)
            yield exact.values("prediction", y.view(n, *shape[2:], shape[1]).permute(0, 3, 1, 2))
            if not _same(run(case.x[-1:])[0], y[-1]):
                yield Finding("prediction", problem="an image alone has other values than in its batch")
        rows, weights = case.x.flatten(1), case.weight.reshape(-1)
        filters = min(64, len(weights) // rows.shape[1])
        if filters:
            yield _dense(rows, weights[: filters * rows.shape[1]].view(filters, -1), case.bias)


def _dense(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Finding:
    filters, length = weight.shape
    layer = torch.nn.Linear(length, filters, bias=bias is not None and len(bias) >= filters)
    layer.weight = torch.nn.Parameter(weight)
    if layer.bias is not None and bias is not None:
        layer.bias = torch.nn.Parameter(bias[:filters].clone())
    run = Program(torch.nn.Sequential(FlattenRows(), layer), (1, 1, length))
    y = run(rows[:, :, None, None])
    tensors = [rows, weight] if layer.bias is None else [rows, weight, layer.bias]
    wide = [tensor.double() for tensor in tensors]
    roots = F.linear(*(tensor.square() for tensor in wide)).sqrt()
    return _finding("fully connected", y, F.linear(*tensors), F.linear(*wide), roots, length, strict=True)


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, windows: Windows) -> Tensor:
    """Return torch's convolution, with zeros around the map that are numbers as all others."""
    stride, (top, bottom, left, right), *_ = windows
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride)


def winners_of(after: Tensor, pool: tuple[int, int], step: tuple[int, int]) -> Tensor:
    """Return torch's winners, as the operator writes them."""
    best, index = F.max_pool2d(after, pool, step, return_indices=True)
    rows, columns = (torch.arange(n) * s for n, s in zip(best.shape[2:], step, strict=True))
    place = (index // after.shape[3] - rows[:, None]) * pool[1] + index % after.shape[3] - columns
    return torch.where(best == 0, DEAD, place).to(torch.uint8)


def cells_of(winner: Tensor, width: int, pool: tuple[int, int], step: tuple[int, int]) -> Tensor:
    """Return every winner's place in the map before the pooling; of dead ones the place of the first cell."""
    place = winner.long().masked_fill(winner == DEAD, 0)
    rows, columns = (torch.arange(n) * s for n, s in zip(winner.shape[2:], step, strict=True))
    return (place // pool[1] + rows[:, None]) * width + place % pool[1] + columns


def picked(before: Tensor, winner: Tensor, pool: tuple[int, int], step: tuple[int, int]) -> Tensor:
    """Return the winners' values."""
    cells = cells_of(winner, before.shape[3], pool, step)
    return before.flatten(2).gather(2, cells.flatten(2)).view(winner.shape)


def unpooled(
    gradient: Tensor, winner: Tensor, size: tuple[int, ...], pool: tuple[int, int], step: tuple[int, int]
) -> Tensor:
    """Return the gradient before the pooling: every winner's in its place."""
    dense = gradient.new_zeros((*gradient.shape[:2], size[0] * size[1]))
    alive = gradient.masked_fill(winner == DEAD, 0)
    dense.scatter_add_(2, cells_of(winner, size[1], pool, step).flatten(2), alive.flatten(2))
    return dense.view(*gradient.shape[:2], *size)


def backward(dense: Tensor, x: Tensor, weight: Tensor, windows: Windows) -> dict[str, Tensor]:
    """Return torch's gradients of a convolution."""
    stride, (top, bottom, left, right), *_ = windows
    padded = F.pad(x, (left, right, top, bottom))
    weight = weight.contiguous() if len(weight) == 1 else weight  # else torch refuses it for some shapes
    dx, dw, db = torch.ops.aten.convolution_backward(
        dense, padded, weight, [len(weight)], stride, [0, 0], [1, 1], False, [0, 0], 1, [True, True, True]
    )
    height, width = x.shape[2:]
    return {"input": dx[:, :, top : top + height, left : left + width], "weights": dw, "bias": db}


def by_points_that_round(case: Case, whatever_pooling: bool = False) -> bool:
    """Return whether larger tiles of Winograd's algorithm run: ties by chance are no ties there (docs/kernel.md).

    Whatever the pooling, they may run without it, and the pooling after them.
    """
    filters, channels, *size = case.weight.shape
    stride, _, pool, step = case.windows
    if size != [3, 3] or stride != (1, 1) or channels < 32:
        return False
    if whatever_pooling:
        return filters >= 16
    return pool == step and filters >= {(1, 1): 16, (2, 2): 32}.get(pool, filters + 1)


def _finding(
    part: str,
    ours: Tensor,
    torchs: Tensor,
    truth: Tensor,
    roots: Tensor,
    terms: int,
    *,
    strict: bool = False,
    truth_of_torch: Tensor | None = None,
    torchs_error: float | None = None,
) -> Finding:
    """Compare, where float64 is finite and no sum can overflow; `strict` asks for torch's infinities and NaN, too."""
    if ours.shape != truth.shape:
        return Finding(part, problem=f"the shape is {tuple(ours.shape)}, not {tuple(truth.shape)}")
    settled = ~(roots.isfinite() & (roots * terms**0.5 > OVERFLOWS))  # Σ|t| ≤ √m·√Σt²
    if strict and not _same_kind(ours[settled], torchs[settled]):
        return Finding(part, problem="NaN and infinities are not where torch has them")
    theirs = truth if truth_of_torch is None else truth_of_torch
    where = truth.isfinite() & theirs.isfinite() & roots.isfinite() & settled
    rounding = _rounding(roots[where], terms)
    mine, other = _error(ours, truth, where), torchs_error or _error(torchs, theirs, where)
    if not other <= WRONG * rounding:
        other = 0.0
    unit = max(U * _largest(roots[where]), LEAST)
    finding = Finding(part, mine, other, rounding, (mine / unit, other / unit))
    if finding.ratio <= 2:
        return finding
    return replace(finding, problem=f"error {mine:.3g}, torch's {other:.3g}, of one sum in a row {rounding:.3g}")


def _rounding(roots: Tensor, terms: int) -> float:
    """Return what one sum in a row may lose."""
    # Among the smallest numbers every term may be off by half the difference of two of them.
    return U * _largest(roots) * max(4, terms**0.5) + LEAST * max(4, terms / 2)


def _error(found: Tensor, truth: Tensor, where: Tensor | None = None) -> float:
    difference = (found.double() - truth).abs()
    difference = difference[truth.isfinite() if where is None else where]
    return float(difference.max()) if difference.numel() else 0.0


def _largest(values: Tensor) -> float:
    finite = values[values.isfinite()]
    return float(finite.abs().max()) if finite.numel() else 0.0


def _same_kind(a: Tensor, b: Tensor) -> bool:
    """Return whether NaN and the infinities of both signs are in the same places."""
    return all(map(torch.equal, (a.isnan(), a.isposinf(), a.isneginf()), (b.isnan(), b.isposinf(), b.isneginf())))


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(0), b.nan_to_num(0))

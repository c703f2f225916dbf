"""How exact the operator is: its error against float64, as a multiple of torch's own error in float32.

Root mean squares over all cells, for values and gradients, of 3 × 3 stages with usual
weights on noise after a ReLU, without those where a winner hangs on rounding. Both
compute once on channels-last tensors, once on channels-first ones, where torch cuts its
sums shorter. The largest ratio of all pooled and of all plain stages
goes to the table; every one is in results/accuracy.json.

    python benchmarks/accuracy.py
"""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

from convstage.environment import environment
from convstage.machine import processor
from convstage.stage import active

RESULT = Path(__file__).parent / "results/accuracy.json"
PAIRS = ((1, 32), (3, 32), (16, 16), (16, 32), (32, 16), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (96, 48))
FORMATS = {"channels-last": torch.channels_last, "channels-first": torch.contiguous_format}
SEEDS = 12
#: Values of about 1 that differ by less may change places in float32: such stages are left out.
CLOSE = 4e-6
PARTS = ("values", "input gradient", "weight gradient")


def results(function, x, weight, bias, seed=9):
    leaves = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    y = function(*leaves)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves[:2], gradient)]


def error(found, exact) -> float:
    """Return the root mean square."""
    return (found.double() - exact).square().mean().sqrt().item()


def hangs_on_rounding(x, weight, bias, pool: int) -> bool:
    """Return whether float32 may rightly choose another winner, or another sign, than float64."""
    convolved = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    before, signs = F.relu(convolved), convolved.abs()
    if pool == 1:
        return bool((signs < CLOSE).any())
    best = F.unfold(before.flatten(0, 1)[:, None], pool, stride=pool).topk(2, dim=1).values
    gap = torch.minimum(best[:, 0] - best[:, 1], best[:, 0])
    return bool(((best[:, 0] > 0) & (gap < CLOSE)).any() or (signs < CLOSE).any())


def compare(channels: int, filters: int, pool: int, seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, channels, 14, 14, generator=generator).relu()
    weight = torch.randn(filters, channels, 3, 3, generator=generator) / (9 * channels) ** 0.5
    bias = torch.randn(filters, generator=generator)
    if hangs_on_rounding(x, weight, bias, pool):
        return {}
    windows = ((1, 1), (1, 1, 1, 1), (pool, pool), (pool, pool))

    def composed(x, weight, bias):
        return F.max_pool2d(F.relu(F.conv2d(x, weight, bias, padding=1)), pool)

    exact = results(composed, x.double(), weight.double(), bias.double())

    def operator(*args):
        return torch.ops.convstage.conv_relu_pool(*args, *windows, True)[0]

    found: dict = {"channels": channels, "filters": filters, "pool": pool, "seed": seed}
    for name, layout in FORMATS.items():
        tensors = [tensor.detach().contiguous(memory_format=layout) for tensor in (x, weight)]
        theirs, ours = (results(function, *tensors, bias.detach()) for function in (composed, operator))
        found[name] = {
            part: round(error(mine, truth) / error(torchs, truth), 2)
            for part, mine, torchs, truth in zip(PARTS, ours, theirs, exact, strict=True)
        }
    return found


def table(result: dict) -> str:
    """Return the largest ratios as a Markdown table."""
    lines = ["| error, times torch's, at most | torch channels-last | torch channels-first |", "|---|---|---|"]
    for part in PARTS:
        for pool, name in ((2, "pooled 2×2"), (1, "not pooled")):
            worst = [max(f[layout][part] for f in result["stages"] if f["pool"] == pool) for layout in FORMATS]
            lines.append(f"| {part}, {name} | {worst[0]:.2f} | {worst[1]:.2f} |")
    return "\n".join(lines)


def main() -> None:
    stage = active().name  # this loads the operator
    found = (compare(*pair, pool, seed) for pair in PAIRS for pool in (2, 1) for seed in range(SEEDS))
    stages = [figures for figures in found if figures]
    result = {
        "what": str(__doc__).split("\n")[0],
        "machine": {"processor": processor()},
        "environment": environment(),
        "stage": stage,
        "stages": stages,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()

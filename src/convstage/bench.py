"""How fast a network is on this machine: with the stage operator, and layer by layer in plain torch.

Both sides have the same weights, images and optimizer, in one process, and take turns.
What the machine does beside falls on both, so that the ratio of a round holds better
than its figures. The allocator keeps memory for both, see `convstage.memory`.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import Config
from .environment import environment
from .errors import ConfigError
from .machine import processor
from .memory import keep_memory
from .network import Network
from .recipe import make_optimizer
from .stage import Stage, active
from .stage.program import runner
from .terminal import track

#: What is measured, and what it is called while it is.
TASKS = {"train": "Training steps", "infer": "Inference", "latency": "One image"}
#: So many rounds, fewer where one call takes longer than its share of the seconds.
ROUNDS, FEWEST = 9, 3
#: So many first training steps warm up both sides; their losses are compared.
COMPARED = 5
#: Side of the square matrices whose product is the measure of what the processor can do.
SIDE = 1024


def bench(network: Network, batch: int, seconds: float = 2.0, stages: bool = False) -> dict[str, Any]:
    """Measure training step, inference and one image at a time, against the same network in plain torch.

    Parameters
    ----------
    network : Network
        What is measured; copies of it are, it stays as it is.
    batch : int
        Images of a training step and of a batch of inference.
    seconds : float
        About how long each of the two sides works at each task.
    stages : bool
        Measure every stage by itself, too.

    Returns
    -------
    dict
        Plain data, ready for JSON. ``tasks`` has, for ``train``, ``infer`` and
        ``latency``, the milliseconds of a call by ``convstage`` and by ``torch``, and the
        ``ratio`` of the two in each round: how many times as fast convstage is.

    Raises
    ------
    ConfigError
        A batch or a time that is none.
    """
    if batch < 1:
        raise ConfigError(f"the batch must be a whole number of at least 1; got {batch}.")
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"the seconds must be more than 0; got {seconds:g}.")
    kept = keep_memory()
    plan = network.plan
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        height, width, channels = plan.image
        images = torch.randn(batch, channels, height, width).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(0, plan.classes, (batch,))
        sides = {
            "convstage": Side(copy.deepcopy(network), images, labels),
            "torch": Side(layer_by_layer(copy.deepcopy(network)), images, labels),
        }
        losses = {name: [side.train() for _ in range(COMPARED)] for name, side in sides.items()}
        result = {
            "pattern": plan.pattern,
            "image": list(plan.image),
            "classes": plan.classes,
            "batch": batch,
            "parameters": plan.parameters,
            "multiply_adds": plan.multiply_adds,
            "processor": processor(),
            "environment": environment(),
            "stage_reason": active().reason,
            "memory_kept": kept,
            "losses": losses,
            "loss_difference": max(abs(a - b) for a, b in zip(losses["convstage"], losses["torch"], strict=True)),
            "tasks": {task: _take_turns(sides, task, seconds) for task in TASKS},
        }
        if stages:
            peak = matrix_product()
            result["matrix_product_gflops"] = peak
            result["stages"] = _stages(network, images, seconds / 10, peak)
    return result


class Side:
    """A network that trains and infers on one batch.

    Parameters
    ----------
    network : nn.Module
        Trained in place.
    images : Tensor, shape (N, C, H, W)
        In memory format channels-last.
    labels : Tensor, shape (N,)
        Class numbers.
    """

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor) -> None:
        settings = Config.model_fields
        self.network = network
        self.images = images
        self.labels = labels
        self.image = images[:1].clone(memory_format=torch.preserve_format)
        self.optimizer = make_optimizer(network, settings["weight_decay"].default)
        self.optimizer.param_groups[0]["lr"] = self.optimizer.param_groups[1]["lr"] = settings["learning_rate"].default
        self.steps = 0

    def train(self) -> float:
        """Do one training step; return the loss before it."""
        torch.manual_seed(self.steps)  # both sides drop out the same
        self.steps += 1
        self.network.train()
        loss = F.cross_entropy(self.network(self.images), self.labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def infer(self) -> None:
        """Compute the logits of the batch."""
        self._predict(self.images)

    def latency(self) -> None:
        """Compute the logits of one image."""
        self._predict(self.image)

    def _predict(self, images: Tensor) -> None:
        """Predict as `convstage.predict` does: on the fast path, if the network has one."""
        self.network.eval()
        _, channels, height, width = images.shape
        with torch.inference_mode():
            runner(self.network, (height, width, channels))(images)


def layer_by_layer(network: Network) -> nn.Sequential:
    """Return the layers of a network as a plain `torch.nn.Sequential`, each of them torch's own; they are shared."""
    return nn.Sequential(*(network.get_submodule(row.name) for row in network.plan.rows[1:]))


def matrix_product(seconds: float = 0.3) -> float:
    """Return the best GFLOP/s of torch's product of two large float32 matrices.

    As near to the peak of the processor's multiply-adds as a program comes; a layer's
    share of it says how much there is left to gain.
    """
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    times = _times(lambda: a @ b, seconds)
    return 2 * SIDE**3 / min(times) / 1e9


def _take_turns(sides: dict[str, Side], task: str, seconds: float) -> dict[str, Any]:
    calls_of = {name: getattr(side, task) for name, side in sides.items()}
    once = sum(min(_times(call, 0)) for call in calls_of.values()) / len(calls_of)
    rounds = min(ROUNDS, max(FEWEST, round(seconds / once)))
    calls = max(1, round(seconds / rounds / once))
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in track(range(rounds), TASKS[task], rounds, "rounds"):
        # Who comes first alternates, too.
        for name in list(sides)[:: 1 if number % 2 else -1]:
            call = calls_of[name]
            call()  # the other side has left its own data in the caches
            began = time.perf_counter()
            for _ in range(calls):
                call()
            times[name].append(1000 * (time.perf_counter() - began) / calls)
    ratios = [b / a for a, b in zip(times["convstage"], times["torch"], strict=True)]
    return {
        "rounds": rounds,
        "calls_each": calls,
        **{name: _summary(values) for name, values in times.items()},
        "ratio": _summary(ratios),
    }


def _stages(network: Network, images: Tensor, seconds: float, peak: float) -> list[dict[str, Any]]:
    """Return forward pass and the two gradients of every stage, each on what the stages before it make of `images`."""
    network = copy.deepcopy(network).train()
    layers = list(network.named_children())
    names = [name for name, layer in layers if isinstance(layer, Stage)]
    found: list[dict[str, Any]] = []
    x = images
    for name, layer in track(layers, "Stages", len(layers), "layers"):
        if len(found) == len(names):
            continue  # what follows the last stage is not measured
        if name in names:
            rows = [row for row in network.plan.rows if row.name.startswith(f"{name}.")]
            multiply_adds = len(images) * sum(row.multiply_adds for row in rows)
            parts = {}
            for part, call in _parts(layer, x, first=not found).items():
                milliseconds = 1000 * median(_times(call, seconds))
                gflops = 2 * multiply_adds / milliseconds / 1e6
                parts[part] = {"ms": milliseconds, "gflops": gflops, "share": gflops / peak}
            found.append({"name": name, "layers": [row.kind for row in rows], "input": list(rows[0].input), **parts})
        with torch.no_grad():
            x = layer(x)
    return found


def _parts(stage: nn.Module, x: Tensor, first: bool) -> dict[str, Callable[[], object]]:
    """Return the calls of a stage's forward pass, weight gradient and, as training needs it, input gradient.

    Nobody needs the one of the first stage: there is nothing before it that learns.
    """
    parameters = list(stage.parameters())
    y = stage(x)
    gradient = torch.randn_like(y)
    calls: dict[str, Callable[[], object]] = {
        "forward": lambda: stage(x),
        "weight gradient": lambda: torch.autograd.grad(y, parameters, gradient, retain_graph=True),
    }
    if not first:
        frozen = copy.deepcopy(stage).requires_grad_(False)
        of = x.detach().requires_grad_()
        z = frozen(of)
        calls["input gradient"] = lambda: torch.autograd.grad(z, of, gradient, retain_graph=True)
    return calls


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    """Return the times of a warmed call, at least three, until so many seconds have gone by."""
    call()
    times: list[float] = []
    while len(times) < FEWEST or sum(times) < seconds:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


def _summary(values: list[float]) -> dict[str, Any]:
    return {"median": median(values), "min": min(values), "max": max(values), "values": values}

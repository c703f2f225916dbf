"""Where training stands, as one file: saved, and restored to the identical state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from .run import Run


@dataclass
class Position:
    """Where training stands: all that the loop carries from step to step, beside weights and optimizer."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    best: list[float] = field(default_factory=list)  # empty: anything is better
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def save(run: Run, network: nn.Module, optimizer: torch.optim.Optimizer, position: Position) -> None:
    """Store weights, optimizer and position in the run folder."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    run.write_last(tensors, asdict(position))


def restore(run: Run, network: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    """Bring network and optimizer to where training stood; return the position, the start for a new run."""
    last = run.read_last()
    if last is None:
        return Position()
    tensors, position = last
    network.load_state_dict(_under("network.", tensors))
    content = optimizer.state_dict()
    for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        state = _under(f"optimizer.{index}.", tensors)
        # In the parameter's own memory format, as the fused optimizer requires; the file has one for all.
        like = {name: torch.empty_like(parameter) if t.ndim else torch.empty_like(t) for name, t in state.items()}
        content["state"][index] = {name: like[name].copy_(tensor) for name, tensor in state.items()}
    optimizer.load_state_dict(content)
    return Position(**position)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

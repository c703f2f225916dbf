"""Where training stands, as one file: saved, and restored to the identical state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from torch import Tensor, nn

from .optimizer import AdamW
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


def save(run: Run, network: nn.Module, optimizer: AdamW, position: Position) -> None:
    """Store weights, optimizer and position in the run folder."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, state in optimizer.state_dict().items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    run.write_last(tensors, asdict(position))


def restore(run: Run, network: nn.Module, optimizer: AdamW) -> Position:
    """Bring network and optimizer to where training stood; return the position, the start for a new run."""
    last = run.read_last()
    if last is None:
        return Position()
    tensors, position = last
    network.load_state_dict(_under("network.", tensors))
    numbers = range(len(optimizer.parameters))
    states = {number: state for number in numbers if (state := _under(f"optimizer.{number}.", tensors))}
    optimizer.load_state_dict(states)
    return Position(**position)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

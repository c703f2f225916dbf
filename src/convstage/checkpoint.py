"""Where training stands, as one file: saved, and restored to the identical state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .network import Network
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


@dataclass
class State:
    """All that a training changes; `average` is None where no average of the weights is kept."""

    network: Network
    optimizer: AdamW
    average: AveragedModel | None = None
    position: Position = field(default_factory=Position)

    @property
    def model(self) -> Network:
        """The network that is validated and kept: the average, if there is one."""
        if self.average is None:
            return self.network
        network = self.average.module
        assert isinstance(network, Network)
        return network


def save(run: Run, state: State) -> None:
    """Store weights, their average, optimizer and position in the run folder."""
    tensors = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    for index, moments in state.optimizer.state_dict().items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    if state.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in state.average.state_dict().items()}
    run.write_last(tensors, asdict(state.position))


def restore(run: Run, state: State) -> None:
    """Bring a state to where training stood; for a new run it stays at the start."""
    last = run.read_last()
    if last is None:
        return
    tensors, position = last
    state.network.load_state_dict(_under("network.", tensors))
    numbers = range(len(state.optimizer.parameters))
    moments = {number: found for number in numbers if (found := _under(f"optimizer.{number}.", tensors))}
    state.optimizer.load_state_dict(moments)
    if state.average is not None:
        state.average.load_state_dict(_under("average.", tensors))
    state.position = Position(**position)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

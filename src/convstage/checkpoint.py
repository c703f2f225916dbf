"""Where training stands, as one file: saved, and restored to the identical state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from .errors import RunError
from .keeping import Keeper
from .network import Network
from .optimizer import STATE, AdamW
from .run import LAST, Run
from .text import size


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


def save(run: Keeper, state: State) -> None:
    """Store weights, their average, optimizer and position in the run folder."""
    tensors = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    for index, moments in state.optimizer.state_dict().items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    if state.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in state.average.state_dict().items()}
    run.write_last(tensors, asdict(state.position))


def restore(run: Run, state: State) -> None:
    """Bring a state to where training stood; for a new run it stays at the start.

    Raises
    ------
    RunError
        The checkpoint is damaged, of another run or network, or holds what is not finite.
    """
    last = run.read_last()
    if last is None:
        return
    tensors, position = last
    _check(run, state, tensors)
    state.network.load_state_dict(_under("network.", tensors))
    numbers = range(len(state.optimizer.parameters))
    moments = {number: found for number in numbers if (found := _under(f"optimizer.{number}.", tensors))}
    state.optimizer.load_state_dict(moments)
    if state.average is not None:
        state.average.load_state_dict(_under("average.", tensors))
    state.position = Position(**{part.name: position[part.name] for part in fields(Position)})


def _check(run: Run, state: State, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those of the state, in name, type and shape, and what is not finite."""
    expected = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.average is not None:
        expected |= {f"average.{name}": tensor for name, tensor in state.average.state_dict().items()}
    moved = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    for number, parameter in enumerate(state.optimizer.parameters):
        if str(number) in moved:
            expected |= {
                f"optimizer.{number}.{name}": torch.zeros(()) if name == "step" else parameter for name in STATE
            }
    for name in sorted({*expected, *tensors}):
        here, found = _described(expected.get(name)), _described(tensors.get(name))
        if here != found:
            raise RunError(
                f"{run.path / LAST} is no checkpoint of this network: {name} should be {here}, and is {found}.\n"
                "Restore it from a copy."
            )
        if not torch.isfinite(tensors[name]).all():
            raise RunError(
                f"{run.path / LAST} has values in {name} that are not finite: training cannot go on from it.\n"
                "Train anew, with a lower --learning-rate."
            )


def _described(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {size(tensor.shape) or '()'}"


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

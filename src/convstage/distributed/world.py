"""The processes that train together, as the rest of the package sees them.

A process on its own is a world of one: nothing of torch.distributed is then imported or called.
Between processes go tensors and JSON, never pickled objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class World:
    """How many processes train together, and which of them this one is.

    Attributes
    ----------
    rank, size : int
        Which process of how many, on all machines together.
    local_rank, local_size : int
        The same, counted on this machine.

    Examples
    --------
    >>> [World(rank, 3).share(10) for rank in range(3)]
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def alone(self) -> bool:
        """Whether it is the only process."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return which of `count` things in a row are this process's; every one is somebody's."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def threads(self, wanted: int | None) -> int | None:
        """Return the threads of this process: as wanted, or its share of the processors; None leaves it to torch."""
        if wanted is not None or self.alone:
            return wanted
        return max(1, _processors() // self.local_size)

    def total(self, values: Sequence[float]) -> list[float]:
        """Return the sums of all processes' values, in float64."""
        if self.alone:
            return list(values)
        import torch

        together = torch.tensor(values, dtype=torch.float64)
        self.add(together)
        return list(together.tolist())

    def add(self, tensor: Tensor) -> None:
        """Put the sum of all processes' tensors into each of them."""
        if not self.alone:
            from torch import distributed

            distributed.all_reduce(tensor)

    def meet(self) -> None:
        """Wait until every process is here."""
        self.total([0.0])

    def told(self, content: Any = None) -> Any:
        """Return what the leading process says: plain data, as JSON; others' `content` is not looked at."""
        if self.alone:
            return content
        import torch

        message = json.dumps(content).encode() if self.leads else b""
        length = torch.tensor([len(message)])
        self.copy([length])
        text = torch.empty(int(length), dtype=torch.uint8)
        if self.leads:
            text.copy_(torch.frombuffer(bytearray(message), dtype=torch.uint8))
        self.copy([text])
        return json.loads(text.numpy().tobytes())

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Make tensors those of the leading process; all have the same shapes everywhere."""
        if self.alone:
            return
        import torch
        from torch import distributed

        for tensor in tensors:
            plain = tensor.detach().contiguous()
            distributed.broadcast(plain, 0)
            with torch.no_grad():
                tensor.copy_(plain)


#: A process on its own.
ALONE = World()


@dataclass(slots=True)
class Share:
    """Which images of the step that is being computed are this process's.

    Whatever is drawn at random for the images of a step is drawn for all of them, and this
    part taken: so the processes together do what one would do.

    Attributes
    ----------
    world : World
    part : slice
        Of the step's images.
    count : int
        Images of the step, of all processes together.
    """

    world: World = ALONE
    part: slice = field(default_factory=lambda: slice(0, 0))
    count: int = 0

    def take(self, count: int) -> slice:
        """Return this process's part of a step of `count` images, and remember both."""
        self.count, self.part = count, self.world.share(count)
        return self.part


def _processors() -> int:
    # Of those that this process may use; not every system can say.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

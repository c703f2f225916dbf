"""Which of a launch's processes this one is, read from what ``torchrun`` says in the environment.

Nothing heavy is imported here: every command asks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import ConfigError

#: What a launcher tells every process; without all four, a process is on its own.
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Place:
    """What the launcher has told this process.

    Attributes
    ----------
    rank, size : int
        Which process of how many, on all machines together.
    local_rank, local_size : int
        The same, counted on this machine.
    host, port
        Where the store is that the processes find one another by.
    serves : bool
        Whether this process must offer that store itself, because no launcher does.
    launch : str
        Name of the launch, one for all of its restarts; empty without ``torchrun``.
    restarts : int
        How often the launcher has started all processes anew, because one had failed.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str
    port: int
    serves: bool
    launch: str
    restarts: int


def find_place() -> Place | None:
    """Return the place of this process in its launch; None when it was started on its own.

    Raises
    ------
    ConfigError
        The environment says something that cannot be.
    """
    if not all(os.environ.get(name) for name in NEEDED):
        return None
    rank, size, port = (_number(name) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
    if not 0 <= rank < size:
        raise ConfigError(
            f"RANK = {rank}, WORLD_SIZE = {size} in the environment: a rank is at least 0 and below the size.\n"
            "Start several processes with torchrun, or unset RANK for one."
        )
    return Place(
        rank=rank,
        size=size,
        local_rank=_number("LOCAL_RANK", 0),
        local_size=max(1, _number("LOCAL_WORLD_SIZE", 1)),
        host=os.environ["MASTER_ADDR"],
        port=port,
        serves=rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        launch=os.environ.get("TORCHELASTIC_RUN_ID", ""),
        restarts=_number("TORCHELASTIC_RESTART_COUNT", 0),
    )


def leads() -> bool:
    """Return whether this process is the one that writes and prints; a process on its own is."""
    place = find_place()
    return place is None or place.rank == 0


def refuse_several(command: str) -> None:
    """Refuse a command that several processes would do several times over.

    Raises
    ------
    ConfigError
        It was started as more than one process.
    """
    place = find_place()
    if place is not None and place.size > 1:
        raise ConfigError(
            f"convstage {command} runs on one process, and {place.size} were started.\n"
            f"Only train shares its work among processes; start this one without torchrun: convstage {command} …"
        )


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name) or ("" if default is None else str(default))
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{name} = {text!r} in the environment is no number; torchrun sets it to one.") from None

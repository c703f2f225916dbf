"""Where a training computes: the device, and torch's threads and random state, which are left as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .config import Config
from .distributed import ALONE, World
from .errors import ConfigError


def device(config: Config, world: World = ALONE) -> torch.device:
    """Return the device that is asked for.

    Raises
    ------
    ConfigError
        There is no such device here, or it is none that several processes can share.
    """
    name = config.device
    if name == "auto":
        name = "cuda" if world.alone and torch.cuda.is_available() else "cpu"
    if not world.alone and name != "cpu":
        raise ConfigError(f"device = {name!r}: several processes train on processors.\nUse cpu, or leave it out.")
    try:
        where = torch.device(name)
        torch.zeros(1, device=where).item()  # there are devices that hold no values
    except (RuntimeError, AssertionError) as error:
        # For a name that it does not know, torch lists all of its dozens; that helps nobody.
        reason = "" if "Expected one of" in str(error) else f": {str(error).splitlines()[0]}"
        raise ConfigError(f"device = {name!r} cannot be used here{reason}.\nUse cpu, cuda or auto.") from None
    return where


@contextmanager
def quiet_torch(threads: int | None) -> Iterator[None]:
    """Leave torch's random state and number of threads as they were."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)

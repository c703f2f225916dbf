"""Which implementation of the stage is active, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Implementation:
    """An implementation of the stage operator.

    Attributes
    ----------
    name : str
        What runs.
    reason : str
        Why this one.
    """

    name: str
    reason: str


def active() -> Implementation:
    """Return the implementation that `convstage.stage.conv_relu_pool` uses on this machine."""
    return Implementation("composed torch operations", "this version has no compiled stage kernel")

"""What every result of stages on their own begins with: what it is, and on what it was measured."""

import os

from convstage.environment import environment
from convstage.machine import processor
from convstage.stage import active


def head(words: str | None, **more: object) -> dict:
    """Return the head of a result; `words` are the docstring of its benchmark, whose first line says what it is."""
    return {
        "what": str(words).split("\n")[0],
        **more,
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "environment": environment(),
        "stage": f"{active().name}: {active().reason}",
    }

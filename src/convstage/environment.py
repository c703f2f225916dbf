"""What a result may depend on beside its settings."""

from __future__ import annotations

import platform
from typing import Any


def environment() -> dict[str, Any]:
    """Return what a result may depend on: versions, processor, threads, stage implementation."""
    from importlib.metadata import version

    import torch

    from . import stage

    packages = ("convstage", "torch", "numpy", "pillow", "scikit-learn")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in packages},
        "threads": torch.get_num_threads(),
        "stage": stage.active().name,
    }

"""Scripts that lie beside the package, as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent


def script(path: str) -> ModuleType:
    """Return the script of a path from the root of the repository, loaded under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"script:{path}", ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

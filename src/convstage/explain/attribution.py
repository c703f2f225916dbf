"""Captum, imported when it is first needed, and without a word."""

from __future__ import annotations

import warnings
from types import ModuleType


def captum() -> ModuleType:
    """Return `captum.attr`, which takes a second to import.

    It imports tqdm, and tqdm warns in a notebook that has no widgets for bars, of which we draw none.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from captum import attr
    module: ModuleType = attr
    return module

"""Search: a family of patterns and the settings of their training, tried by any number of workers."""

from __future__ import annotations

from .folder import Search
from .make import resume, search

__all__ = ["Search", "resume", "search"]

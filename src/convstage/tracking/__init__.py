"""Trackers: programs that show many trainings side by side. TRACKERS has one entry each; `follow` tells them."""

from .follow import Log, follow
from .registry import TRACKERS, check

__all__ = ["TRACKERS", "Log", "check", "follow"]

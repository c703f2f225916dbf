"""Many processes, on one machine or several, that train one network together."""

from .place import leads, refuse_several
from .world import ALONE, Share, World

__all__ = ["ALONE", "Share", "World", "leads", "refuse_several"]

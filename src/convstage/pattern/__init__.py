"""The layer-pattern language: text -> `Pattern` -> `Plan`."""

from .layers import LAYERS
from .pattern import Family, Pattern
from .plan import Plan, Row

__all__ = ["LAYERS", "Family", "Pattern", "Plan", "Row"]

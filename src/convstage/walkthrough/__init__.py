"""The walk: one image through every stage, and a receipt for every number.

`walk` makes a `Walk`: the pixels, each filter, the maps before and after the non-linearity, the pooled maps,
the vector, the fully connected layers, the probabilities. It is a page (`Walk.to_html`), pictures
(`Walk.save_pngs`), and text (`Walk.explain`). `RECEIPTS` knows how a number of every kind of layer came about.
"""

from .kinds import RECEIPTS
from .receipts import AnyReceipt, source_of, value_of
from .steps import Step
from .walking import Walk, walk

__all__ = ["RECEIPTS", "AnyReceipt", "Step", "Walk", "source_of", "value_of", "walk"]

"""Learned features on the terminal: a line for each layer."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from ..terminal import output
from ..text import count, size
from . import words
from .hierarchy import Features, LayerFeatures


def show_features(features: Features) -> None:
    """Print what was looked at, and a table of the layers."""
    console = output()
    images = f"{count(sum(features.images.values()))} {words.PARTS[features.part]} of {features.run}"
    console.print(Text(f"{images}; {words.copies(features)}" if features.copies else images), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("layer", "patterns"):
        table.add_column(title, overflow="fold")
    for title in ("of pixels", "filters", "shown", "never active", "strongest value"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("in image", overflow="fold")
    for layer in features.layers:
        table.add_row(*map(Text, _cells(layer)))
    console.print(table)


def _cells(layer: LayerFeatures) -> tuple[str, ...]:
    patches = [patch for one in layer.shown for patch in one.patches]
    best = max(patches, key=lambda patch: patch.value, default=None)
    return (
        layer.name,
        layer.level,
        size(layer.receptive_field),
        f"{layer.filters:,}",
        f"{len(layer.shown):,}",
        f"{len(layer.dead):,}",
        words.number(best.value) if best else "–",
        f"{best.image} ({best.label})" if best else "",
    )

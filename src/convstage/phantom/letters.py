"""Letters in the picture: the lead letter that names a side, and the mark that says that it is synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .lungs import Map, edge
from .render import DRAWN_SIDE


def draw_letter(random: np.random.Generator) -> Letters:
    """Draw the lead letter that says which side is which: often there, anywhere in an upper corner."""
    text, x = ("R", 0.04) if random.random() < 0.5 else ("L", 0.83)
    there = random.random() < 0.6
    return Letters(text, x + random.uniform(0, 0.08), random.uniform(0.05, 0.12), 0.95 * there)


@dataclass(frozen=True)
class Letters:
    """Letters in the picture: where, in units of its side, and how bright."""

    text: str
    x: float
    y: float
    bright: float

    def __call__(self, size: int) -> Map:
        drawn = Image.new("L", (DRAWN_SIDE, DRAWN_SIDE))
        place = (self.x * DRAWN_SIDE, self.y * DRAWN_SIDE)
        ImageDraw.Draw(drawn).text(place, self.text, round(255 * self.bright), _font())
        return np.asarray(drawn.resize((size, size), Image.Resampling.BILINEAR), np.float32) / 255


@lru_cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(DRAWN_SIDE // 16)


def draw_mark(random: np.random.Generator) -> Letters:
    """Draw how the mark looks."""
    return Letters("SYNTHETIC", random.uniform(0.01, 0.05), random.uniform(0.92, 0.94), random.uniform(0.4, 0.75))


def marked(picture: Map, mark: Map) -> Map:
    """Return the picture with the mark in its lower left corner, in the same way for every class.

    The picture shines through, and place and brightness vary: pixels that are always the
    same would betray the slightest change of size or compression to the audit.
    """
    centres = (np.arange(len(mark), dtype=np.float32) + 0.5) / len(mark)
    corner = edge(centres - 0.91, 0.02)[:, None] * edge(0.42 - centres, 0.02)
    return np.asarray(np.minimum(picture * (1 - 0.75 * corner) + mark, 1), np.float32)

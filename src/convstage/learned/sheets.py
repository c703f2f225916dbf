"""Sheets of what filters answer to, as PNG files: a row for each filter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..pictures import Picture, Scale, font, save
from . import words
from .frames import fitted, framed, weight_picture
from .hierarchy import Features, FilterFeature, LayerFeatures

if TYPE_CHECKING:
    from PIL import ImageDraw

#: Rows of one sheet; more filters take more sheets.
ROWS = 32
#: Pixels: side of a picture, gap between two, width of the text on the left, height of a line, and of its letters.
SIDE, GAP, TEXT, LINE, FONT = 88, 8, 260, 17, 12
INK, DIM = (28, 30, 33), (91, 97, 105)


def save_sheets(features: Features, folder: Path) -> list[Path]:
    """Write the sheets of all layers; see `Features.save_pngs`."""
    files = []
    for layer in features.layers:
        parts = [layer.shown[start : start + ROWS] for start in range(0, len(layer.shown), ROWS)]
        for index, part in enumerate(parts):
            number = f"-{index + 1}" if len(parts) > 1 else ""
            files.append(save(sheet(features, layer, part), folder / f"{layer.name}{number}.png"))
    return files


def sheet(features: Features, layer: LayerFeatures, shown: tuple[FilterFeature, ...]) -> Picture:
    """Return one sheet: of every filter its weights, the image made for it, and the patches that excite it most."""
    from PIL import Image, ImageDraw

    scale = weight_scale(layer)
    lead = (scale is not None) + any(one.synthetic is not None for one in shown)
    columns = lead + max([len(one.patches) for one in shown], default=0)
    height = 3 * LINE + GAP + len(shown) * (SIDE + LINE + GAP)
    page = Image.new("RGB", (2 * GAP + TEXT + max(columns, 6) * (SIDE + GAP), height), "white")
    draw = ImageDraw.Draw(page)
    write(draw, (GAP, GAP), f"{layer.name}: {layer.level}, {words.field(features, layer)}", page.width)
    heads = [*(["weights"] if scale else []), *(["made for it"] if lead > (scale is not None) else [])]
    write(draw, (GAP, GAP + LINE), words.inventory(layer), page.width, DIM)
    for column, head in enumerate(
        [*heads, f"what excites it most of the {words.PARTS[features.part]}, with value and class"]
    ):
        write(draw, (_left(column), GAP + 2 * LINE), head, page.width - _left(column), DIM)
    for index, feature in enumerate(shown):
        top = 3 * LINE + GAP + index * (SIDE + LINE + GAP)
        write(draw, (GAP, top), feature.name, TEXT - GAP)
        lines = [line for text in _remarks(layer, feature) for line in wrapped(draw, text, TEXT - GAP)]
        for number, line in enumerate(lines[: SIDE // LINE], start=1):
            write(draw, (GAP, top + number * LINE), line, TEXT - GAP, DIM)
        for column, (picture, caption) in enumerate(_pictures(feature, scale, lead > (scale is not None))):
            if picture is not None:
                page.paste(Image.fromarray(picture), (_left(column), top))
            write(draw, (_left(column), top + SIDE), caption, SIDE, DIM)
    return np.asarray(page)


def weight_scale(layer: LayerFeatures) -> Scale | None:
    """Return the colours of a layer's weights, where it looks at the image."""
    weights = [one.weights for one in layer.shown if one.weights is not None]
    return Scale.of(*weights, signed=True) if weights else None


def _left(column: int) -> int:
    return GAP + TEXT + column * (SIDE + GAP)


def _remarks(layer: LayerFeatures, feature: FilterFeature) -> list[str]:
    """Return what is said of a filter, one remark after the other."""
    if feature.dead:
        return [words.asleep(feature)]
    if layer.are_classes:
        return [f"images of {words.patched(feature)}"]
    reads = words.reading(layer, feature).removesuffix(f" of {layer.below}")
    return [words.patched(feature), words.selective(feature), reads]


def _pictures(feature: FilterFeature, scale: Scale | None, made: bool) -> list[tuple[Picture | None, str]]:
    """Return the pictures of a row, each with what stands under it."""
    row: list[tuple[Picture | None, str]] = []
    if scale is not None:
        row.append((None if feature.weights is None else fitted(weight_picture(feature.weights, scale), SIDE), ""))
    one = feature.synthetic
    if made and one is not None:
        row.append((framed(one.pixels_hwc, one.frame, one.inside, SIDE), words.number(one.value)))
    elif made:
        row.append((None, ""))
    row += [
        (framed(patch.pixels_hwc, patch.frame, patch.inside, SIDE), f"{words.number(patch.value)}  {patch.label}")
        for patch in feature.patches
    ]
    return row


def write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int, ink: tuple[int, int, int] = INK
) -> None:
    """Write a line of text, cut off where it is too long; what the font does not have is a box."""
    text = " ".join(text.split())
    letters = font(FONT)
    if draw.textlength(text, font=letters) > width:
        while text and draw.textlength(f"{text}…", font=letters) > width:
            text = text[:-1]
        text += "…"
    draw.text(place, text, ink, font=letters)


def wrapped(draw: ImageDraw.ImageDraw, text: str, width: int) -> list[str]:
    """Return a text as lines that are no wider than that, as far as its words allow it."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=font(FONT)) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines

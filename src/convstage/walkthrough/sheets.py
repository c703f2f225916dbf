"""A walk as PNG files: the image as numbers, a sheet for each stage and vector, the probabilities, the evidence."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ..explain import Evidence
from ..files import atomic_path
from ..pictures import Picture, Scale, enlarged_to, font, save
from ..stage.writing import written
from ..text import size
from .groups import Group, groups_of, words
from .paint import CLEAR, Indices, colours_of, filter_indices, indexed_png, indices, palette, vector_indices

if TYPE_CHECKING:
    from .steps import Step
    from .walking import Walk

T = TypeVar("T", bound=np.generic)

#: Longer side of maps on a sheet; so many stand side by side, with a gap between them.
TILE, ACROSS, GAP = 112, 16, 6
#: Margin of a sheet, and what a line of text takes.
MARGIN, LINE = 16, 20
#: Widest strip of a vector, and the largest cell in it.
STRIP, LARGEST = 1200, 40
#: Numbers of colours: those of values, those of filters behind them, then from black to white.
VALUES, BOTH, INK = 220, 110, 220
GREYS = CLEAR - INK
#: Images up to this side are written as numbers, in cells of so many pixels.
MATRIX, CELL = 32, 26
#: From this grey on, black numbers are easier to read than white ones (equal contrast by WCAG 2).
BRIGHT = 118
#: Evidence is enlarged to about this side.
EVIDENCE = 448
#: Bars of the probabilities.
BAR, BAR_COLOUR = 300, (11, 92, 173)


class Sheet:
    """A drawing of one byte per pixel, which grows downwards.

    Parameters
    ----------
    width : int
        In pixels.
    colours : bytes
        Red, green and blue of the numbers below `INK`.
    """

    def __init__(self, width: int, colours: bytes) -> None:
        greys = np.linspace(0, 255, GREYS).astype(np.uint8).repeat(3).tobytes()
        self._palette = palette(colours.ljust(3 * INK, b"\0") + greys)
        self._width = width
        self._rows: list[Indices] = []
        self.space(MARGIN)

    def space(self, height: int) -> Indices:
        """Add an empty band and return it, to be drawn on."""
        band = np.full((height, self._width), INK + GREYS - 1, np.uint8)
        self._rows.append(band)
        return band

    def text(self, text: str, height: int = 13) -> None:
        """Add a line of text."""
        write(self.space(LINE + height - 13), text, MARGIN, 2, height)

    def legend(self, name: str, scale: Scale, first: int, count: int) -> None:
        """Add a colour scale with its numbers."""
        band = self.space(2 * LINE)
        bar = indices(scale, np.tile(np.linspace(scale.low, scale.high, 3 * TILE), (10, 1)), first, count)
        draw(band, bar, MARGIN, 4)
        middle = 0.0 if scale.signed else (scale.low + scale.high) / 2
        for share, value in ((0, scale.low), (0.5, middle), (1, scale.high)):
            write(band, written(value, 2), MARGIN + round(share * 3 * TILE), 16, 11, share)
        write(band, name, MARGIN + 3 * TILE + 2 * GAP, 0, 13)

    def tiles(self, painted_khw: Indices) -> None:
        """Add maps of one size, shape (maps, height, width), side by side."""
        band = self.space(painted_khw.shape[1] + GAP)
        for place, painted in enumerate(painted_khw):
            draw(band, painted, MARGIN + place * (TILE + GAP), 0)

    def save(self, path: Path) -> Path:
        """Write it as a PNG file, whole or not at all."""
        self.space(MARGIN)
        with atomic_path(path) as temporary:
            temporary.write_bytes(indexed_png(np.concatenate(self._rows), self._palette))
        return path


def save_sheets(walk: Walk, folder: Path) -> list[Path]:
    """Write all sheets of a walk into a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    sheets = {"input": _input_sheet(walk.steps["input"])}
    for group in groups_of(walk.steps.values()):
        sheets[group.name] = _map_sheet(group) if group.is_map else _vector_sheet(group)
    sheets["probabilities"] = _probability_sheet(walk)
    paths = [sheet.save(folder / f"{number:02}-{name}.png") for number, (name, sheet) in enumerate(sheets.items())]
    shown = [one for one in walk.evidence if isinstance(one, Evidence) and not one.flat]
    return [*paths, *(save(_captioned(one), folder / f"evidence-{one.method}.png") for one in shown)]


def _map_sheet(group: Group) -> Sheet:
    count = VALUES if group.filter_scale is None else BOTH
    colours = colours_of(group.scale, count)
    if group.filter_scale is not None:
        colours += colours_of(group.filter_scale, BOTH)
    number = group.steps[0].shape[2]
    sheet = Sheet(2 * MARGIN + min(number, ACROSS) * (TILE + GAP) + _room(number), colours)
    sheet.text(group.title, 18)
    if group.filter_scale is not None:
        sheet.legend("weights of the filters", group.filter_scale, BOTH, BOTH)
    sheet.legend("values of the maps", group.scale, 0, count)
    for step in group.steps:
        sheet.text(f"{step.name}: {size(step.shape)}, {words(step)}")
    rows = [indices(group.scale, resized(step.output, TILE), 0, count).transpose(2, 0, 1) for step in group.steps]
    if group.filters is not None and group.filter_scale is not None:
        painted = [filter_indices(group.filter_scale, one, BOTH, BOTH) for one in group.filters]
        rows.insert(0, resized(np.stack(painted, axis=2), TILE).transpose(2, 0, 1))
    for start in range(0, number, ACROSS):
        chosen = slice(start, min(number, start + ACROSS))
        sheet.text(f"{start} to {chosen.stop - 1}")
        for painted_khw in rows:
            sheet.tiles(painted_khw[chosen])
    return sheet


def _room(number: int) -> int:
    """Return how much wider a sheet of few maps must be, for the text on it."""
    return max(0, 9 - number) * (TILE + GAP)


def _vector_sheet(group: Group) -> Sheet:
    sheet = Sheet(2 * MARGIN + STRIP, colours_of(group.scale, VALUES))
    sheet.text(group.title, 18)
    sheet.legend("values", group.scale, 0, VALUES)
    for step in group.steps:
        sheet.text(f"{step.name}: {size(step.shape)}, {words(step)}")
        painted = vector_indices(group.scale, step.output, 0, VALUES)
        factor = min(LARGEST, max(1, STRIP // painted.shape[1]))
        enlarged = painted.repeat(factor, axis=0).repeat(factor, axis=1)
        draw(sheet.space(len(enlarged) + GAP), enlarged, MARGIN, 0)
    return sheet


def _input_sheet(step: Step) -> Sheet:
    """Draw the image channel by channel; of small ones each pixel as a number in its shade."""
    height, width, channels = step.shape
    scale = Scale(0.0, 255.0, False)
    greys = np.linspace(0, 255, VALUES).astype(np.uint8).repeat(3).tobytes()
    factor = CELL if max(height, width) <= MATRIX else 1
    sheet = Sheet(2 * MARGIN + max(300, width * factor), greys)
    sheet.text(f"input: {size(step.shape)}, {words(step)}")
    for channel in range(channels):
        if channels > 1:
            sheet.text(("red", "green", "blue")[channel])
        pixels = step.input[:, :, channel]
        painted = indices(scale, pixels.astype(np.float32), 0, VALUES)
        band = sheet.space(height * factor + GAP)
        draw(band, painted.repeat(factor, axis=0).repeat(factor, axis=1), MARGIN, 0)
        if factor > 1:
            for (row, column), pixel in np.ndenumerate(pixels):
                place = MARGIN + column * factor + factor // 2
                write(
                    band, str(pixel), place, row * factor + 7, 10, 0.5, ink=INK if pixel >= BRIGHT else INK + GREYS - 1
                )
    return sheet


def _probability_sheet(walk: Walk) -> Sheet:
    names = walk.classifier.classes
    left = MARGIN + max(80, *(round(font(13).getlength(name)) for name in names)) + 2 * GAP
    sheet = Sheet(left + BAR + 5 * LINE, bytes(BAR_COLOUR))
    sheet.text("probabilities", 18)
    for name, probability in zip(names, walk.probabilities, strict=True):
        band = sheet.space(LINE)
        write(band, name, MARGIN, 2, 13)
        length = max(1, round(BAR * probability))
        draw(band, np.zeros((LINE - 6, length), np.uint8), left, 3)
        write(band, f"{probability:.1%}", left + length + GAP, 2, 13)
    return sheet


def draw(band: Indices, painted: Indices, left: int, top: int) -> None:
    """Lay a picture on a band; what is not there lets it through, what stands out is cut off."""
    target = band[top : top + painted.shape[0], left : left + painted.shape[1]]
    cut = painted[: target.shape[0], : target.shape[1]]
    np.copyto(target, cut, where=cut != CLEAR)


def write(
    band: Indices, text: str, left: int, top: int, height: int, share: float = 0.0, *, ink: int | None = None
) -> None:
    """Write on a band, black on white, or in another `ink`; `share` of the text's width stands left of the place."""
    inked = _inked(text, height)
    left = max(0, left - round(share * inked.shape[1]))
    target = band[top : top + inked.shape[0], left : left + inked.shape[1]]
    shade = inked[: target.shape[0], : target.shape[1]]
    if ink is None:
        target[:] = np.minimum(target, INK + np.rint((255 - shade) / 255 * (GREYS - 1))).astype(np.uint8)
    else:
        target[shade > 100] = ink


def resized(maps_hwk: npt.NDArray[T], side: int) -> npt.NDArray[T]:
    """Return maps whose longer side is `side`: cells become squares, or rows and columns are left out."""
    share = side / max(maps_hwk.shape[:2])
    lengths = [max(1, round(n * share)) for n in maps_hwk.shape[:2]]
    rows, columns = (np.arange(new) * n // new for n, new in zip(maps_hwk.shape[:2], lengths, strict=True))
    fitted: npt.NDArray[T] = maps_hwk[rows[:, None], columns]
    return fitted


def _captioned(one: Evidence) -> Picture:
    """Return a map of evidence over the image, with what it is and its colours."""
    picture = enlarged_to(one.overlay(), EVIDENCE)
    caption = np.full((4 * LINE, max(picture.shape[1], 3 * TILE), 3), 255, np.uint8)
    bar = Scale(-1.0, 1.0, True).bar(10, caption.shape[1] - 2 * GAP)
    caption[2 * LINE + 4 : 2 * LINE + 14, GAP:-GAP] = bar
    figures = f"probability {one.probability:.1%}, score {one.score:+.3f}"
    lines = (f"{one.title}: {one.target}", figures, "speaks against", "speaks for")
    for text, top, share in zip(lines, (2, 22, 56, 56), (0, 0, 0, 1), strict=True):
        inked = _inked(text, 13)[:, : caption.shape[1] - 2 * GAP]
        left = GAP + share * (caption.shape[1] - 2 * GAP - inked.shape[1])
        target = caption[top : top + inked.shape[0], left : left + inked.shape[1]]
        np.minimum(target, 255 - inked[:, :, None], out=target)
    wide = np.full((len(picture), caption.shape[1], 3), 255, np.uint8)
    wide[:, : picture.shape[1]] = picture
    return np.concatenate([wide, caption])


@lru_cache(maxsize=1024)
def _inked(text: str, height: int) -> Indices:
    """Return a text as shape (rows, columns), 255 where it is inked."""
    from PIL import Image, ImageDraw

    letters = font(height)
    image = Image.new("L", (max(1, round(letters.getlength(text)) + 2), height + 6))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=letters)
    return np.asarray(image)

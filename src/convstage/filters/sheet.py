"""The sheet of a filter at work, and the gallery of several filters on one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..pictures import Picture, Scale, plot_style
from ..stage.receipt import Cell
from ..text import size
from .filtered import Filtered
from .kernels import Kernel
from .numbers import Written, decimals, numerators, over, written
from .panels import BELOW, GAP, INK, Panel, Place, draw_panel, draw_panels
from .values import Array, Values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Matrices with more cells than this have no room for numbers.
MOST_NUMBERS = 1024
#: Tiles of a gallery side by side, and their inches: the filter, its map, and the lines above.
ACROSS, SMALL, LARGE, HEAD = 3, 0.95, 2.1, 0.5


def sheet(filtered: Filtered, other: Filtered | None = None, *, cell: Cell | None = None) -> Figure:
    """Draw a filter at work: the image, the filter, the map, and what follows.

    Parameters
    ----------
    filtered : Filtered
        From `apply`.
    other : Filtered, optional
        The same with the filter turned: a second row shows it, and where the two differ.
    cell : (int, int), optional
        A cell of the last map; what it was made from is framed.

    Returns
    -------
    matplotlib.figure.Figure
        All maps on it have one scale of colours.
    """
    both = [filtered] if other is None else [filtered, other]
    maps = [map_hw for one in both for map_hw in one.steps.values()]
    difference_hw = None if other is None else other.map_hw - filtered.map_hw
    scale = Scale.of(*maps)
    marks = {} if cell is None else _marks(filtered, cell)
    rows: list[list[Panel]] = [
        [
            image_panel(filtered.image, marks.get("image")),
            kernel_panel(filtered.kernel),
            *map_panels(filtered, scale, marks),
        ]
    ]
    if other is not None and difference_hw is not None:
        note = f"not 0 in {np.count_nonzero(difference_hw):,} of {difference_hw.size:,} cells"
        own = Scale.of(difference_hw, signed=True)
        texts = _texts(difference_hw, filtered.denominator)
        difference = Panel("convolution less cross-correlation", note, own.colours(difference_hw), texts, own)
        rows.append([difference, kernel_panel(other.kernel, turned=True), *map_panels(other, scale)])
    with plot_style():
        return draw_panels(rows, title(filtered.kernel), filtered.words)


def title(kernel: Kernel) -> str:
    """Return what a sheet calls a filter."""
    return f"{kernel.name}: {kernel.words}"


def image_panel(image: Values, mark: Place | None = None) -> Panel:
    """Return an image as a panel, in greys."""
    return Panel("image", image.words, grey(image), _texts(image.values_hw), marks=() if mark is None else (mark,))


def grey(image: Values) -> Picture:
    """Return an image as a picture in greys."""
    span = image.white - image.black or 1.0
    levels = np.round(255 * np.clip((image.values_hw - image.black) / span, 0, 1)).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def kernel_panel(kernel: Kernel, *, turned: bool = False) -> Panel:
    """Return a filter as a panel, in whole numbers over its denominator where it has one."""
    shown_hw = kernel.weights * (kernel.denominator or 1)
    note = ", ".join(filter(None, [size(kernel.shape), over(kernel.denominator or 1)]))
    scale = Scale.of(shown_hw, signed=True)
    return Panel(
        "filter, turned by 180°" if turned else "filter", note, scale.colours(shown_hw), written(kernel), scale
    )


def map_panels(filtered: Filtered, scale: Scale | None = None, marks: Mapping[str, Place] | None = None) -> list[Panel]:
    """Return the maps as panels, step by step; on a scale of their own when none is given."""
    scale, marks, panels = scale or Scale.of(*filtered.steps.values()), marks or {}, []
    for step, map_hw in filtered.steps.items():
        note = f"{size(map_hw.shape)}, {map_hw.min():.3g} to {map_hw.max():.3g}"
        if filtered.pooling is not None and map_hw is filtered.pooled_hw:
            note += f"; {filtered.pooling.words}"
        numbers = _texts(map_hw, filtered.denominator)
        mark = marks.get(step)
        panels.append(Panel(step, note, scale.colours(map_hw), numbers, scale, () if mark is None else (mark,)))
    return panels


def _texts(map_hw: Array, denominator: int | None = None) -> Written | None:
    """Return numbers for the cells: decimals, with the fraction below where there is one."""
    if map_hw.size > MOST_NUMBERS:
        return None
    numbers = decimals(map_hw)
    if denominator in (None, 1):
        return numbers
    fractions = numerators(map_hw, denominator)
    return [
        [f"{number}\n{fraction}/{denominator}" for number, fraction in zip(*rows, strict=True)]
        for rows in zip(numbers, fractions, strict=True)
    ]


def _marks(filtered: Filtered, cell: Cell) -> dict[str, Place]:
    """Return what a cell of the last map was made from: places in the image and in each map, by step."""
    step, *_ = reversed(filtered.steps)
    marks: dict[str, Place] = {step: (cell[0], cell[1], 1, 1)}
    if filtered.pooling is None:
        receipt = filtered.receipt(cell)
        marks[next(iter(filtered.steps))] = marks[step]
        rows, columns = receipt.rows, receipt.columns
    else:
        pooled = filtered.pool_receipt(cell)
        for before in list(filtered.steps)[:-1]:
            marks[before] = _place(pooled.rows, pooled.columns)
        receipts = pooled.receipts
        rows = range(receipts[0].rows[0], receipts[-1].rows[-1] + 1)
        columns = range(receipts[0].columns[0], receipts[-1].columns[-1] + 1)
    return marks | {"image": _place(rows, columns)}


def _place(rows: range, columns: range) -> Place:
    return rows[0], columns[0], len(rows), len(columns)


def gallery(filtereds: Sequence[Filtered]) -> Figure:
    """Draw several filters on one image: for each the filter and its last map, in colours of its own scale.

    Parameters
    ----------
    filtereds : sequence of Filtered
        Of one image; from `apply`.
    """
    from matplotlib.figure import Figure

    if not filtereds:
        raise ConfigError("a gallery needs at least one filter.")
    across = min(ACROSS, len(filtereds) + 1)
    down = -(-(len(filtereds) + 1) // across)
    tile = SMALL + LARGE + 2 * GAP
    high = HEAD + LARGE + BELOW
    width, height = across * tile + GAP, down * high + GAP / 2
    with plot_style():
        figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
        for number, filtered in enumerate([None, *filtereds]):
            left = GAP + number % across * tile
            bottom = height - (number // across + 1) * high + BELOW
            if filtered is None:
                draw_panel(figure, image_panel(filtereds[0].image), (left + SMALL + GAP / 2, bottom), LARGE)
                continue
            kernel, map_hw = filtered.kernel, list(filtered.steps.values())[-1]
            small, scale = kernel_panel(kernel), Scale.of(map_hw)
            small = Panel("", "", small.picture, small.numbers)
            large = Panel("", "", scale.colours(map_hw), None, scale)
            draw_panel(figure, small, (left, bottom + LARGE - SMALL), SMALL)
            draw_panel(figure, large, (left + SMALL + GAP / 2, bottom), LARGE)
            top = (bottom + LARGE) / height
            figure.text(left / width, top + 0.27 / height, kernel.name, fontsize=10, fontweight="bold", color=INK)
            figure.text(left / width, top + 0.1 / height, kernel.words, fontsize=7, color=INK)
    return figure

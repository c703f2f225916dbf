"""A walk as one self-contained page; its script does the arithmetic of the receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..explain import METHODS, Evidence, Refusal
from ..pages import page
from ..pictures import Picture, Scale, as_picture, data_uri, png
from ..stage.writing import written
from ..text import size
from .groups import Group, groups_of, words
from .packed import pack
from .paint import colours_of, filter_indices, indexed_png, indices, palette, reduced, vector_columns, vector_indices
from .steps import Step

if TYPE_CHECKING:
    from ..explain import Grade
    from .walking import Walk

#: Bytes of all maps together, 9 MB as text; where there are more, large maps lose rows and columns.
BYTES = 6_500_000
#: What a picture takes besides its cells: the palette.
PALETTE = 800
#: Longest side that maps are shown with, and what is tried below it.
SIDES = (256, 128, 64, 32)
#: Of a layer, so many maps are shown; of a filter, so many channels.
MAPS, CHANNELS = 256, 144


def walk_page(walk: Walk, grades: Sequence[Grade | None] | None) -> str:
    """Return the walk as HTML."""
    groups = groups_of(walk.steps.values())
    side = _side(groups)
    classes = zip(walk.classifier.classes, walk.probabilities.tolist(), strict=True)
    return page(
        "walk",
        scripts=("walk_arithmetic", "walk"),
        data=pack(walk.steps) | {"classes": list(walk.classifier.classes)},
        walk=walk,
        target=next((one.target for one in walk.evidence if isinstance(one, Evidence)), walk.target),
        image=_image(walk.steps["input"]),
        groups=[_group(group, side) for group in groups],
        classes=[{"name": name, "probability": probability} for name, probability in classes],
        evidence=_evidence(walk, grades),
        evidence_legend=_legend(Scale(-1.0, 1.0, True), ("against", "", "for")),
    )


def _side(groups: Sequence[Group]) -> int:
    """Return the longest side that maps are shown with, so that the page does not become too large."""
    maps = [step.output for group in groups if group.is_map for step in group.steps]
    for side in SIDES:
        shown = [reduced(one, side)[:, :, :MAPS] for one in maps]
        if sum(one.size + PALETTE * one.shape[2] for one in shown) <= BYTES:
            return side
    return SIDES[-1]


def _image(step: Step) -> dict[str, Any]:
    pixels_hwc = step.input
    height, width, channels = pixels_hwc.shape
    names = ("red", "green", "blue") if channels == 3 else ("the image",)
    tiles = [_address(as_picture(pixels_hwc[:, :, [channel]])) for channel in range(channels)]
    return {
        "name": step.name,
        "words": step.row.layer.meaning,
        "shape": size(step.input.shape),
        "ratio": f"{width} / {height}",
        "tiles": [{"src": src, "name": name} for src, name in zip(tiles, names, strict=True)],
        "colour": _address(as_picture(pixels_hwc)) if channels == 3 else None,
        "shown": channels,
    }


def _address(picture: Picture) -> str:
    return data_uri(png(picture))


def _group(group: Group, side: int) -> dict[str, Any]:
    colours = palette(colours_of(group.scale))
    return {
        "name": group.name,
        "title": group.title,
        "is_map": group.is_map,
        "legend": _legend(group.scale),
        "filters": _filters(group),
        "steps": [_step(step, group, colours, side) for step in group.steps],
    }


def _filters(group: Group) -> dict[str, Any] | None:
    if group.filters is None or group.filter_scale is None:
        return None
    colours = palette(colours_of(group.filter_scale))
    painted = [filter_indices(group.filter_scale, one[:, :, :CHANNELS]) for one in group.filters[:MAPS]]
    height, width = painted[0].shape
    shape = group.filters.shape[1:]
    return {
        "words": f"filters of {size(shape)}, one for each map below{_channels(shape[2])}",
        "legend": _legend(group.filter_scale),
        "ratio": f"{width} / {height}",
        "tiles": [data_uri(indexed_png(one, colours)) for one in painted],
        "hidden": max(0, len(group.filters) - MAPS),
    }


def _channels(count: int) -> str:
    if count == 1:
        return ""
    return "; their channels side by side" if count <= CHANNELS else f"; their first {CHANNELS} channels side by side"


def _step(step: Step, group: Group, colours: bytes, side: int) -> dict[str, Any]:
    if step.is_map:
        painted_khw = indices(group.scale, reduced(step.output[:, :, :MAPS], side)).transpose(2, 0, 1)
        ratio = f"{step.shape[1]} / {step.shape[0]}"
        columns = step.shape[1]
    else:
        painted_khw = vector_indices(group.scale, step.output)[None]
        columns = vector_columns(step.shape[0])
        ratio = f"{columns} / {painted_khw.shape[1]}"
    return {
        "name": step.name,
        "words": words(step),
        "shape": size(step.shape),
        "ratio": ratio,
        "columns": columns,
        "rows": step.shape[0] if step.is_map else painted_khw.shape[1],
        "tiles": [data_uri(indexed_png(one, colours)) for one in painted_khw],
        "hidden": max(0, step.shape[2] - MAPS) if step.is_map else 0,
    }


def _legend(scale: Scale, ends: tuple[str, str, str] | None = None) -> dict[str, Any]:
    middle = 0.0 if scale.signed else (scale.low + scale.high) / 2
    numbers = [written(value, 2) for value in (scale.low, middle, scale.high)]
    return {"src": data_uri(png(scale.bar(8, 128))), "numbers": list(ends or numbers), "signed": scale.signed}


def _evidence(walk: Walk, grades: Sequence[Grade | None] | None) -> list[dict[str, Any]]:
    marks = [None] * len(walk.evidence) if grades is None else grades
    return [
        {
            "title": one.title,
            "words": METHODS[one.method].words,
            "source": METHODS[one.method].source,
            "src": _address(one.overlay()) if isinstance(one, Evidence) and not one.flat else None,
            "lines": _lines(one),
            "grade": grade and {"verdict": grade.verdict, "sentences": grade.sentences},
        }
        for one, grade in zip(walk.evidence, marks, strict=True)
    ]


def _lines(one: Evidence | Refusal) -> list[str]:
    if isinstance(one, Refusal):
        return [f"It cannot be used here: {one.reason}"]
    return [f"The map is flat: {one.reason}" if one.flat else f"{one.asked[:1].upper()}{one.asked[1:]}.", *one.notes]

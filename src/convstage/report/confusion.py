"""The confusion matrix, every cell of which opens the images in it; of many classes, the commonest mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..pictures import as_picture, data_uri, jpeg, png, thumbnail
from .material import Evaluated, Material

#: Thumbnails are of this side at most; those of smaller images are shown larger, pixel by pixel.
SIDE, SMALL = 112, 48
#: So many images of a cell are shown, and so many bytes all thumbnails may have as files.
MOST, BUDGET = 60, 6_000_000
#: From so many classes on, the names of the columns stand upright.
UPRIGHT = 6
#: A matrix of more classes would be larger than any screen, and soon than any mail; then so many mistakes are listed.
MAX_CLASSES, LISTED = 40, 60


def confusion(material: Material) -> dict[str, Any] | str:
    """Return the matrix and, for each of its cells, the images in it; the surest of the mistakes first.

    The pictures have a budget, which the mistakes may use before the others.
    """
    evaluated = material.evaluated
    if evaluated is None:
        return "There is none: the network has not been evaluated."
    matrix, classes = evaluated.metrics["confusion"], material.classes
    whole = len(classes) <= MAX_CLASSES
    wrong = [(i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if count and i != j]
    wrong.sort(key=lambda place: -matrix[place[0]][place[1]])
    right = [(i, i) for i in range(len(classes)) if matrix[i][i]]
    if not whole:
        wrong, right = wrong[:LISTED], []
    shown = Thumbnails(material, most(len(wrong) + len(right)))
    cells = {place: _cell(evaluated, shown, classes, *place) for place in [*wrong, *right]}
    return {
        "classes": classes,
        "upright": len(classes) >= UPRIGHT or max(map(len, classes)) > 16,
        "rows": [
            [{"count": count, "share": count / (sum(row) or 1), "right": i == j} for j, count in enumerate(row)]
            for i, row in enumerate(matrix)
        ]
        if whole
        else None,
        "listed": [{"cell": cells[i, j], "of": sum(matrix[i])} for i, j in wrong],
        "cells": [cells[place] for place in sorted(cells)],
        "missing": material.missing,
    }


def most(cells: int) -> int:
    """Return how many images of each cell can be shown, when there are so many cells.

    Examples
    --------
    >>> most(4), most(100), most(5000)
    (60, 15, 1)
    """
    return int(np.clip(1500 // max(1, cells), 1, MOST))


def _cell(evaluated: Evaluated, shown: Thumbnails, classes: list[str], truth: int, prediction: int) -> dict[str, Any]:
    rows = np.flatnonzero((evaluated.truth == truth) & (evaluated.predicted == prediction))
    confidence = evaluated.confidence[rows]
    # Of the mistakes the surest are the worst; of what is right, those that were nearly wrong say most.
    order = np.argsort(confidence if truth == prediction else -confidence, kind="stable")
    images = [
        {
            "name": evaluated.names[row],
            "probability": f"{evaluated.confidence[row]:.1%}",
            "picture": shown.of(evaluated.names[row]),
        }
        for row in rows[order[: shown.most]]
    ]
    return {
        "place": f"{truth}-{prediction}",
        "truth": classes[truth],
        "prediction": classes[prediction],
        "right": truth == prediction,
        "images": images,
        "count": len(rows),
        "more": len(rows) - len(images),
    }


class Thumbnails:
    """Pictures of the images, as long as the budget lasts.

    Parameters
    ----------
    material : Material
    most : int
        How many of a cell are shown.
    """

    def __init__(self, material: Material, most: int) -> None:
        self.material = material
        self.most = most
        self.left = BUDGET

    def of(self, name: str) -> dict[str, Any] | None:
        """Return an image's address that holds it, with its size; None where it is gone, or the budget is spent."""
        pixels = self.material.pixels(name)
        if pixels is None or self.left <= 0:
            return None
        picture = thumbnail(as_picture(pixels), SIDE)
        height, width = picture.shape[:2]
        small = max(height, width) <= SMALL
        content = png(picture) if small else jpeg(picture)
        self.left -= len(content)
        factor = max(1, 84 // max(height, width)) if small else 1
        return {
            "address": data_uri(content, "png" if small else "jpeg"),
            "height": height * factor,
            "width": width * factor,
            "pixels": small,
        }

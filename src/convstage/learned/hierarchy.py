"""What a trained network has learned to see: the filters of every convolution, from small patterns to whole objects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..sizes import Pair, Region
from ..text import shown

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A part of an image, at which a filter looked when it was excited.

    Attributes
    ----------
    image, label : str
        The image's name in the run's data, and its class.
    value : float
        What the filter answered, after its non-linearity: the network's own value.
    cell : (int, int)
        Row and column in the filter's map.
    frame : (range, range)
        Rows and columns of the receptive field, beyond the image's edges where it is there.
    inside : (range, range)
        What of it the network has seen: rows and columns of the image.
    whole_hwc : ndarray of uint8, shape (height, width, channels)
        The image as the network reads it.
    """

    image: str
    label: str
    value: float
    cell: Pair
    frame: Region
    inside: Region
    whole_hwc: Pixels = field(repr=False)

    @property
    def pixels_hwc(self) -> Pixels:
        """The part of the image inside the field."""
        rows, columns = self.inside
        return np.asarray(self.whole_hwc[rows.start : rows.stop, columns.start : columns.stop])

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, the pixels left out."""
        return {
            "image": self.image,
            "class": self.label,
            "value": self.value,
            "cell": list(self.cell),
            "rows": [self.inside[0].start, self.inside[0].stop],
            "columns": [self.inside[1].start, self.inside[1].stop],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Synthetic:
    """An image made to excite a filter, see `convstage.learned.synthesis`.

    Attributes
    ----------
    pixels_hwc : ndarray of uint8, shape (rows, columns, channels)
        What lies inside the receptive field of the cell in the middle of the filter's map.
    value, start : float
        What it reaches, as it is shown, and the noise that it began as.
    steps : int
        Of gradient ascent.
    frame, inside : (range, range)
        As of a `Patch`.
    """

    pixels_hwc: Pixels = field(repr=False)
    value: float
    start: float
    steps: int
    frame: Region
    inside: Region

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, the pixels left out."""
        return {"value": self.value, "start": self.start, "steps": self.steps}


@dataclass(frozen=True, slots=True, eq=False)
class FilterFeature:
    """What one filter of a layer, or one class, answers to.

    Attributes
    ----------
    number : int
        Of the filter, or of the class, from 0.
    name : str
        ``filter 3``, or the name of the class.
    low, high : float
        Its smallest and largest value on the images.
    positive : float
        Share of the images in which it is above 0 somewhere.
    told : float
        Share of the variance of its mean over an image that lies between classes.
    class_means : dict of str to float
        Its mean over all cells of all images of each class that has images.
    patches : tuple of Patch
        What excites it most, the strongest first, each of another image.
    synthetic : Synthetic or None
    weights : ndarray, shape (height, width, channels), or None
        Of a filter that looks at the image itself.
    reads : tuple of (int, float)
        Of other filters: the filters of the convolution below that it has the largest weights
        for, each with its share of the sum of squares.
    """

    number: int
    name: str
    low: float
    high: float
    positive: float
    told: float
    class_means: dict[str, float]
    patches: tuple[Patch, ...]
    synthetic: Synthetic | None
    weights: npt.NDArray[np.float32] | None
    reads: tuple[tuple[int, float], ...]

    @property
    def dead(self) -> bool:
        """Whether it has the same value everywhere in all images."""
        return self.low == self.high

    @property
    def classes(self) -> dict[str, int]:
        """How many of its patches are from images of which class, the most first."""
        return dict(Counter(patch.label for patch in self.patches).most_common())

    @property
    def of_best(self) -> float | None:
        """What the synthetic image reaches, as a multiple of what the best image does; None without both."""
        return self.synthetic.value / self.high if self.synthetic and self.high > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, pictures left out."""
        return {
            "number": self.number,
            "name": self.name,
            "dead": self.dead,
            "low": self.low,
            "high": self.high,
            "positive": self.positive,
            "told": self.told,
            "class_means": self.class_means,
            "classes": self.classes,
            "patches": [patch.to_dict() for patch in self.patches],
            "synthetic": self.synthetic and {**self.synthetic.to_dict(), "of_best": self.of_best},
            "weights": None if self.weights is None else self.weights.tolist(),
            "reads": [{"filter": number, "share": share} for number, share in self.reads],
        }


@dataclass(frozen=True, slots=True, eq=False)
class LayerFeatures:
    """What the filters of a convolution answer to; the last layer's are the classes.

    Attributes
    ----------
    name, kind : str
        Of the layer in the plan: ``stage1.conv`` and ``CONV``, ``classifier`` and ``CLASSIFIER``.
    level : str
        Where it stands in the hierarchy: ``small patterns``, …, ``whole objects``.
    after : str
        The layer behind which values are read: the non-linearity, where there is one.
    below : str or None
        The convolution whose filters it reads; None for the first, which reads the image.
    size : (int, int) or None
        Height and width of a filter.
    receptive_field : (int, int)
        Height and width of what one value depends on.
    filters : int
        How many it has.
    dead : tuple of int
        Those whose value is the same everywhere in all images.
    shown : tuple of FilterFeature
        Those that were chosen: the ones whose activation tells the classes apart best.
    """

    name: str
    kind: str
    level: str
    after: str
    below: str | None
    size: Pair | None
    receptive_field: Pair
    filters: int
    dead: tuple[int, ...]
    shown: tuple[FilterFeature, ...]

    @property
    def are_classes(self) -> bool:
        """Whether these are the classes."""
        return self.kind == "CLASSIFIER"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "level": self.level,
            "values_after": self.after,
            "reads": self.below,
            "filter": self.size and list(self.size),
            "receptive_field": list(self.receptive_field),
            "filters": self.filters,
            "dead": list(self.dead),
            "shown": [one.to_dict() for one in self.shown],
        }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Features:
    """The hierarchy of what a network has learned; made by `features`, shows itself in Jupyter.

    Attributes
    ----------
    run : Path
        The run folder.
    part : str
        Part of the run's data that was looked at.
    images : dict of str to int
        How many images of each class that were.
    copies : int
        Images left out because an image before them has the same content.
    image : (int, int, int)
        Height, width and channels.
    pattern : str
        The network.
    seed : int
        Of the synthetic images.
    layers : tuple of LayerFeatures
        From small patterns to whole objects: the convolutions, then the classes.
    """

    run: Path
    part: str
    images: dict[str, int]
    copies: int
    image: tuple[int, int, int]
    pattern: str
    seed: int
    layers: tuple[LayerFeatures, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as plain data, ready for JSON."""
        return {
            "run": str(self.run),
            "part": self.part,
            "images": self.images,
            "copies": self.copies,
            "image": list(self.image),
            "pattern": self.pattern,
            "seed": self.seed,
            "layers": [layer.to_dict() for layer in self.layers],
        }

    def to_html(self) -> str:
        """Return the hierarchy as one page that loads nothing from anywhere."""
        from .display import html

        return html(self)

    def save_html(self, path: str | Path) -> Path:
        """Write the page of `to_html`, whole or not at all."""
        from ..files import write_text

        write_text(path, self.to_html())
        return Path(path)

    def save_pngs(self, folder: str | Path) -> list[Path]:
        """Write one sheet for each layer, or several where it has many filters; return the files.

        Parameters
        ----------
        folder : path
            Exists; sheets of the same name are replaced.
        """
        from .sheets import save_sheets

        return save_sheets(self, Path(folder))

    def __repr__(self) -> str:
        layers = ", ".join(f"{layer.name} {len(layer.shown)} of {layer.filters}" for layer in self.layers)
        return shown(f"<Features of {self.run} on {sum(self.images.values()):,} {self.part} images: {layers}>")

    def _repr_html_(self) -> str:
        from ..pages import embedded

        return embedded(self.to_html(), 720)

"""Evidence: a map of what in an image speaks for a class, with what must be known to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..pages import named
from ..pictures import Picture, Scale, as_picture, data_uri, enlarged_to, overlay, png
from ..text import shown

if TYPE_CHECKING:
    from .question import Question

Floats = npt.NDArray[np.float64]

#: Pictures in notebooks are enlarged to about this side.
SIDE = 320


@dataclass(frozen=True)
class Found:
    """What a method returns.

    Attributes
    ----------
    map_hw : ndarray of float64, shape (height, width)
        At the size of the network's input; what is positive speaks for the target.
    details : dict
        Figures of the method's own, plain data.
    notes : list of str
        Choices that were made, as sentences.
    why_flat : str
        What it means when the map is flat.
    rounding : float
        Differences within the map that are smaller say nothing.
    """

    map_hw: Floats
    details: dict[str, Any]
    notes: list[str]
    why_flat: str
    rounding: float

    @property
    def flat(self) -> bool:
        """Whether the map says nothing of where: all of its values are the same, but for rounding."""
        return float(np.ptp(self.map_hw)) <= self.rounding


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """What in an image speaks for a class and what against it, by one method.

    Made by `convstage.evidence`; shows itself in Jupyter.

    Attributes
    ----------
    method, title : str
        Name in `convstage.explain.METHODS`, and what people call it.
    target : str
        The class that is explained.
    score : float
        What is explained: the target's logit less the mean of the other classes' logits, or the logit alone.
    contrast : bool
        Whether the other classes' logits are taken off.
    logit, probability : float
        The target's.
    map_hw : ndarray of float64, shape (height, width)
        At the size of the network's input; what is positive speaks for the target, what is negative against it.
    sigma : float
        The standard deviation in pixels of the Gaussian that `smooth_hw` is smoothed by; 0 for none.
    details : dict
        Figures of the method's own: the biases' share and the check of the sum, the layer, the window.
    notes : tuple of str
        Choices that were made, as sentences for people.
    flat : bool
        Whether the map says nothing of where.
    reason : str
        Why it is flat; empty when it is not.
    """

    method: str
    title: str
    target: str
    score: float
    contrast: bool
    logit: float
    probability: float
    map_hw: Floats
    sigma: float
    details: Mapping[str, Any]
    notes: tuple[str, ...]
    flat: bool
    reason: str
    question: Question = field(repr=False)

    @cached_property
    def smooth_hw(self) -> Floats:
        """The map as it is shown: smoothed by a Gaussian where single pixels would hide the picture."""
        from scipy.ndimage import gaussian_filter

        if not self.sigma:
            return self.map_hw
        # What lies beyond the edge is no evidence: it counts as zero.
        return np.asarray(gaussian_filter(self.map_hw, self.sigma, mode="constant"))

    @property
    def strongest(self) -> tuple[int, int] | None:
        """Row and column of the strongest point for the target, in the map as it is shown; None when it is flat."""
        if self.flat:
            return None
        row, column = np.unravel_index(int(self.smooth_hw.argmax()), self.smooth_hw.shape)
        return int(row), int(column)

    def overlay(self, *, smooth: bool = True, scale: Scale | None = None) -> Picture:
        """Return the map over the image: red speaks for the target, blue against it.

        Parameters
        ----------
        smooth : bool
            Show `smooth_hw`, not every pixel.
        scale : Scale, optional
            Signed; that of this map when not given.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            The image alone when the map is flat.
        """
        picture = as_picture(self.question.subject.pixels_hwc)
        return picture if self.flat else overlay(picture, self.smooth_hw if smooth else self.map_hw, scale)

    def to_dict(self, *, values: bool = False) -> dict[str, Any]:
        """Return it as plain data; with `values` also the map, as rows of numbers."""
        plain = ("method", "title", "target", "score", "contrast", "logit", "probability", "sigma", "flat", "reason")
        return {
            **{name: getattr(self, name) for name in plain},
            "image": self.question.subject.name,
            "reference": self.question.reference,
            "details": dict(self.details),
            "notes": list(self.notes),
            "strongest": None if self.strongest is None else list(self.strongest),
            **({"map": self.map_hw.tolist()} if values else {}),
        }

    @property
    def asked(self) -> str:
        """What is explained, in words, without the class's name."""
        against = " against the mean of the others" if self.contrast else ""
        return f"probability {self.probability:.1%}, a score of {self.score:+.3f}{against}"

    def __repr__(self) -> str:
        return shown(f"<Evidence for {self.target} in {self.question.subject.name} by {self.method}: {self.asked}>")

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        said = " ".join([*([self.reason] if self.flat else []), *self.notes])
        html = Markup(
            '<figure><img src="{}" alt="{}" style="image-rendering: pixelated; max-width: 100%">'
            "<figcaption><b>{}</b> for {}: {}. {}</figcaption></figure>"
        ).format(
            data_uri(png(enlarged_to(self.overlay(), SIDE))),
            f"{self.title} for {self.target} in {self.question.subject.name}",
            self.title,
            named(self.target),
            self.asked,
            named(said),
        )
        return shown(html)


@dataclass(frozen=True)
class Refusal:
    """A method that cannot be used for a network, and why.

    Attributes
    ----------
    method, title, reason : str
    """

    method: str
    title: str
    reason: str

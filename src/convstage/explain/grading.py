"""Grades: how far to trust a map of evidence, by what the network does and not by how the map looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..audit.cues import STRIP
from ..errors import ConfigError
from .curves import Blocks, Curve
from .places import Share, border, find_subject_mask, share_in
from .randomised import likeness
from .result import Evidence, Refusal

#: Of the random orders, as many must be beaten; maps more alike than this do not need what was learned.
BEATEN, ALIKE = 0.95, 0.5


@dataclass(frozen=True, eq=False)
class Grade:
    """How far to trust a map.

    Attributes
    ----------
    method, title : str
        Of the evidence.
    deletion, insertion : Curve or None
        Taking away what it points to, and putting it back; None of a flat map.
    redrawn_end, redrawn_all : float
        How alike the map is, 0..1, when the weights after the last stage, or all, are drawn at random: the rank
        correlation, without its sign.
    border : Share
        How much of it lies on the outer border.
    outside : Share or None
        How much of it lies outside the subject; None where no subject is clear.
    subject : str
        What the subject is taken to be, or why there is none.
    """

    method: str
    title: str
    deletion: Curve | None
    insertion: Curve | None
    redrawn_end: float
    redrawn_all: float
    border: Share
    outside: Share | None
    subject: str

    @property
    def follows(self) -> int:
        """How many of the two tests, deletion and insertion, say that the answer follows what the map points to."""
        return sum(_passes(curve) for curve in (self.deletion, self.insertion) if curve is not None)

    @property
    def learned(self) -> bool:
        """Whether the map needs what the network has learned."""
        return self.redrawn_all < ALIKE

    @property
    def verdict(self) -> str:
        """What all of it means, in a sentence."""
        if self.deletion is None:
            return "The map is flat: there is nothing to grade."
        if not self.learned:
            return "With random weights the map looks much the same: it shows the image rather than what was learned."
        if not self.follows:
            return "The network's answer does not follow what the map points to: do not rely on it."
        if self.follows == 1:
            return "The network's answer follows what the map points to in one of two tests only: read it with care."
        return "The network's answer follows what the map points to, and the map needs what was learned."

    @property
    def sentences(self) -> tuple[str, ...]:
        """The figures in words, one sentence each."""
        said = []
        for curve, words in ((self.deletion, _REMOVING), (self.insertion, _RETURNING)):
            if curve is not None:
                said.append(f"{words} faster than {_compared(curve)}.")
        if self.deletion is not None:
            said.append(
                f"With weights drawn at random the map {'changes' if self.learned else 'stays much the same'}: rank "
                f"correlation {self.redrawn_all:.2f}; with those after the last stage alone, {self.redrawn_end:.2f}."
            )
            said.append(_lies(self.border, f"on the outer border ({STRIP:.0%} of each side)"))
            if self.outside is None:
                said.append(f"How much lies outside the subject is not told: {self.subject}.")
            else:
                said.append(f"{_lies(self.outside, 'outside the subject')} {self.subject}.")
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "method": self.method,
            "title": self.title,
            "verdict": self.verdict,
            "sentences": list(self.sentences),
            "deletion": self.deletion and self.deletion.to_dict(),
            "insertion": self.insertion and self.insertion.to_dict(),
            "redrawn_end": self.redrawn_end,
            "redrawn_all": self.redrawn_all,
            "border": asdict(self.border),
            "outside": self.outside and asdict(self.outside),
            "subject": self.subject,
        }


_REMOVING = "Blurring what it points to lowers the score"
_RETURNING = "Sharpening what it points to raises the score"


def grades(found: Sequence[Evidence | Refusal], *, mask: npt.NDArray[np.bool_] | None = None) -> list[Grade | None]:
    """Return the grade of each map; None of a method that could not be used.

    Parameters
    ----------
    found : sequence of Evidence or Refusal
        From `all_evidence`, or from `evidence` one by one.
    mask : ndarray of bool, shape (height, width), optional
        Where the subject is, at the size of the network's input; estimated when not given.

    Raises
    ------
    ConfigError
        A mask of another shape.
    """
    asked = {id(one.question): one.question for one in found if isinstance(one, Evidence)}
    # What random orders do is the same for all methods.
    blocks = {key: Blocks(question) for key, question in asked.items()}
    return [_grade(one, blocks[id(one.question)], mask) if isinstance(one, Evidence) else None for one in found]


def _grade(evidence: Evidence, blocks: Blocks, given: npt.NDArray[np.bool_] | None) -> Grade:
    size = evidence.map_hw.shape
    if given is None:
        mask, words = find_subject_mask(evidence.question.subject.pixels_hwc)
    elif given.shape != size:
        raise ConfigError(
            f"the mask has shape {given.shape}, and the network's input is {size[0]}×{size[1]} pixels.\n"
            "Give the mask at the size of the network's input."
        )
    else:
        mask, words = given.astype(bool), "The subject is what the mask says"
    deletion, insertion = (None, None) if evidence.flat else blocks.curves(evidence)
    return Grade(
        method=evidence.method,
        title=evidence.title,
        deletion=deletion,
        insertion=insertion,
        redrawn_end=0.0 if evidence.flat else likeness(evidence, stages=False),
        redrawn_all=0.0 if evidence.flat else likeness(evidence, stages=True),
        border=share_in(evidence.smooth_hw, border(*size)),
        outside=None if mask is None else share_in(evidence.smooth_hw, ~mask),
        subject=words,
    )


def _passes(curve: Curve) -> bool:
    return curve.beaten >= BEATEN * len(curve.random)


def _compared(curve: Curve) -> str:
    return (
        f"{curve.beaten} of {len(curve.random)} random orders: {'yes' if _passes(curve) else 'no'} "
        f"(mean score on the way {curve.mean:+.2f}, random {curve.random.mean():+.2f} ± {curve.random.std():.2f})"
    )


def _lies(share: Share, where: str) -> str:
    return f"{share.evidence:.0%} of the evidence lies {where}, which is {share.area:.0%} of the area."

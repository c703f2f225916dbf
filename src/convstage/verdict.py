"""Verdict: whether the network is better than what gives the classes away without showing them.

The audit's shortcut probe predicts the classes from image size, compression, border and
the like. A network that is no better than the best of these may have learned the source
of the images. The two are compared on the same images, with one bootstrap for both
(paired), so that images that are easy for both do not blur the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .figures import auroc_trials, figure, independent, macro_auroc
from .resampling import intervals, number_groups

#: With fewer independent images of any class, nothing is concluded: resampling so few says little.
FEWEST = 10
#: Where an interval holds no difference and one larger than this, neither has been shown.
ADVANTAGE = 0.1

Conclusion = Literal[
    "clearly exceeds", "does not clearly exceed", "the test set is too small to tell", "no shortcut probe"
]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The network's figure and the shortcut's, and what follows.

    Attributes
    ----------
    conclusion : str
        Whether the network clearly exceeds the shortcut.
    words : str
        The same for people.
    images : int
        Number of images that both were measured on.
    cue : str or None
        The shortcut: the cue that gives most away.
    network, shortcut, difference : dict or None
        Mean AUROC over classes, as ``{"value", "low", "high"}``, and network less shortcut;
        None where undefined or unknown.
    """

    conclusion: Conclusion
    words: str
    images: int
    cue: str | None = None
    network: dict[str, float] | None = None
    shortcut: dict[str, float] | None = None
    difference: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)


def verdict(
    truth: Labels,
    probabilities: Floats,
    shortcut_probabilities: Floats | None,
    classes: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    cue: str = "the strongest cue",
    in_picture: bool = False,
    reason: str = "the data was not audited",
) -> Verdict:
    """Compare a network with the shortcut on the same images.

    Parameters
    ----------
    truth : ndarray of int, shape (n,)
        Class number of every image.
    probabilities : ndarray, shape (n, classes)
        By the network, which has not been trained on these images.
    shortcut_probabilities : ndarray, shape (n, classes), or None
        By a classifier of the cue alone, trained on other images; None when there are none.
    classes : sequence of str
        Names of the classes.
    groups : sequence of str, length n, optional
        Images of one group are resampled together.
    cue : str
        What the shortcut is, as the subject of a sentence.
    in_picture : bool
        Whether the cue is a part of the picture, where the object itself may reach.
    reason : str
        Why there is no shortcut, when there is none.

    Returns
    -------
    Verdict
        "clearly exceeds" when the whole interval of the difference is above 0; "the test
        set is too small to tell" with fewer than `FEWEST` independent images of a class,
        or when that interval reaches from 0 or below to above `ADVANTAGE`; else "does
        not clearly exceed".
    """
    numbers = number_groups(groups, len(truth))
    of_network = macro_auroc(truth, probabilities)
    of_shortcut = None if shortcut_probabilities is None else macro_auroc(truth, shortcut_probabilities)
    images = np.array([independent(numbers[truth == k]) for k in range(len(classes))])

    def figures(weights: Floats) -> dict[str, Floats]:
        network = of_network[1](weights)
        shortcut = network * np.nan if of_shortcut is None else of_shortcut[1](weights)
        return {"network": network, "shortcut": shortcut, "difference": network - shortcut}

    known = np.nan if of_shortcut is None else of_shortcut[0]
    points = {"network": of_network[0], "shortcut": known, "difference": of_network[0] - known}
    values = {name: np.asarray(value) for name, value in points.items()}
    least = auroc_trials(truth, len(classes), numbers).min()
    bounds = intervals(figures, values, numbers, {"network": least, "shortcut": least})
    network, shortcut, difference = (figure(values[name], bounds[name]) for name in values)
    fewest = int(images.argmin())
    if of_shortcut is None:
        conclusion: Conclusion = "no shortcut probe"
        words = f"There is no shortcut probe to compare the network with: {reason}."
        return Verdict(conclusion, words, len(truth), network=network)
    if images[fewest] < FEWEST:
        conclusion = "the test set is too small to tell"
        count = f"{images[fewest]} independent image{'' if images[fewest] == 1 else 's'}"
        words = (
            f"The test set is too small to tell whether the network exceeds the shortcut: it has {count} of "
            f"class {classes[fewest]}; {FEWEST} or more of each are needed."
        )
    else:
        assert network is not None
        assert shortcut is not None
        assert difference is not None
        conclusion, words = _conclude(network, shortcut, difference, cue, in_picture)
    return Verdict(conclusion, words, len(truth), cue, network, shortcut, difference)


def _conclude(
    network: dict[str, float], shortcut: dict[str, float], difference: dict[str, float], cue: str, in_picture: bool
) -> tuple[Conclusion, str]:
    """Return the conclusion and its words."""
    gives_away = shortcut["low"] > 0.5
    unless = ", unless what the classes differ in reaches there" if in_picture else ""
    if difference["low"] > 0:
        return "clearly exceeds", "The network clearly exceeds the shortcut. " + (
            f"But {cue} alone tells the classes apart better than chance: a part of what the "
            f"network has learned may be the source of the images{unless}."
            if gives_away
            else "No cue clearly gives the classes away."
        )
    if difference["high"] > ADVANTAGE:
        return "the test set is too small to tell", (
            "The test set is too small to tell whether the network exceeds the shortcut: their difference in AUROC "
            f"may be anything from {difference['low']:+.2f} to {difference['high']:+.2f}."
        )
    return "does not clearly exceed", "The network does not clearly exceed the shortcut. " + (
        f"What it has learned may be the source of the images{unless}: {cue} alone does as well, or nearly."
        if gives_away
        else "No cue clearly gives the classes away, and the network is not clearly better at it."
        if network["low"] > 0.5
        else "No cue clearly gives the classes away, and neither does the network tell them apart."
    )

"""The shortcut probe: how well a simple classifier predicts the class from what should not matter.

Networks for chest radiographs kept their accuracy when the lungs were blanked out
(Maguolo and Nanni 2021): they had learned the source. For each of `CUES`, extremely
randomised trees (Geurts, Ernst and Wehenkel 2006) predict the class of every image,
trained on the other folds. Their AUROC says how much a network gains by the cue alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data.duplicates import united
from ..data.split import folds
from ..figures import auroc_trials, figure
from ..resampling import intervals
from ..terminal import track
from ..weighted import class_mean, rankings
from .cues import CUES, Cue, Features
from .findings import Finding, Severity, Subject, images

#: Folds, fewer where a class has fewer groups; trees of a classifier; images in a leaf at least.
FOLDS, TREES, LEAF = 5, 50, 3
#: With fewer images in the smallest class an interval would span a third of the scale.
FEWEST = 20
#: For more classes the trees would fill the memory.
MOST_CLASSES = 100
#: So many images train a classifier at most, and so many give the figures; all get predictions.
TRAINED_WITH, MEASURED_ON = 2000, 2000
#: Where an interval begins, from which on a cue is worth a word, and from which on it is strong.
WEAK, STRONG = 0.6, 0.8
#: Of the folds, the trees and what is drawn.
SEED = 0

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
#: ``value``, ``low`` and ``high``.
Figure = dict[str, float]


@dataclass(frozen=True)
class CueResult:
    """What a cue says of the class.

    Attributes
    ----------
    cue : Cue
    constant : bool
        It is the same for all images, and says nothing.
    auroc : dict
        Mean over classes of the AUROC of one against the rest, as ``{"value", "low", "high"}``.
    per_class : dict of str to dict
        The AUROC of each class against the rest.
    probabilities : ndarray, shape (readable images, classes)
        Each from a classifier that has not seen the image, nor its group.
    """

    cue: Cue
    constant: bool
    auroc: Figure
    per_class: dict[str, Figure]
    probabilities: Floats

    @property
    def clearest(self) -> str:
        """The class that the cue tells most surely."""
        return max(self.per_class, key=lambda name: self.per_class[name]["low"])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return {"constant": self.constant, "auroc": self.auroc, "per_class": self.per_class}


@dataclass(frozen=True)
class Probe:
    """The shortcut probe of a data set.

    Attributes
    ----------
    results : tuple of CueResult
        One per entry of `CUES`; none where there were too few images.
    rows : ndarray of int, shape (readable images,)
        Which images the probabilities are of.
    measured : int
        Number of images that the figures are of.
    reason : str
        Why there are no results; empty when there are.
    """

    results: tuple[CueResult, ...]
    rows: Integers
    measured: int
    reason: str = ""

    @property
    def strongest(self) -> CueResult | None:
        """The simplest cue that is not clearly weaker than the one with the highest mean AUROC.

        That is the first whose figure lies within the interval of the highest, much as trees
        are chosen by the rule of one standard error (Breiman et al. 1984). A frame around an
        image shows in its surroundings and brightness, too; it is the border that has it.
        """
        varying = [result for result in self.results if not result.constant]
        if not varying:
            return None
        highest = max(varying, key=lambda result: result.auroc["value"])
        return next(result for result in varying if result.auroc["value"] >= highest.auroc["low"])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data; the probabilities are not among them."""
        return {
            "strongest": self.strongest.cue.name if self.strongest else None,
            "cues": {result.cue.name: result.to_dict() for result in self.results},
            "images": len(self.rows),
            "measured": self.measured,
            "reason": self.reason,
            "method": f"extremely randomised trees, out of fold; 95% bootstrap intervals; seed {SEED}",
        }


def probe(subject: Subject) -> Probe:
    """Try to predict the classes from every cue alone."""
    rows = subject.rows
    labels = subject.labels[rows]
    # Copies of a picture stay in one fold, as the images of a group do.
    digests = [subject.facts.digest[row].tobytes().hex() for row in rows]
    groups = np.array(united([subject.groups[row] for row in rows], digests), np.int64)
    classes = len(subject.classes)
    counts = np.bincount(labels, minlength=classes)
    apart = np.array([len(np.unique(groups[labels == k])) for k in range(classes)])
    if reason := _too_few(subject.classes, counts, apart):
        return Probe((), rows, 0, reason)
    fold = folds(labels, groups.tolist(), int(min(FOLDS, *apart)), SEED)
    measured = _evenly(labels)
    drawn = np.unique(groups[measured], return_inverse=True)[1]  # numbered anew: of those measured, there is no other
    results = []
    for cue in track(CUES.values(), "Probing for shortcuts", len(CUES), "cues"):
        features = cue.features(subject.facts, rows)
        if (features == features[:1]).all():
            even = {"value": 0.5, "low": 0.5, "high": 0.5}
            shares = np.tile(counts / len(rows), (len(rows), 1))
            results.append(CueResult(cue, True, even, dict.fromkeys(subject.classes, even), shares))
            continue
        probabilities = _out_of_fold(features, labels, fold, classes)
        auroc, per_class = _aurocs(labels[measured], probabilities[measured], subject.classes, drawn)
        results.append(CueResult(cue, False, auroc, per_class, probabilities))
    return Probe(tuple(results), rows, len(measured))


def _too_few(classes: tuple[str, ...], counts: Integers, apart: Integers) -> str:
    """Return why the classes cannot be probed; empty when they can."""
    if len(classes) > MOST_CLASSES:
        return f"there are {len(classes)} classes; the probe takes {MOST_CLASSES} at most"
    if len(classes) < 2:
        return "there is one class only"
    if counts.min() < FEWEST:
        return f"class {classes[counts.argmin()]} has {images(counts.min())}; the probe needs {FEWEST} of each"
    if apart.min() < 2:
        return f"all images of class {classes[apart.argmin()]} are of one group; the probe needs two of each class"
    return ""


def _evenly(labels: Integers) -> Integers:
    """Return `MEASURED_ON` rows at most, from all classes alike as far as they have so many."""
    turn = np.zeros(len(labels), np.int64)
    random = np.random.default_rng(SEED)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        turn[random.permutation(of_class)] = np.arange(len(of_class))
    return np.sort(np.argsort(turn, kind="stable")[:MEASURED_ON])


def _out_of_fold(features: Features, labels: Integers, fold: Integers, classes: int) -> Floats:
    """Return the probabilities of every image by a classifier trained on other folds."""
    from sklearn.ensemble import ExtraTreesClassifier

    probabilities = np.zeros((len(labels), classes))
    random = np.random.default_rng(SEED)
    for held_out in np.unique(fold):
        rest = np.flatnonzero(fold != held_out)
        trained = random.permutation(rest)[:TRAINED_WITH]
        model = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, random_state=SEED)
        model.fit(features[trained], labels[trained])
        asked = np.flatnonzero(fold == held_out)
        probabilities[np.ix_(asked, model.classes_)] = model.predict_proba(features[asked])
    return probabilities


def _aurocs(
    labels: Integers, probabilities: Floats, classes: tuple[str, ...], groups: Integers
) -> tuple[Figure, dict[str, Figure]]:
    """Return the mean AUROC and that of each class against the rest, with intervals."""
    rank = rankings(labels, probabilities)

    def figures(weights: Floats) -> dict[str, Floats]:
        each, _ = rank(weights)
        return {"mean": class_mean(each), "each": each}

    points = {name: values[0] for name, values in figures(np.ones((1, len(labels)))).items()}
    trials = auroc_trials(labels, len(classes), groups)
    bounds = intervals(figures, points, groups, {"mean": trials.min(), "each": trials})
    each = [figure(points["each"], bounds["each"], k) for k in range(len(classes))]
    mean = figure(points["mean"], bounds["mean"])
    assert mean is not None  # every class has images, and so has the rest
    return mean, {name: of_class for name, of_class in zip(classes, each, strict=True) if of_class is not None}


def shortcuts(result: Probe) -> list[Finding]:
    """Return a finding for each cue that gives a class away, the strongest first."""
    found = []
    for of_cue in sorted(result.results, key=lambda of_cue: (of_cue is not result.strongest, -of_cue.auroc["value"])):
        strength = sum(of_cue.per_class[of_cue.clearest]["low"] >= bound for bound in (WEAK, STRONG))
        if strength:
            levels: tuple[Severity, Severity] = ("note", "warning") if of_cue.cue.in_picture else ("warning", "error")
            found.append(Finding("shortcut", levels[strength - 1], in_words(of_cue)))
    return found


def in_words(result: CueResult) -> str:
    """Return what a cue gives away, and what follows."""
    if len(result.per_class) == 2:
        apart, auroc = "the classes apart", result.auroc
    else:
        apart, auroc = f"{result.clearest} from the other classes", result.per_class[result.clearest]
    follows = (
        "Unless that shows what is to be recognised, a network may learn the source of the images from it."
        if result.cue.in_picture
        else "It says nothing of what the images show: a network may learn their source from its traces."
    )
    return f"{result.cue.words} alone is enough to tell {apart} with AUROC {interval(auroc)}. {follows}"


def interval(of: Figure) -> str:
    """Return a figure with its interval, as in ``0.93 (0.91–0.95)``."""
    return f"{of['value']:.2f} ({of['low']:.2f}–{of['high']:.2f})"

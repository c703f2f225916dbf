"""How well probabilities rank the images and whether they hold: ROC, precision and recall, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from ..resampling import wilson
from ..show import figure_words
from ..weighted import confidence_bins
from .material import Evaluated, Floats, Material
from .plots import STYLES, Curve, reliability, squares, swatch


def ranking(material: Material) -> dict[str, Any] | str:
    """Return ROC and precision-recall curves of each class against the rest, and a legend with the figures.

    Of many classes, those with the lowest AUROC are told apart; the rest are grey.
    """
    evaluated = material.evaluated
    if evaluated is None:
        return "There are none: the network has not been evaluated."
    figures = evaluated.metrics["per_class"]
    known = [k for k, name in enumerate(material.classes) if figures[name]["auroc"] is not None]
    if not known:
        return "There are none: all of these images are of one class."
    weakest = sorted(known, key=lambda k: figures[material.classes[k]]["auroc"]["value"])[: len(STYLES)]
    styles = {k: place for place, k in enumerate(sorted(weakest))}
    roc, precision = [], []
    for k in known:
        of, scores = evaluated.truth == k, evaluated.probabilities[:, k]
        false, true, _ = roc_curve(of, scores)
        roc.append(Curve(false, true, styles.get(k)))
        exact, found, _ = precision_recall_curve(of, scores, drop_intermediate=True)
        precision.append(Curve(found[::-1], exact[::-1], styles.get(k)))
    return {
        "roc": squares("roc", roc, x="1 - specificity", y="sensitivity", chance=True),
        "precision": squares("precision", precision, x="recall (sensitivity)", y="precision", steps=True),
        "legend": [_key(material, evaluated, k, styles.get(k)) for k in [*sorted(weakest), *_others(known, weakest)]],
        "grey": len(known) - len(weakest),
        "undefined": [name for k, name in enumerate(material.classes) if k not in known],
    }


def _others(known: list[int], weakest: list[int]) -> list[int]:
    return [k for k in known if k not in weakest]


def _key(material: Material, evaluated: Evaluated, k: int, style: int | None) -> dict[str, Any]:
    name = material.classes[k]
    row = evaluated.metrics["per_class"][name]
    return {
        "name": name,
        "swatch": swatch(style),
        "auroc": figure_words("auroc", row["auroc"]),
        "precision": figure_words("average_precision", row["average_precision"]),
        "share": f"{row['images'] / evaluated.metrics['images']:.1%}",
    }


def calibration(material: Material) -> dict[str, Any] | str:
    """Return the reliability diagram (Niculescu-Mizil and Caruana 2005) and its figures."""
    evaluated = material.evaluated
    if evaluated is None:
        return "There is none: the network has not been evaluated."
    right = evaluated.truth == evaluated.predicted
    bins = calibration_bins(evaluated.confidence, right)
    metrics = evaluated.metrics
    excess = float((evaluated.confidence - right).mean())
    return {
        "plot": reliability("reliability", bins, evaluated.confidence),
        "bins": bins,
        "brier": figure_words("brier", metrics["brier"]),
        "error": figure_words("calibration_error", metrics["calibration_error"]),
        "excess": excess,
        "calibrated": bool(metrics.get("calibration")),
    }


def calibration_bins(confidence: Floats, right: np.ndarray[Any, np.dtype[np.bool_]]) -> list[dict[str, float]]:
    """Return the bins of the calibration error: as many images in each, see `convstage.weighted.confidence_bins`.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
        Probability of each prediction.
    right : ndarray of bool, shape (n,)
        Whether it is right.

    Returns
    -------
    list of dict
        ``images``; ``probability`` and ``right``, their means; ``low`` and ``high``, Wilson's
        interval of the latter, of independent images.

    Examples
    --------
    >>> confidence, right = np.array([0.5, 0.5, 1.0, 1.0]), np.array([True, False, True, True])
    >>> [(one["images"], one["probability"], one["right"]) for one in calibration_bins(confidence, right)]
    [(2, 0.5, 0.5), (2, 1.0, 1.0)]
    """
    place = confidence_bins(confidence)
    bins = []
    for number in np.unique(place):
        here = place == number
        hits, count = int(right[here].sum()), int(here.sum())
        low, high = wilson(hits, count)
        mean = float(confidence[here].mean())
        bins.append({"images": count, "probability": mean, "right": hits / count, "low": low, "high": high})
    return bins

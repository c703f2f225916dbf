"""The top of a report: the verdict in a sentence, what to beware of, and the figures with their intervals."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from ..figures import OVERALL as FIGURES
from ..resampling import LEVEL
from ..show import (
    AT_THRESHOLD,
    OVERALL,
    PARTS,
    PER_CLASS,
    calibration_words,
    difference_words,
    figure_words,
    learned_words,
)  # fmt: skip
from .material import Evaluated, Material

#: Figures for which more is worse: a strip from 0 to 1 would mislead.
LESS_IS_BETTER = ("brier", "calibration_error")
#: A largest class with this many times the images of the smallest makes the accuracy say little of the small one.
UNEVEN = 1.5
#: Letters and marks of a text that is written from right to left, and what turns the text around it.
RIGHT_TO_LEFT = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}
ISOLATE, END = "\u2068", "\u2069"


def data_name(data: str) -> str:
    """Return what people call the data: the last part of its path.

    Examples
    --------
    >>> data_name("/home/someone/x-rays"), data_name("digits")
    ('x-rays', 'digits')
    """
    return Path(data).name or data


def isolated(text: str) -> str:
    """Return a name so that, written from right to left, it does not turn the sentence around it.

    HTML has an element for that, ``bdi``; this is for attributes, Markdown and names within sentences.

    Examples
    --------
    >>> isolated("x-rays"), isolated("שלום") == f"{ISOLATE}שלום{END}"
    ('x-rays', True)
    """
    turned = any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text)
    return f"{ISOLATE}{text}{END}" if turned else text


def images_words(metrics: dict[str, Any]) -> str:
    """Return which images were evaluated, in words."""
    return f"{metrics['images']:,} {PARTS[metrics['part']]} of {isolated(data_name(metrics['data']))}"


def sentence(evaluated: Evaluated) -> str:
    """Return what the network is worth, in one sentence, with its uncertainty.

    Where one class has many more images than another, the share that is right says little of
    the smaller one, and the mean over classes is told first. Both stand beside what needs no
    network at all: the name of the commonest class, always.
    """
    metrics = evaluated.metrics
    counts = [row["images"] for row in metrics["per_class"].values()]
    present = [count for count in counts if count]
    accuracy, balanced = (_share(metrics[name]) for name in ("accuracy", "balanced_accuracy"))
    told = f"Of {images_words(metrics)}, the network names the right class of {accuracy}"
    if max(present) > UNEVEN * min(present):
        told += f", and of each class, on average over classes, of {balanced}"
    return f"{told}; naming the commonest class always would be right for {max(counts) / sum(counts):.1%}."


def _share(figure: dict[str, float]) -> str:
    """Return a share with the level of its interval, as a part of a sentence."""
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{100 * figure['value']:.1f}% ({LEVEL:.0%} interval {low:.1f}–{high:.1f})"


def warnings(material: Material) -> list[str]:
    """Return what a reader must know before the figures."""
    found = []
    if material.evaluated is None:
        found.append("The network has not been evaluated: it has no test part, and its images are not there any more.")
    else:
        metrics = material.evaluated.metrics
        if metrics["part"] == "val":
            found.append(
                "There was no test part. These are the validation images, which also chose the epoch that was kept: "
                "the figures flatter. Of new images, expect less."
            )
        if metrics["part"] == "train":
            found.append("These are the images that the network has learned: the figures say nothing of others.")
        if beware := learned_words(metrics):
            found.append(beware)
        if not _better_than_commonest(metrics):
            found.append("The network is not clearly better than naming the commonest class always.")
    if chosen := material.config.get("chosen"):
        found.append(
            f"This network was chosen as the best of {chosen['trials']:,} trials by its validation figure, which "
            "therefore flatters. The figures of the test part were not used to choose it."
        )
    errors = [finding for finding in (material.run.audit or {}).get("findings", ()) if finding["severity"] == "error"]
    if errors:
        found.append(
            f"The audit has found {'an error' if len(errors) == 1 else f'{len(errors)} errors'} in the data that may "
            "make the figures worthless; see below."
        )
    if material.missing:
        found.append(f"This report has no pictures of the images: {material.missing}")
    return found


def _better_than_commonest(metrics: dict[str, Any]) -> bool:
    counts = [row["images"] for row in metrics["per_class"].values()]
    return bool(
        metrics["accuracy"]["low"] > max(counts) / sum(counts)
        or metrics["balanced_accuracy"]["low"] > 1 / sum(count > 0 for count in counts)
    )


def verdict(material: Material) -> dict[str, Any] | None:
    """Return the network's figure beside the shortcut's, and what follows; None where there is neither."""
    told = material.evaluated and material.evaluated.metrics.get("verdict")
    if not told:
        return None
    rows = [("the network", told["network"])]
    if told["shortcut"]:
        rows.append((f"{told['cue']} alone", told["shortcut"]))
    return {
        "words": told["words"],
        "conclusion": told["conclusion"],
        "rows": [_row("auroc", title, figure) for title, figure in rows],
        "difference": difference_words(told["difference"]) if told["difference"] else None,
        "images": told["images"],
    }


def _row(name: str, title: str, figure: dict[str, float] | None) -> dict[str, Any]:
    """Return a line of a table of figures; ``strip`` is what a picture of the interval needs, None for no picture."""
    drawn = figure is not None and name not in LESS_IS_BETTER
    return {"title": title, "words": figure_words(name, figure), "strip": figure if drawn else None}


def overall(material: Material) -> dict[str, Any] | str:
    """Return the figures of all images together, and those of an operating point."""
    if material.evaluated is None:
        return _nothing(material)
    metrics = material.evaluated.metrics
    calibration, point = metrics.get("calibration"), metrics.get("operating_point")
    return {
        "images": images_words(metrics),
        "rows": [_row(name, OVERALL[name], metrics[name]) for name in FIGURES],
        "calibration": calibration_words(calibration) if calibration else None,
        "point": point and _operating_point(point),
    }


def _operating_point(point: dict[str, Any]) -> dict[str, Any]:
    ((target, share),) = point["target"].items()
    return {
        "positive": point["positive"],
        "threshold": f"{point['threshold']:.4f}",
        "target": f"a {target} of {share:g}",
        "validation": point["validation"],
        "rows": [_row(name, title, point[name]) for name, title in AT_THRESHOLD.items()],
        "counts": [(name.replace("_", " "), count) for name, count in point["confusion"].items()],
        "warning": point["warning"],
    }


def per_class(material: Material) -> dict[str, Any] | str:
    """Return the figures of each class."""
    if material.evaluated is None:
        return _nothing(material)
    return {
        "titles": list(PER_CLASS.values()),
        "rows": [
            {
                "name": name,
                "images": row["images"],
                "figures": [_row(figure, title, row[figure]) for figure, title in PER_CLASS.items()],
            }
            for name, row in material.evaluated.metrics["per_class"].items()
        ],
    }


def method(material: Material) -> dict[str, Any] | str:
    """Return how the figures were measured, in words."""
    if material.evaluated is None:
        return _nothing(material)
    metrics = material.evaluated.metrics
    groups = metrics.get("groups", metrics["images"])
    probe = (material.run.audit or {}).get("probe", {})
    return {
        "intervals": metrics["intervals"],
        "images": images_words(metrics),
        "groups": groups if groups != metrics["images"] else None,
        "probe": probe.get("method"),
        "few": int(np.min([row["images"] for row in metrics["per_class"].values()])),
    }


def _nothing(material: Material) -> str:
    return f"There are no figures: the run has no test part, and {material.missing}"

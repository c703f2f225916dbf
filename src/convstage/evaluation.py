"""Evaluation: a run's network against labelled images, as figures and as a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .calibration import fit_temperature, softmax
from .data import Dataset, open_source, read_images, restore_dataset
from .data.formats import Source
from .data.pixel_rows import PixelRows
from .errors import ConfigError, DataError, RunError
from .figures import all_figures
from .operating import Target, choose_threshold, make_target, measure_threshold
from .predict import Classifier, batch_for, load
from .run import Run
from .terminal import track
from .verdict import Verdict, verdict

#: So many of the most confident mistakes are listed.
MISTAKES = 20

Floats = npt.NDArray[np.float64]


def evaluate(
    run: str | Path | Run,
    data: str | Path | None = None,
    *,
    part: str | None = None,
    classes: Sequence[str] | None = None,
    group_regex: str | None = None,
    calibrate: bool = False,
    sensitivity: float | None = None,
    specificity: float | None = None,
    positive: str | None = None,
    dataset: Dataset | None = None,
) -> dict[str, Any]:
    """Evaluate a run on its test part, or on other labelled images.

    Parameters
    ----------
    run : path or Run
        A run folder.
    data : path, optional
        Other images, in any format that training reads; their classes must be among the
        run's, by name. Without `data`, the run's own images are taken.
    part : {"train", "val", "test"}, optional
        Which part. Without it the test part; where there is none, the run's validation
        part, or all of `data`.
    classes, group_regex : optional
        Which classes of `data` are taken, and what of its images' names is their group, as in
        training; the run's own images have theirs.
    calibrate : bool
        Fit a temperature to the run's validation part first, and keep it with the run; see
        `convstage.calibration`.
    sensitivity, specificity : float, optional
        Choose the threshold that reaches it on the run's validation part, and tell what
        it does on the images that are evaluated; see `convstage.operating`.
    positive : str, optional
        The class that is looked for; of two classes, the last unless given.
    dataset : Dataset, optional
        The run's own images, where they are at hand; they are read again otherwise.

    Returns
    -------
    dict
        The figures, see `convstage.figures.all_figures`; ``learned``, how many of the images
        the network was trained on; ``mistakes``, the most confident first; ``verdict``, see
        `convstage.verdict`; ``calibration``, None where there is none; ``operating_point``,
        when one was asked for. They and every prediction are also written into the run
        folder, for other data and parts under ``evaluations/``.

    Raises
    ------
    RunError, DataError, ConfigError
        No such run; images or classes that do not belong to it; what cannot be asked for.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    classifier = load(run)
    target = make_target(sensitivity, specificity, positive, classifier.classes)
    if dataset is None and (data is None or calibrate or target):
        dataset = restore_dataset(run.config["data"], run.split, run.config["model"])
    if data is None and (classes is not None or group_regex is not None):
        raise ConfigError(
            "classes and group_regex are for other images: the run's own have the classes and groups of its training.\n"
            "Leave them out, or name the images."
        )
    if data is None:
        assert dataset is not None
        images = _own_images(run, dataset, part)
    else:
        images = _other_images(classifier, open_source(data, classes=classes, group_regex=group_regex), part)
    if target and data is None and images.part != "test":
        raise ConfigError(
            f"an operating point is chosen on the validation part and cannot be measured on the {images.part} part.\n"
            "Evaluate the test part, or other images."
        )
    if calibrate:
        assert dataset is not None
        calibrate_run(run, dataset)
        classifier = load(run)

    probabilities = _probabilities(classifier, images.pixels)
    judge = own_verdict if data is None else _others_verdict
    learned = {row["sha256"] for row in run.split if row["part"] == "train"}
    metrics = {
        "data": images.data,
        "part": images.part,
        "classes": list(classifier.classes),
        **all_figures(images.labels, probabilities, classifier.classes, images.groups),
        "learned": sum(sha in learned for sha in images.sha256),
        "mistakes": worst_mistakes(images, probabilities, classifier.classes),
        "calibration": run.calibration,
        "verdict": judge(run, images, probabilities, classifier.classes).to_dict(),
    }
    if target:
        assert dataset is not None
        metrics["operating_point"] = _operating_point(target, classifier, dataset, images, probabilities)
    where = _folder(run, images, part, own=data is None)
    where.write_unreadable(images.unreadable)
    where.write_evaluation(metrics, *prediction_table(images, probabilities, classifier.classes))
    return metrics


def calibrate_run(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Fit a temperature to the validation part and store it with the run; see `convstage.calibration`.

    Raises
    ------
    DataError
        The validation part does not allow it.
    """
    classifier, rows = load(run), dataset.rows("val")
    logits = _logits(classifier, dataset.pixels.take(rows))
    calibration = fit_temperature(logits, dataset.labels[rows], classifier.classes).to_dict()
    run.write_calibration(calibration)
    return calibration


@dataclass(frozen=True)
class Images:
    """What is evaluated; the fields are those of `convstage.data.Dataset`, labels count the run's classes."""

    data: str
    part: str
    pixels: PixelRows
    labels: npt.NDArray[np.int64]
    names: list[str]
    sha256: list[str]
    groups: list[str]
    unreadable: list[tuple[str, str]]

    @classmethod
    def of(cls, dataset: Dataset, part: str, rows: npt.NDArray[np.int64]) -> Images:
        """Return some images of a data set; `part` says which they are."""
        return cls(
            dataset.source,
            part,
            dataset.pixels.take(rows),
            dataset.labels[rows],
            [dataset.names[row] for row in rows],
            [dataset.sha256[row] for row in rows],
            [dataset.groups[row] for row in rows],
            [],
        )


def _folder(run: Run, images: Images, part: str | None, own: bool) -> Run:
    """Return where the figures go: the run folder itself, for what training evaluates; else one below it."""
    if not own:
        return run.evaluation(Path(images.data).stem)
    return run if part in (None, "test") else run.evaluation(f"{part}-part")


def _own_images(run: Run, dataset: Dataset, part: str | None) -> Images:
    part = part or ("test" if len(dataset.rows("test")) else "val")
    rows = dataset.rows(part)
    if not len(rows):
        raise DataError(f"{run.path} has no {part} part.\nEvaluate another part, or other images.")
    return Images.of(dataset, part, rows)


def _other_images(classifier: Classifier, named: tuple[str, Source], part: str | None) -> Images:
    name, source = named
    unknown = [label for label in source.classes if label not in classifier.classes]
    if unknown:
        raise DataError(
            f"{name} has classes that the network does not know: {', '.join(unknown)}.\n"
            f"It knows {', '.join(classifier.classes)}; name the folders so, or choose classes with --classes."
        )
    images = read_images(source, classifier.geometry)
    numbers = np.array([classifier.classes.index(label) for label in source.classes])
    rows = np.array([row for row, given in enumerate(images.parts) if given == (part or "test")], np.int64)
    if part is not None and not len(rows):
        raise DataError(f"{name} has no {part} part.\nLeave out --part to evaluate all of it.")
    taken = (part or "test") if len(rows) else "all"
    chosen = images.chosen(rows.tolist()) if len(rows) else images
    return Images(
        name,
        taken,
        chosen.pixels,
        numbers[chosen.labels],
        chosen.names,
        chosen.sha256,
        chosen.groups,
        chosen.unreadable,
    )


def _logits(classifier: Classifier, pixels: PixelRows) -> Floats:
    batches = -(-len(pixels) // batch_for(classifier.plan))
    return np.concatenate(list(track(classifier.logits(pixels), "Evaluating", batches, "batches")))


def _probabilities(classifier: Classifier, pixels: PixelRows) -> Floats:
    return softmax(_logits(classifier, pixels), classifier.temperature)


def own_verdict(run: Run, images: Images, probabilities: Floats, classes: Sequence[str]) -> Verdict:
    """Compare with what the strongest shortcut says of these images, each by a classifier that has not seen it."""
    audited = run.audit
    probe = {"reason": "the data was not audited"} if audited is None else audited["probe"]
    reason = "it has learned these images" if images.part == "train" else probe["reason"]
    probed = {} if reason else _probed(run, classes)
    known = [row for row, name in enumerate(images.names) if probed is None or name in probed]
    if reason or not known:
        reason = reason or "the probe was of other images"
        return verdict(images.labels, probabilities, None, classes, images.groups, reason=reason)
    if probed is None:
        shortcut = np.full_like(probabilities, 1 / len(classes))
        told: dict[str, Any] = {"cue": "no cue"}
    else:
        shortcut, told = np.array([probed[images.names[row]] for row in known]), _told(probe["strongest"])
    groups = [images.groups[row] for row in known]
    return verdict(images.labels[known], probabilities[known], shortcut, classes, groups, **told)


def _probed(run: Run, classes: Sequence[str]) -> dict[str, list[float]] | None:
    """Return the shortcut's probabilities by image; None when every cue is the same for all images."""
    rows = run.shortcut
    try:
        return None if rows is None else {row["image"]: [float(row[f"p({k})"]) for k in classes] for row in rows}
    except (KeyError, ValueError, TypeError):
        raise RunError(f"{run.path}/shortcut.csv is damaged.\nRestore it from a copy, or remove it.") from None


def _others_verdict(run: Run, images: Images, probabilities: Floats, classes: Sequence[str]) -> Verdict:
    """Compare nothing, since nothing is known of a shortcut in these images; tell what is known of the run's own."""
    reason = "these are other images than those that were audited"
    own = (run.metrics if run.has_metrics else {}).get("verdict", {})
    if own.get("shortcut"):
        known = own["shortcut"]
        reason += (
            f". On the run's own images, {own['cue']} alone had an AUROC of {known['value']:.3f} "
            f"({known['low']:.3f}–{known['high']:.3f})"
        )
    return verdict(images.labels, probabilities, None, classes, images.groups, reason=reason)


def _told(cue: str | None) -> dict[str, Any]:
    """Return what the verdict says of a cue."""
    from .audit.cues import CUES

    return {"cue": CUES[cue].words, "in_picture": CUES[cue].in_picture} if cue in CUES else {}


def _operating_point(
    target: Target, classifier: Classifier, dataset: Dataset, images: Images, probabilities: Floats
) -> dict[str, Any]:
    rows = dataset.rows("val")
    of_val = _probabilities(classifier, dataset.pixels.take(rows))
    point = choose_threshold(target, dataset.labels[rows], of_val, classifier.classes)
    measured = measure_threshold(point["threshold"], target.positive, images.labels, probabilities, images.groups)
    return {**point, **measured}


def worst_mistakes(images: Images, probabilities: Floats, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the images that the network was wrong about, those that it was surest of first."""
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != images.labels)
    worst = wrong[np.argsort(-sure[wrong], kind="stable")[:MISTAKES]]
    return [
        {
            "image": images.names[row],
            "truth": classes[images.labels[row]],
            "prediction": classes[predicted[row]],
            "probability": float(sure[row]),
        }
        for row in worst
    ]


def prediction_table(
    images: Images, probabilities: Floats, classes: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """Return header and lines of ``predictions.csv``."""
    predicted = probabilities.argmax(axis=1)
    header = ["image", "truth", "prediction", "probability", *(f"p({name})" for name in classes)]
    return header, [
        [name, classes[truth], classes[guess], f"{row[guess]:.6f}", *(f"{p:.6f}" for p in row)]
        for name, truth, guess, row in zip(images.names, images.labels, predicted, probabilities, strict=True)
    ]

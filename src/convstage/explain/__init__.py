"""Evidence: what in an image speaks for what a network says of it, and how far to trust the map.

`METHODS` has every method, one file each; `grades` says how far to trust each map.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..data import ImageLike
from ..errors import ConfigError, DataError
from ..predict import Classifier, load
from ..run import Run
from ..subject import Subject, find_subject
from .grading import Grade, grades
from .methods import METHODS, Method, ask, find_method
from .question import Question
from .result import Evidence, Found, Refusal


def evidence(
    run: str | Path | Run | Classifier,
    image: ImageLike | Subject,
    *,
    method: str = "trace-back",
    target: str | int | None = None,
    contrast: bool = True,
    reference: str = "black",
) -> Evidence:
    """Return what in an image speaks for a class, and what against it.

    Parameters
    ----------
    run : path, Run or Classifier
        A run folder, or a network from `convstage.load`.
    image : path, PIL image, array or Subject
        A file, or of a run one of its own images by its name; an array is one image, (H, W), (H, W, 1)
        or (H, W, 3).
    method : str
        One of `METHODS`.
    target : str or int, optional
        The class that is explained, by name or number; the predicted one when not given.
    contrast : bool
        Explain the target's logit less the mean of the others', which is what decides; without it the
        logit alone.
    reference : {"black", "mean", "white"}
        What the pixels of trace-back and integrated gradients are counted from: what is like it brings nothing.
        ``mean`` is the mean of the training images.

    Returns
    -------
    Evidence

    Raises
    ------
    ConfigError
        No such method, class or reference, or a network that the method cannot be used for.
    DataError, RunError
        No such image; no such run.

    Examples
    --------
    ::

        found = convstage.evidence("runs/xrays-1", "patient.png")
        found.details["biases"], found.overlay()
    """
    chosen = find_method(method)
    classifier, subject = _both(run, image)
    return ask(chosen, Question(classifier, subject, target, contrast=contrast, reference=reference))


def all_evidence(
    classifier: Classifier,
    subject: Subject,
    target: str | int | None = None,
    methods: Iterable[str] | None = None,
    *,
    contrast: bool = True,
    reference: str = "black",
) -> list[Evidence | Refusal]:
    """Return the evidence by several methods, all of them unless told; of those that cannot be used, the reason.

    Parameters
    ----------
    classifier : Classifier
    subject : Subject
        See `convstage.subject.find_subject`.
    target, contrast, reference
        See `evidence`.
    methods : iterable of str, optional
        Names in `METHODS`.

    Raises
    ------
    ConfigError
        No such method, class or reference.
    """
    chosen = list(METHODS.values()) if methods is None else [find_method(name) for name in methods]
    question = Question(classifier, subject, target, contrast=contrast, reference=reference)
    found: list[Evidence | Refusal] = []
    for method in chosen:
        try:
            found.append(ask(method, question))
        except ConfigError as error:
            found.append(Refusal(method.name, method.title, str(error)))
    return found


def _both(run: str | Path | Run | Classifier, image: ImageLike | Subject) -> tuple[Classifier, Subject]:
    if isinstance(run, str | Path):
        run = Run.open(run)
    classifier = run if isinstance(run, Classifier) else load(run)
    if isinstance(image, Subject):
        return classifier, image
    if isinstance(run, Run):
        return classifier, find_subject(run, classifier, image)
    if isinstance(image, str | Path) and not Path(image).is_file():
        raise DataError(f"{image} is no file.\nGive an image file; the name of a run's image needs the run.")
    name = str(image) if isinstance(image, str | Path) else "image"
    return classifier, Subject(name, classifier.geometry.pixels(image))


__all__ = [
    "METHODS",
    "Evidence",
    "Found",
    "Grade",
    "Method",
    "Question",
    "Refusal",
    "all_evidence",
    "evidence",
    "grades",
]

"""METHODS: every way to find evidence, one entry each.

To add one, write a function from a `Question` to what it `Found` in a file of its own and put it in
`METHODS`: the command line, the report and the pages list what is there, and the contract test in
``tests/explain/test_methods.py`` runs over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigError
from .grad_cam import grad_cam
from .integrated_gradients import integrated_gradients
from .occlusion import occlusion
from .question import Question
from .result import Evidence, Found
from .trace_back import trace_back


@dataclass(frozen=True, slots=True)
class Method:
    """A way to find evidence.

    Attributes
    ----------
    name, title : str
        Name on the command line, and what people call it.
    words : str
        What it does, in one line.
    source : str
        The paper.
    exact : bool
        Whether its map adds up to the score, together with what it says of the rest.
    sigma : float
        Standard deviation of the Gaussian that the map is smoothed by for display, as a share of the
        longer side; 0 for maps that are smooth already.
    function : callable
        A `Question` to what is `Found`; a `ConfigError` where the network does not allow it.
    """

    name: str
    title: str
    words: str
    source: str
    exact: bool
    sigma: float
    function: Callable[[Question], Found]


#: How far single pixels are smoothed, as a share of the longer side; chosen in ``benchmarks/evidence.py``.
SIGMA = 0.03

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "trace-back",
            "Trace-back",
            "the score as an exact sum: what each pixel brings along the paths that are open, and the biases' share",
            "Shrikumar et al. 2016 (gradient times input); Srinivas and Fleuret 2019 (with the biases, complete)",
            True,
            SIGMA,
            trace_back,
        ),
        Method(
            "integrated-gradients",
            "Integrated gradients",
            "each pixel's gradient, averaged on the way from a reference image to this one",
            "Sundararajan, Taly and Yan 2017",
            False,
            SIGMA,
            integrated_gradients,
        ),
        Method(
            "grad-cam",
            "Grad-CAM",
            "the last feature maps that still have places, weighted by how much the score rises with each",
            "Selvaraju et al. 2017",
            False,
            0.0,
            grad_cam,
        ),
        Method(
            "occlusion",
            "Occlusion",
            "how far the score falls when a window of the image is blurred",
            "Zeiler and Fergus 2014",
            False,
            0.0,
            occlusion,
        ),
    )
}


def find_method(name: str) -> Method:
    """Return a method by its name.

    Raises
    ------
    ConfigError
        There is none of that name.
    """
    if name not in METHODS:
        raise ConfigError(f"there is no method {name!r}.\nChoose one of {', '.join(METHODS)}.")
    return METHODS[name]


def ask(method: Method, question: Question) -> Evidence:
    """Return the answer of a method to a question."""
    found = method.function(question)
    sigma = method.sigma * max(question.size)
    notes = list(found.notes)
    if sigma:
        notes.append(f"Shown smoothed by a Gaussian of {sigma:.1f} pixels, {method.sigma:.0%} of the longer side.")
    if len(question.classifier.shifts) > 1:
        views = len(question.classifier.shifts)
        notes.append(
            f"The probability is the mean of {views} shifted views; the evidence is that of the image as it is."
        )
    return Evidence(
        method=method.name,
        title=method.title,
        target=question.name,
        score=question.score,
        contrast=question.contrast,
        logit=float(question.logits[question.target]),
        probability=float(question.probabilities[question.target]),
        map_hw=found.map_hw,
        sigma=sigma,
        details=found.details,
        notes=tuple(notes),
        flat=found.flat,
        reason=found.why_flat if found.flat else "",
        question=question,
    )

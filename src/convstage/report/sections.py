"""SECTIONS: what a report has, in its order, one entry each.

To add one, write a function from `Material` to what its part of ``pages/report-sections.html``
shows, or to a sentence that says why there is nothing to show, and put it in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .architecture import curves, network
from .confusion import confusion
from .dataset import audit, images
from .material import Material
from .mistakes import mistakes
from .overview import method, overall, per_class
from .ranking import calibration, ranking
from .reproduce import reproduce


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : str
        Of the macro that shows it, and of its place in the page.
    title : str
    make : callable
        Material to what the macro shows, or to the reason why there is nothing.
    """

    name: str
    title: str
    make: Callable[[Material], dict[str, Any] | str]


SECTIONS: dict[str, Section] = {
    section.name: section
    for section in (
        Section("overall", "Figures", overall),
        Section("classes", "Each class", per_class),
        Section("curves", "Learning curves", curves),
        Section("confusion", "Confusion matrix", confusion),
        Section("ranking", "ROC, precision and recall", ranking),
        Section("calibration", "Calibration", calibration),
        Section("mistakes", "Most confident mistakes", mistakes),
        Section("network", "The network", network),
        Section("audit", "What may mislead: the audit", audit),
        Section("images", "The images", images),
        Section("reproduce", "How to reproduce it", reproduce),
        Section("method", "How this was measured", method),
    )
}

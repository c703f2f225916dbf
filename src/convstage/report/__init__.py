"""The report of a run: one page that needs nothing else, for people who were not there, and the model card.

`SECTIONS` has what the page shows, one entry each; ``pages/report.html`` and
``pages/report-sections.html`` have how.
"""

from __future__ import annotations

from pathlib import Path

from ..data import Dataset
from ..files import write_text
from ..pages import page
from ..run import REPORT, Run
from .card import card, untouched
from .material import Material, gather
from .overview import data_name, sentence, verdict, warnings
from .sections import SECTIONS, Section


def write_report(run: str | Path | Run, dataset: Dataset | None = None, *, out: str | Path | None = None) -> Path:
    """Write ``report.html`` and the model card ``CARD.md`` into a run folder, from what it holds.

    A card that somebody has edited is left as it is.

    Parameters
    ----------
    run : path or Run
        A run folder. Without a test part the report is of the validation part, and says so.
    dataset : Dataset, optional
        The run's images, where they are at hand; they are read again otherwise. Where they are gone
        or have changed, the report has no pictures of them, and says so.
    out : path, optional
        Write the page to this file, and no card.

    Returns
    -------
    Path
        The page: one file, which loads nothing from anywhere.

    Raises
    ------
    RunError
        No run folder, no finished epoch or evaluation, or a damaged file.

    Examples
    --------
    ::

        convstage.write_report("runs/xrays-1")
    """
    run = run if isinstance(run, Run) else Run.open(run)
    material = gather(run, dataset)
    html = report_html(material)
    if out is not None:
        write_text(out, html)
        return Path(out)
    run.write_report(html)
    if not edited(run):
        run.write_card(card(material))
    return run.path / REPORT


def edited(run: Run) -> bool:
    """Return whether somebody has edited the model card, so that it is kept as it is."""
    return run.card is not None and not untouched(run.card)


def report_html(material: Material) -> str:
    """Return the page."""
    made = {name: section.make(material) for name, section in SECTIONS.items()}
    return page(
        "report",
        name=material.run.path.resolve().name,
        data_name=data_name(material.config["data"]),
        sentence=material.evaluated and sentence(material.evaluated),
        warnings=warnings(material),
        verdict=verdict(material),
        sections=list(SECTIONS.values()),
        made=made,
        version=material.config["environment"]["versions"]["convstage"],
    )


__all__ = ["SECTIONS", "Material", "Section", "edited", "gather", "report_html", "write_report"]

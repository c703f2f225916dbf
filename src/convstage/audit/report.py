"""The audit: all checks and the shortcut probe, over one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data import Dataset
from ..data.facts import facts
from ..data.formats import Source
from .checks import CHECKS
from .findings import SEVERITIES, Finding, Subject
from .probe import Probe, probe, shortcuts


@dataclass(frozen=True)
class Audit:
    """What may mislead in a folder of images.

    Attributes
    ----------
    data : str
        Where the images are.
    classes : tuple of str
    names : list of str
        Every image, readable or not.
    findings : list of Finding
        Errors first, then warnings, then notes.
    probe : Probe
        What the cues say of the classes.
    """

    data: str
    classes: tuple[str, ...]
    names: list[str]
    findings: list[Finding]
    probe: Probe

    @property
    def errors(self) -> list[Finding]:
        """The findings that make a result worthless."""
        return [finding for finding in self.findings if finding.severity == "error"]

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain data, as ``audit.json`` holds it."""
        return {
            "data": self.data,
            "images": len(self.names),
            "classes": list(self.classes),
            "checks": {check.name: check.meaning for check in CHECKS.values()},
            "findings": [finding.to_dict() for finding in self.findings],
            "probe": self.probe.to_dict(),
        }

    def shortcut(self) -> tuple[list[str], list[list[str]]] | None:
        """Return header and lines of ``shortcut.csv``: what the strongest cue says of every image.

        None when the probe has no results, or no cue varies.
        """
        strongest = self.probe.strongest
        if strongest is None:
            return None
        header = ["image", *(f"p({name})" for name in self.classes)]
        return header, [
            [self.names[row], *(f"{p:.6f}" for p in probabilities)]
            for row, probabilities in zip(self.probe.rows, strongest.probabilities, strict=True)
        ]


def audit(source: Source, dataset: Dataset | None = None, *, data: str | None = None) -> Audit:
    """Look for what may mislead in labelled images.

    Parameters
    ----------
    source : Source
        The images.
    dataset : Dataset, optional
        The same images as they are used in a training: its parts and groups are looked
        at. Without it, those that the data itself names.
    data : str, optional
        What the data is called; `dataset` and `source` know it otherwise.

    Returns
    -------
    Audit

    Raises
    ------
    DataError
        There is no place for the cache, or a file changed meanwhile.

    Examples
    --------
    >>> from convstage.data import open_source
    >>> result = audit(open_source("digits")[1])
    >>> [finding.message for finding in result.errors]
    []
    """
    subject = _subject(source, dataset)
    findings = [finding for check in CHECKS.values() for finding in check.find(subject)]
    result = probe(subject)
    findings += shortcuts(result)
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    name = data or (dataset.source if dataset else str(source.root))
    return Audit(name, tuple(source.classes), subject.names, findings, result)


def _subject(source: Source, dataset: Dataset | None) -> Subject:
    items: Sequence[Any] = source.items
    names = [item.name for item in items]
    labels = np.array([item.label for item in items], np.int64)
    parts = [item.part for item in items]
    groups = [item.group or item.name for item in items]
    used, notes = np.ones(len(names), bool), list[str]()
    if dataset is not None:
        of_row = {name: row for row, name in enumerate(dataset.names)}
        rows = [of_row.get(name) for name in names]
        used = np.array([row is not None for row in rows])
        parts = [None if row is None else str(dataset.parts[row]) for row in rows]
        groups = [group if row is None else dataset.groups[row] for row, group in zip(rows, groups, strict=True)]
        notes = dataset.notes
    return Subject(names, labels, tuple(source.classes), parts, groups, facts(source), used, notes)

"""The images of the run's data, by the number of their row in ``split.json``."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import cached_property
from threading import Lock

from ..data import open_source
from ..data.formats import Source
from ..errors import ConvstageError, RunError
from ..predict import Classifier
from ..run import Run
from ..subject import Subject
from ..text import shown
from .problems import Problem


class RunImages:
    """The run's images: what is known of each, and its pixels, read again from where the data lies.

    Parameters
    ----------
    run : Run
    classifier : Classifier
    """

    def __init__(self, run: Run, classifier: Classifier) -> None:
        self.rows = run.split
        self._data = run.config["data"]
        self._geometry = classifier.geometry
        self._lock = Lock()
        self._source: tuple[Source, dict[str, int]] | None = None
        try:
            found = run.predictions if run.has_metrics else []
        except RunError:
            found = []
        self.predictions: dict[str, str] = {row["image"]: row["prediction"] for row in found}

    @cached_property
    def by_digest(self) -> dict[str, int]:
        """Number of an image by the SHA-256 of its file."""
        return {row["sha256"]: index for index, row in enumerate(self.rows)}

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many images each part has."""
        counted = Counter(row["part"] for row in self.rows)
        return {part: counted[part] for part in ("train", "val", "test")}

    def of_part(self, part: str | None) -> list[int]:
        """Return the numbers of a part's images, of all when it is None."""
        return [index for index, row in enumerate(self.rows) if part in (None, row["part"])]

    def row(self, index: int) -> dict[str, str]:
        """Return what is known of an image; a 404 problem says which there are."""
        if not 0 <= index < len(self.rows):
            raise Problem(404, f"the run has no image {index}; it has 0 to {len(self.rows) - 1}.")
        return self.rows[index]

    def subject(self, index: int) -> Subject:
        """Return an image as the network reads it.

        Raises
        ------
        Problem
            404: no such image, or its file is missing or has changed.
        """
        row = self.row(index)
        missing = Problem(404, f"{shown(row['name'])} is missing or has changed since training.\nPut it back.")
        try:
            source, places = self._open()
            content = source.read(places[row["name"]])
            if hashlib.sha256(content).hexdigest() != row["sha256"]:
                raise missing
            pixels_hwc = self._geometry.pixels(source.open(content))
        except (OSError, KeyError, ConvstageError):
            raise missing from None
        return Subject(row["name"], pixels_hwc, row["class"], row["part"])

    def _open(self) -> tuple[Source, dict[str, int]]:
        """List the data once: of a large folder that takes a while."""
        with self._lock:
            if self._source is None:
                _, source = open_source(self._data)
                self._source = source, {item.name: place for place, item in enumerate(source.items)}
            return self._source

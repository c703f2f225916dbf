"""Embedded samples: real data sets, small enough to come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """A data set inside the package."""

    name: str
    meaning: str
    file: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(str(files(__package__) / self.file))


SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (Sample("digits", "5,000 handwritten digits of MNIST, 28×28, 500 of each", "digits.npz"),)
}

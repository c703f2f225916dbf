"""A series of trainings on the same images: one run folder after another, within one folder.

A cross-validation is such a series, and so is a comparison. The folder of a series holds
its settings, a run folder for each training, the audit, which is made once for all, and a
result that is written when all trainings are done. What is done is not repeated.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from .config import Config
from .data import Dataset
from .errors import RunError, TrainingStopped
from .pattern import Plan
from .records import Record, stored
from .run import Run, check_layout
from .terminal import console
from .training import begin, fit


@dataclass(frozen=True)
class Series:
    """The folder of a series; what kind of series it is, a subclass says.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    #: Layout of the folder; the files of its settings and of its result.
    LAYOUT: ClassVar[int]
    SETUP: ClassVar[str]
    RESULT: ClassVar[str]
    #: What the two must hold.
    SETUP_SHAPE: ClassVar[type[Record]]
    RESULT_SHAPE: ClassVar[type[Record]]
    #: What it is and consists of, in messages; the command that makes it and goes on with it.
    WHAT: ClassVar[str]
    PARTS: ClassVar[str]
    COMMAND: ClassVar[str]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an existing folder.

        Raises
        ------
        RunError
            No such folder, or one of a later layout.
        """
        check_layout(path, cls.SETUP, cls.LAYOUT, f"folder of a {cls.WHAT}", cls.COMMAND)
        return cls(Path(path))

    @property
    def setup(self) -> dict[str, Any]:
        """Settings, data, and how every image is used."""
        return stored(self.path / self.SETUP, self.SETUP_SHAPE)

    @property
    def is_done(self) -> bool:
        """Whether all trainings are done, and the result is there."""
        return (self.path / self.RESULT).is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """The result: figures of all trainings.

        Raises
        ------
        RunError
            Not all of them are done, or the file is damaged.
        """
        if not self.is_done:
            raise RunError(
                f"{self.path} is not through all its {self.PARTS} yet.\n"
                f"Go on with: convstage {self.COMMAND} --resume {self.path}"
            )
        remedy = f"Remove it, and make it anew: convstage {self.COMMAND} --resume {self.path}"
        return stored(self.path / self.RESULT, self.RESULT_SHAPE, remedy)

    def stopped(self, signal: int) -> TrainingStopped:
        """Return the error that says how to go on with the whole series, not with one of its runs."""
        return TrainingStopped(self.path, signal, self.COMMAND)


def train_next(series: Series, run: Run, config: Config, dataset: Dataset, plan: Plan, title: str) -> None:
    """Train a run of a series that is not done, from wherever it stands.

    Parameters
    ----------
    series : Series
    run : Run
        Its folder need not be there yet.
    config : Config
        Its settings, but for the folder.
    dataset, plan
        What is trained on, with the parts of this run, and what is built.
    title : str
        What is said of it before the first epoch.

    Raises
    ------
    TrainingStopped
        Somebody wants it to stop; it says how to go on with the series.
    """
    if run.is_begun:
        run.sweep()
    else:
        shutil.rmtree(run.path, ignore_errors=True)  # cut off before it held all that is needed to go on
        place = {"out": str(run.path.parent), "name": run.path.name, "report": False}
        run = begin(config.model_copy(update=place), dataset, plan)
    hand_down_audit(Run(series.path), run)
    counts = ", ".join(f"{part} {len(dataset.rows(part)):,}" for part in ("train", "val", "test"))
    console.print(f"{title}: {counts}", highlight=False, markup=False, soft_wrap=True)
    try:
        fit(run, dataset, plan)
    except TrainingStopped as stopped:
        raise series.stopped(stopped.signal) from None


def hand_down_audit(whole: Run, run: Run) -> None:
    """Let a run compare its network with the shortcut, which was probed once for all."""
    if (audited := whole.audit) is not None:
        run.write_audit(audited)
    if shortcut := whole.shortcut:
        run.write_shortcut(list(shortcut[0]), [list(row.values()) for row in shortcut])


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Return mean and standard deviation of those figures that are known; None of fewer than two.

    Examples
    --------
    >>> spread([0.5, None, 1.5])["mean"], spread([0.5])
    (1.0, None)
    """
    known = [value for value in values if value is not None]
    return {"mean": float(np.mean(known)), "std": float(np.std(known, ddof=1))} if len(known) > 1 else None

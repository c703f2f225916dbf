"""The walk: one image through every stage of a network, with a receipt for any number."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data import ImageLike
from ..errors import ConfigError
from ..explain import METHODS, Evidence, Refusal, all_evidence
from ..explain.methods import find_method
from ..files import write_text
from ..pages import embedded
from ..pattern import Plan
from ..predict import Classifier, Prediction, load
from ..run import Run
from ..sizes import Region
from ..subject import Subject, find_subject
from ..text import examples, shown, span
from .fields import receptive_field
from .kinds import check_cell, receipt_of
from .receipts import AnyReceipt, Place, place, source_of, value_of
from .steps import SOFTMAX, Step, steps_of

if TYPE_CHECKING:
    from ..explain import Grade

#: Height of a walk in a notebook, in pixels.
NOTEBOOK_HEIGHT = 820
#: Folders are not called longer than this, which is at most 240 bytes.
LONGEST_NAME = 60


@dataclass(frozen=True, eq=False, repr=False)
class Walk:
    """One image's way through a network. Made by `convstage.walk`; shows itself in Jupyter.

    Attributes
    ----------
    run : Run
        Whose network it is.
    subject : Subject
        The image as the network reads it, and what is known of it.
    classifier : Classifier
        The network.
    steps : dict of str to Step
        Every layer by its name in the plan, ``input`` first, ``softmax`` last.
    target : str or None
        The class that the evidence is for; the predicted one when it is None.
    methods : tuple of str
        What evidence is shown, by names in `convstage.explain.METHODS`.
    """

    run: Run
    subject: Subject
    classifier: Classifier
    steps: dict[str, Step]
    target: str | None
    methods: tuple[str, ...]

    @property
    def plan(self) -> Plan:
        """The account of the network."""
        return self.classifier.plan

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Shape (classes,): what the steps end in."""
        return self.steps[SOFTMAX].output

    @cached_property
    def prediction(self) -> Prediction:
        """What the run says of the image, test-time shifts included."""
        return self.classifier.describe(self.classifier.probabilities(self.subject.pixels_hwc[None])[0])

    @property
    def shifts(self) -> int:
        """From how many shifted views the run makes its prediction; the walk shows one, the image as it is."""
        return len(self.classifier.shifts)

    @cached_property
    def evidence(self) -> list[Evidence | Refusal]:
        """What in the image speaks for the target, by each of the methods; found when it is first asked for."""
        if not self.methods:
            return []
        return all_evidence(self.classifier, self.subject, self.target, self.methods)

    def step(self, layer: str) -> Step:
        """Return a layer by its name in the plan; `ConfigError` lists those that there are."""
        if layer in self.steps:
            return self.steps[layer]
        near = difflib.get_close_matches(layer, self.steps, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Take one of them."
        raise ConfigError(f"the network has no layer {layer!r}; it has {', '.join(self.steps)}.\n{hint}")

    def receipt(self, layer: str, cell: Sequence[int] | int) -> AnyReceipt:
        """Return how one number came about.

        Parameters
        ----------
        layer : str
            Name in the plan, such as ``stage1.conv``; ``softmax`` for the probabilities.
        cell : (int, int, int), (int, int), (int,) or int
            Row, column and filter of a map, counted from 0; of a single map the filter may be left out.
            Of a vector, the place in it.

        Returns
        -------
        Receipt, PoolReceipt or another of `convstage.walkthrough.receipts`
            Its ``arithmetic()`` is the text.

        Raises
        ------
        ConfigError
            No such layer or cell.
        """
        return receipt_of(self.step(layer), cell)

    def chain(self, layer: str, cell: Sequence[int] | int) -> list[tuple[str, AnyReceipt]]:
        """Return receipts from one number downwards, as long as each comes from a single cell before.

        Of a pooled cell: the pooling, the winner's non-linearity, the winner's convolution.

        Parameters
        ----------
        layer, cell
            As in `receipt`.

        Returns
        -------
        list of (str, receipt)
            Names of layers and their receipts; that of the cell itself first.
        """
        names = list(self.steps)
        index = names.index(self.step(layer).name)
        found: list[tuple[str, AnyReceipt]] = []
        source: Sequence[int] | int | None = cell
        while source is not None and index >= 0:
            one = self.receipt(names[index], source)
            found.append((names[index], one))
            source, index = source_of(one), index - 1
        return found

    def receptive_field(self, layer: str, cell: Sequence[int] | int) -> Region:
        """Return which part of the image a number depends on, clipped to the image.

        Parameters
        ----------
        layer, cell
            As in `receipt`.

        Returns
        -------
        (range, range)
            Rows and columns.
        """
        step = self.step(layer)
        whole: Place = check_cell(layer, step.shape, cell)
        return receptive_field(self.plan.rows, self.plan.rows.index(step.row), whole)

    def explain(self, layer: str, cell: Sequence[int] | int, *, terms: int | None = 9, decimals: int = 2) -> str:
        """Return the whole receipt of a number as text: its arithmetic down to the pixels' patch, and its place.

        Parameters
        ----------
        layer, cell
            As in `receipt`.
        terms : int, optional
            Longer sums are cut in the middle; None for all of them.
        decimals : int
            Decimals of numbers that are not whole.
        """
        lines = []
        for name, one in self.chain(layer, cell):
            lines.append(f"{name}, {self._place(name, one.cell)}")
            lines.append(f"  {one.arithmetic(terms=terms, decimals=decimals)}")
        rows, columns = self.receptive_field(layer, cell)
        lines.append(f"receptive field: {span('row', rows)}, {span('column', columns)} of the image")
        return "\n".join(lines)

    def cell_dict(self, layer: str, cell: Sequence[int] | int) -> dict[str, Any]:
        """Return the whole receipt of a number as plain data; numbers that are not finite as text."""
        rows, columns = self.receptive_field(layer, cell)
        return {
            "receipts": [
                {"layer": name, "cell": list(one.cell), "value": _finite(value_of(one)), "arithmetic": one.arithmetic()}
                for name, one in self.chain(layer, cell)
            ],
            "receptive_field": {"rows": [rows[0], rows[-1]], "columns": [columns[0], columns[-1]]},
        }

    def _place(self, layer: str, cell: Place) -> str:
        """Return in words which cell of a layer it is."""
        step = self.step(layer)
        if step.row is self.plan.rows[-1]:
            return f"class {self.classifier.classes[cell[0]]}"
        return place(cell, step.noun)

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say as plain data; maps are left to the pictures."""
        return {
            "image": self.subject.name,
            "truth": self.subject.truth,
            "part": self.subject.part,
            "prediction": self.prediction.label,
            "probability": self.prediction.probability,
            "probabilities": self.prediction.probabilities,
            "views": self.shifts,
            "temperature": self.classifier.temperature,
            "pattern": self.plan.pattern,
            "layers": {name: list(step.shape) for name, step in self.steps.items()},
        }

    def to_html(self, grades: Sequence[Grade | None] | None = None) -> str:
        """Return the walk as one self-contained page.

        Parameters
        ----------
        grades : sequence of Grade or None, optional
            Of the evidence, from `convstage.explain.grades`; shown beside it.
        """
        from .page import walk_page

        return walk_page(self, grades)

    def save_html(self, path: str | Path, grades: Sequence[Grade | None] | None = None) -> Path:
        """Write `to_html` to a file, whole or not at all."""
        write_text(path, self.to_html(grades))
        return Path(path)

    def save_pngs(self, folder: str | Path) -> list[Path]:
        """Write the walk as PNG files: image, a sheet for each stage, vectors, probabilities, evidence.

        Parameters
        ----------
        folder : path
            Is made if need be; files of the same names are replaced.

        Returns
        -------
        list of Path
            The files, in the order of the walk.
        """
        from .sheets import save_sheets

        return save_sheets(self, Path(folder))

    @property
    def folder(self) -> Path:
        """Where `save` puts it when nothing else is said: ``explanations/<image>`` in the run folder."""
        # Of a file its name, of one of the run's images its whole name, which tells it from the others.
        name = self.subject.name
        stem = Path(name).stem if self.subject.part is None or Path(name).is_file() else str(Path(name).with_suffix(""))
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:LONGEST_NAME] or "image"
        return self.run.path / "explanations" / stem

    def save(self, folder: str | Path | None = None, grades: Sequence[Grade | None] | None = None) -> list[Path]:
        """Write page and PNG files.

        Parameters
        ----------
        folder : path, optional
            Is made if need be; `folder` when not given. Files of the same names are replaced.
        grades
            As in `to_html`.

        Returns
        -------
        list of Path
            ``walk.html``, and the files of `save_pngs`.
        """
        where = Path(folder) if folder is not None else self.folder
        where.mkdir(parents=True, exist_ok=True)
        return [self.save_html(where / "walk.html", grades), *self.save_pngs(where)]

    def __repr__(self) -> str:
        said = f"{self.prediction.label} {self.prediction.probability:.1%}"
        return shown(f"<Walk of {self.subject.name} through {len(self.steps)} steps: {said}>")

    def _repr_html_(self) -> str:
        return embedded(self.to_html(), NOTEBOOK_HEIGHT)


def walk(
    run: str | Path | Run,
    image: ImageLike,
    *,
    target: str | None = None,
    methods: Sequence[str] | None = None,
) -> Walk:
    """Walk one image through the network of a run.

    Parameters
    ----------
    run : path or Run
        A run folder.
    image : path, PIL image or array
        A file, or the name of one of the run's own images, as ``predictions.csv`` has it.
    target : str, optional
        The class that the evidence is for; the predicted one when not given.
    methods : sequence of str, optional
        What evidence is shown, by names in `convstage.explain.METHODS`: all of it unless given.

    Returns
    -------
    Walk

    Raises
    ------
    RunError, DataError
        No such run; no such image.
    ConfigError
        No such class or method.

    Examples
    --------
    ::

        walk = convstage.walk("runs/digits-1", "seven.png")
        print(walk.explain("stage1.pool", (3, 4, 0)))
        walk.save_html("seven.html")
    """
    run = run if isinstance(run, Run) else Run.open(run)
    classifier = load(run)
    subject = find_subject(run, classifier, image)
    if target is not None and target not in classifier.classes:
        raise ConfigError(
            f"the network knows no class {target!r}.\nIts classes are {examples(classifier.classes, shown=10)}."
        )
    chosen = tuple(METHODS if methods is None else (find_method(name).name for name in methods))
    return Walk(run, subject, classifier, steps_of(classifier, subject), target, chosen)


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)

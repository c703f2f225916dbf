"""A question to predict before the answer is shown: what it says, what it shows, and what is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...pattern.plan import Plan, Row
from ...stage.writing import written
from ...walkthrough.steps import Step

Number = int | float

#: How a name of the user's data is set apart from the text around it, whichever way it is written:
#: first strong isolate, and its end (Unicode Standard Annex 9).
ISOLATE, ISOLATED = "\u2068", "\u2069"


@dataclass(frozen=True, slots=True)
class Material:
    """What questions are about: one network, and one image's way through it.

    Attributes
    ----------
    plan : Plan
        The account of the network.
    classes : tuple of str
        Their names, in the order of the logits.
    images : mapping
        How many images of each class a part of the data has: ``images["test"]["7"]``.
    steps : mapping of str to Step, or None
        Every layer for one image, as `convstage.walkthrough.steps.steps_of` gives them. Without an image
        only the plan, the counts and the lecture's digit are asked about.
    index : int or None
        The image's place among the run's images.
    truth : str or None
        Its class.
    """

    plan: Plan
    classes: tuple[str, ...]
    images: Mapping[str, Mapping[str, int]]
    steps: Mapping[str, Step] | None = None
    index: int | None = None
    truth: str | None = None

    def steps_with(self, accept: Callable[[Step], bool]) -> list[Step]:
        """Return the layers of the image's way that a question can be about."""
        return [step for step in (self.steps or {}).values() if accept(step)]

    def rows_with(self, accept: Callable[[Row], bool]) -> list[Row]:
        """Return the layers of the plan that a question can be about."""
        return [row for row in self.plan.rows if accept(row)]


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers that a question gives.

    Attributes
    ----------
    title : str
    rows : tuple of tuples of str
    columns : tuple of str
        Heads of the columns; nothing for a matrix, such as a patch or a filter.
    """

    title: str
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data."""
        return {"title": self.title, "columns": list(self.columns), "rows": [list(row) for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its answer.

    Attributes
    ----------
    text : str
        The question.
    answer : int, float or str
        What is right; of a choice its text.
    arithmetic : str
        How it comes about, from the numbers of the question.
    hint : str
        The rule that leads there, without its numbers.
    decimals : int
        So many decimals are asked for; 0 for a count, which has to be exact unless `slack` says otherwise.
    slack : float
        How far the rounding of the numbers that are shown can move the answer.
    unit : str
        What the number counts.
    choices : tuple of str
        The answers to choose from; none where a number is asked for.
    tables : tuple of Table
        The numbers that the question gives.
    layer : str or None
        The layer that it is about, by its name in the plan.
    cell : tuple of int or None
        The cell of that layer.
    index : int or None
        The image, by its place among the run's images.
    """

    text: str
    answer: Number | str
    arithmetic: str
    hint: str
    decimals: int = 0
    slack: float = 0.0
    unit: str = ""
    choices: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    layer: str | None = None
    cell: tuple[int, ...] | None = None
    index: int | None = None

    @property
    def tolerance(self) -> float:
        """How far from the answer a number may be: half of the last decimal that is asked for, and the slack."""
        exact = isinstance(self.answer, int) and not self.decimals
        return self.slack if exact else 0.5 * 10**-self.decimals + self.slack

    @property
    def written(self) -> str:
        """The answer as people read it."""
        if isinstance(self.answer, str):
            return self.answer
        number = f"{self.answer:,}" if isinstance(self.answer, int) else written(self.answer, max(2, self.decimals))
        return number + ("" if not self.unit else self.unit if self.unit == "%" else f" {self.unit}")

    def to_dict(self) -> dict[str, Any]:
        """Return what is asked as plain data; the answer and its arithmetic are not in it."""
        return {
            "question": self.text,
            "hint": self.hint,
            "decimals": self.decimals,
            "unit": self.unit,
            "choices": list(self.choices) or None,
            "tables": [table.to_dict() for table in self.tables],
            "about": {
                "layer": self.layer,
                "cell": None if self.cell is None else list(self.cell),
                "index": self.index,
            },
        }


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question; entries of `QUESTIONS`.

    Attributes
    ----------
    name, title : str
        What the API and what people call it.
    applies : callable
        Whether there is anything of the kind to ask about.
    make : callable
        Question for some material, with what is drawn from a random generator.
    """

    name: str
    title: str
    applies: Callable[[Material], bool]
    make: Callable[[Material, np.random.Generator], Question]


def isolated(name: str) -> str:
    """Return a name of the user's data for use within a sentence; it does not turn its neighbours.

    Examples
    --------
    >>> isolated("healthy") == f"{ISOLATE}healthy{ISOLATED}"
    True
    """
    return f"{ISOLATE}{name}{ISOLATED}"


def matrix(title: str, values: np.ndarray[Any, Any], decimals: int = 2) -> Table:
    """Return numbers, shape (rows, columns), as a table without heads.

    Examples
    --------
    >>> matrix("filter", np.array([[1.0, -0.333]])).rows
    (('1', '-0.33'),)
    """
    return Table(title, tuple(tuple(written(value, decimals) for value in row) for row in values.tolist()))


def shuffled(answer: str, others: list[str], random: np.random.Generator, most: int = 4) -> tuple[str, ...]:
    """Return at most `most` choices in random order, each once, the answer among them."""
    wrong = [one for one in dict.fromkeys(others) if one != answer][: most - 1]
    choices = [answer, *wrong]
    return tuple(choices[place] for place in random.permutation(len(choices)))

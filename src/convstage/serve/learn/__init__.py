"""Learn: questions to predict before the answer is shown, made from one network and one image's way through it.

`QUESTIONS` knows every kind. A question follows from its kind, its seed, the network and the image alone, so
that nothing needs to be kept between asking and marking. Answers are what the receipts, the plan and the
sizes' arithmetic say. To add a kind, write a function from `Material` and a random generator to a `Question`
and put it into `KINDS` of one of the modules; the contract test in ``tests/serve/test_learn.py`` runs over it.
"""

from __future__ import annotations

import difflib

import numpy as np

from ...errors import ConfigError
from . import account, cells
from .marking import mark, read_number
from .question import Kind, Material, Question, Table

#: Every kind of question by its name, in the order in which they come.
QUESTIONS: dict[str, Kind] = {kind.name: kind for kind in (*cells.KINDS, *account.KINDS)}
#: Seeds are below this.
SEEDS = 2**32


def kinds_for(material: Material) -> list[Kind]:
    """Return the kinds of question that there is something to ask for."""
    return [kind for kind in QUESTIONS.values() if kind.applies(material)]


def kind_of(material: Material, name: str | None, seed: int) -> Kind:
    """Return a kind by its name; of None the one whose turn it is, so that seeds that follow each other go round.

    Raises
    ------
    ConfigError
        There is no such kind, or nothing of the kind to ask about.
    """
    fitting = kinds_for(material)
    if name is None:
        return fitting[seed % len(fitting)]
    if name not in QUESTIONS:
        near = difflib.get_close_matches(name, QUESTIONS, n=1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(f"there is no kind of question {name!r}.\n{meant}There are {', '.join(QUESTIONS)}.")
    if QUESTIONS[name] not in fitting:
        there = ", ".join(kind.name for kind in fitting)
        raise ConfigError(f"there is nothing to ask of the kind {name}: this network, or this image, has none.\n"
                          f"There is for {there}.")  # fmt: skip
    return QUESTIONS[name]


def ask(material: Material, kind: Kind, seed: int) -> Question:
    """Return the question that a kind and a seed stand for.

    Parameters
    ----------
    material : Material
    kind : Kind
        One that applies, from `kind_of`.
    seed : int
        0 to `SEEDS` - 1.
    """
    if not 0 <= seed < SEEDS:
        raise ConfigError(f"seed must be 0 to {SEEDS - 1:,}; got {seed}.")
    return kind.make(material, np.random.default_rng([seed, *kind.name.encode()]))


__all__ = [
    "QUESTIONS",
    "SEEDS",
    "Kind",
    "Material",
    "Question",
    "Table",
    "ask",
    "kind_of",
    "kinds_for",
    "mark",
    "read_number",
]

"""Pattern and Family: what users hold in their hands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from operator import index
from typing import Any

from ..errors import ConfigError, PatternError
from .expand import find_free, free_error
from .hyperparameters import Context, Hyperparameter, settle
from .layers import LAYERS
from .parse import parse
from .plan import Plan, make_plan
from .tree import Chain, Layer, Repeat, letters, optionals, substitute, walk

#: A family with more members than this is counted but not listed.
MAX_MEMBERS = 100_000

Range = int | str | Iterable[int]


@dataclass(frozen=True)
class Pattern:
    """A layer pattern: text and syntax tree.

    Parameters
    ----------
    text : str
        For example ``INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER``.

    Raises
    ------
    PatternError
        The text does not follow the grammar.

    Examples
    --------
    >>> pattern = Pattern("input -> [conv(8|16) -> relu -> pool]*2 -> classifier")
    >>> print(pattern)
    INPUT -> [CONV(8|16) -> RELU -> POOL]*2 -> CLASSIFIER
    >>> plan = pattern.plan("28x28x1", classes=10)
    >>> plan.parameters
    9098
    >>> [row.output for row in plan.rows if row.kind == "POOL"]
    [(14, 14, 8), (7, 7, 16)]
    """

    text: str = field(compare=False)
    tree: Chain = field(default=None, repr=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.tree is None:
            object.__setattr__(self, "tree", parse(self.text))

    def __str__(self) -> str:
        return str(self.tree)

    @property
    def letters(self) -> tuple[str, ...]:
        """The free letters, in the order of the text."""
        return letters(self.tree)

    @property
    def is_family(self) -> bool:
        """Whether a letter is free or a part is optional."""
        return find_free(self.tree) is not None

    @property
    def image(self) -> tuple[int, int, int] | None:
        """Height, width and channels that ``INPUT(…)`` says, None when it says nothing."""
        shape: tuple[int, int, int] | None = self._said("INPUT", "shape")
        return shape

    @property
    def classes(self) -> int | None:
        """Number of classes that ``CLASSIFIER(…)`` says, None when it says nothing."""
        number: int | None = self._said("CLASSIFIER", "classes")
        return number

    def _said(self, kind: str, name: str) -> Any:
        layers = (node for node in walk(self.tree) if isinstance(node, Layer) and node.kind == kind)
        first = next(layers, None)
        return first and settle(first, LAYERS[kind].hyperparameters, Context(), self.text)[name]

    def plan(self, image: str | tuple[int, int, int] | None = None, classes: int | None = None) -> Plan:
        """Account for every layer; nothing is allocated.

        Parameters
        ----------
        image : str or tuple of int, optional
            Height × width × channels, ``"28x28x1"`` or ``(28, 28, 1)``; may be left
            out when the pattern says ``INPUT(28x28x1)``.
        classes : int, optional
            May be left out when the pattern says ``CLASSIFIER(10)``.

        Raises
        ------
        PatternError
            A family; an unknown layer or hyperparameter; a layer that does not fit.
        ConfigError
            An image size or a number of classes that is none.
        """
        shape = None if image is None else image_shape(image)
        return make_plan(self.tree, self.text, shape, None if classes is None else class_number(classes))

    def fix(self, **counts: int) -> Pattern:
        """Return the pattern with some free letters fixed, as in ``pattern.fix(N=2)``."""
        _check_letters(self, counts)
        for letter, count in counts.items():
            if not isinstance(count, int) or count < 0:
                raise ConfigError(f"the count of {letter} must be a whole number of at least 0; got {count!r}.")
        tree = substitute(self.tree, counts, {})
        assert isinstance(tree, Chain)
        return Pattern(self.text, tree)

    def family(self, **ranges: Range) -> Family:
        """Return the family's members for ranges of its free letters.

        Parameters
        ----------
        **ranges : int, str or iterable of int
            For each free letter the counts it runs through: ``N="1..3"`` (both ends
            included), ``M=range(1, 4)`` or ``K=2``. Optional parts are tried both ways.

        Examples
        --------
        >>> family = Pattern("INPUT -> [CONV -> RELU -> POOL?]*M -> CLASSIFIER").family(M="1..2")
        >>> len(family)
        4
        >>> for member in family:
        ...     print(member)
        INPUT -> [CONV -> RELU -> POOL]*1 -> CLASSIFIER
        INPUT -> [CONV -> RELU]*1 -> CLASSIFIER
        INPUT -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER
        INPUT -> [CONV -> RELU]*2 -> CLASSIFIER
        """
        _check_letters(self, ranges)
        missing = [letter for letter in self.letters if letter not in ranges]
        if missing:
            parts = (node for node in walk(self.tree) if isinstance(node, Repeat) and node.count == missing[0])
            error = free_error(min(parts, key=lambda part: part.span[1]), self.text)
            raise PatternError(error.problem, self.text, error.start, error.end, _ranges_hint(missing))
        return Family(self, {letter: read_range(letter, ranges[letter]) for letter in self.letters})

    def _repr_html_(self) -> str:
        from .display import pattern_html

        return pattern_html(self)


@dataclass(frozen=True)
class Family:
    """The members of a family of patterns within ranges; `len` counts, iteration lists them, Jupyter shows a table."""

    pattern: Pattern
    ranges: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        if self._size() > sys.maxsize:
            raise ConfigError("the family has more than 10^18 members; fix a letter, or leave out a ?.")

    def __len__(self) -> int:
        return self._size()

    def _size(self) -> int:
        counts: int = prod(map(len, self.ranges.values()))
        return counts << len(optionals(self.pattern.tree))

    def __iter__(self) -> Iterator[Pattern]:
        for _, member in self.members():
            yield member

    def members(self) -> Iterator[tuple[dict[str, int], Pattern]]:
        """Yield every member with the counts of its letters."""
        if len(self) > MAX_MEMBERS:
            raise ConfigError(f"the family has {len(self):,} members; at most {MAX_MEMBERS:,} are listed.")
        spans = [part.span for part in optionals(self.pattern.tree)]
        for counts in product(*self.ranges.values()):
            named = dict(zip(self.ranges, counts, strict=True))
            for kept in product((True, False), repeat=len(spans)):
                tree = substitute(self.pattern.tree, named, dict(zip(spans, kept, strict=True)))
                assert isinstance(tree, Chain)
                yield named, Pattern(self.pattern.text, tree)

    def _repr_html_(self) -> str:
        from .display import family_html

        return family_html(self)


def image_shape(image: str | tuple[int, int, int]) -> tuple[int, int, int]:
    """Read an image size: ``"28x28x1"``, ``"28x28"`` (one channel) or ``(28, 28, 1)``."""
    parameter: Hyperparameter = LAYERS["INPUT"].hyperparameters[0]
    written = tuple(map(int, re.split("[xX×]", image))) if isinstance(image, str) and _SIZE.fullmatch(image) else image
    shape: tuple[int, int, int] | None = parameter.read(written)
    if shape is None:
        raise ConfigError(f"the image size must be {parameter.wanted}; got {image!r}.")
    return shape


def class_number(classes: int) -> int:
    """Check a number of classes."""
    parameter: Hyperparameter = LAYERS["CLASSIFIER"].hyperparameters[0]
    number: int | None = parameter.read(classes)
    if number is None:
        raise ConfigError(f"the number of classes must be {parameter.wanted}; got {classes!r}.")
    return number


def read_range(letter: str, given: Range) -> tuple[int, ...]:
    """Read the counts a letter runs through: ``3``, ``"1..3"`` or any iterable of int."""
    if isinstance(given, str):
        match = _RANGE.fullmatch(given.strip())
        first, last = (match[1], match[2] or match[1]) if match else ("1", "0")
        counts: tuple[int, ...] = tuple(range(int(first), int(last) + 1))
    else:
        counts = (given,) if isinstance(given, int) else tuple(map(index, given))
    if not counts or min(counts) < 0:
        raise ConfigError(f"the range of {letter} must be a count such as 2 or a range such as 1..3; got {given!r}.")
    return counts


_SIZE = re.compile(r"\d{1,24}([xX×]\d{1,24})+")
_RANGE = re.compile(r"(\d{1,6})(?:\.\.(\d{1,6}))?")


def _check_letters(pattern: Pattern, given: Iterable[str]) -> None:
    for letter in given:
        if letter not in pattern.letters:
            free = ", ".join(pattern.letters) or "none"
            raise ConfigError(f"{letter} is not a free letter of {pattern}; free letters: {free}.")


def _ranges_hint(missing: list[str]) -> str:
    return "Give a range for " + " and ".join(f"{letter} (such as {letter}=1..3)" for letter in missing) + "."

"""What is searched: the members of a family that fit, and the settings of their training."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, PatternError
from ..pattern import Pattern
from ..pattern.pattern import Range
from ..pattern.tree import Chain, optionals, substitute
from ..text import count
from .choices import DROPOUT, FILTERS, Choice, Value, word
from .rewrite import has_dropout, has_free_filters, tidy, with_dropout, with_filters

if TYPE_CHECKING:
    from optuna import Trial

#: A family with more members than this, each with every number of filters, is too large to be planned first.
MAX_MEMBERS = 10_000
#: A grid with more points than this takes longer than anyone waits.
MAX_GRID = 10_000


@dataclass(frozen=True)
class Limits:
    """The most that a network may cost; None for no limit."""

    parameters: int | None = None
    multiply_adds: int | None = None

    def allow(self, parameters: int, multiply_adds: int) -> bool:
        """Return whether a network is within the limits."""
        return (self.parameters is None or parameters <= self.parameters) and (
            self.multiply_adds is None or multiply_adds <= self.multiply_adds
        )

    def __str__(self) -> str:
        said = [
            f"{count(most)} {name}"
            for most, name in ((self.parameters, "parameters"), (self.multiply_adds, "multiply-adds"))
            if most is not None
        ]
        return " and ".join(said)


@dataclass(frozen=True)
class Part:
    """One free part of the family: a letter, something optional, or the filters of the first stage.

    Attributes
    ----------
    name : str
        The letter; the optional part as it is written, ``POOL?``; ``filters``.
    values : tuple
        What it can be, in order.
    """

    name: str
    values: tuple[int, ...] | tuple[bool, ...]

    def code(self, value: int) -> int:
        """Return the number that stands for a value: itself where values follow one another, else its place."""
        first = self.values[0]
        consecutive = self.values == tuple(range(first, first + len(self.values)))
        return int(value) if consecutive else self.values.index(value)

    def suggest(self, trial: Trial, possible: Sequence[int]) -> int:
        """Let a trial choose among those values that a member has which fits.

        Where values between two possible ones are not, the nearest possible one is taken.
        """
        if len(possible) == 1:
            return possible[0]
        if isinstance(self.values[0], bool):
            kept: int = trial.suggest_categorical(self.name, (True, False))
            return kept
        codes = {self.code(value): value for value in possible}
        drawn = trial.suggest_int(self.name, min(codes), max(codes))
        return codes[min(codes, key=lambda code: (abs(code - drawn), code))]


@dataclass(frozen=True)
class Member:
    """A member of the family that fits: the values of its parts, its pattern, its cost per image."""

    values: tuple[int, ...]
    pattern: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Proposal:
    """What a trial trains: the pattern, its cost, and the settings of its training.

    Attributes
    ----------
    parts : dict
        The values of letters and optional parts.
    settings : dict
        Those that differ from trial to trial; filters and dropout are in the pattern, and named here for people.
    """

    pattern: str
    parameters: int
    multiply_adds: int
    parts: dict[str, Any]
    settings: dict[str, Value]

    @property
    def training(self) -> dict[str, Value]:
        """The settings of the training alone."""
        return {name: value for name, value in self.settings.items() if name not in (FILTERS, DROPOUT)}

    def __str__(self) -> str:
        told = [f"{name.replace('_', ' ')} {word(value)}" for name, value in self.training.items()]
        return ", ".join([self.pattern, *told])


@dataclass(frozen=True)
class Space:
    """All that can be proposed.

    Attributes
    ----------
    parts : tuple of Part
        The free parts of the family.
    members : list of Member
        Those that fit the image and the limits.
    choices : tuple of Choice
        Settings that are searched, beside the filters.
    said : str
        How many members there are, and how many fit.
    """

    parts: tuple[Part, ...]
    members: list[Member] = field(repr=False)
    choices: tuple[Choice, ...]
    image: tuple[int, int, int]
    classes: int
    said: str

    def propose(self, trial: Trial) -> Proposal:
        """Let a trial choose a member, part by part, and the settings of its training."""
        left = self.members
        for place, part in enumerate(self.parts):
            possible = [value for value in part.values if any(member.values[place] == value for member in left)]
            value = part.suggest(trial, possible)
            left = [member for member in left if member.values[place] == value]
        return self.made(left[0], {choice.name: choice.suggest(trial) for choice in self.choices})

    def made(self, member: Member, settings: Mapping[str, Value]) -> Proposal:
        """Return the proposal of a member with settings."""
        pattern = member.pattern
        if DROPOUT in settings:
            pattern = str(with_dropout(Pattern(pattern), float(settings[DROPOUT])))
        named = dict(zip([part.name for part in self.parts], member.values, strict=True))
        filters = {FILTERS: named.pop(FILTERS)} if FILTERS in named else {}
        return Proposal(pattern, member.parameters, member.multiply_adds, named, {**settings, **filters})

    def grid(self, most: int, seed: int) -> list[dict[str, Any]]:
        """Return the points of the grid as what a trial suggests; of more than `most`, so many drawn at random.

        Members with the same pattern are one.

        Raises
        ------
        ConfigError
            More than `MAX_GRID` points.
        """
        members = list({member.pattern: member for member in self.members}.values())
        size = len(members) * prod(len(choice.grid()) for choice in self.choices)
        if size > MAX_GRID:
            raise ConfigError(
                f"the grid has {size:,} points; at most {MAX_GRID:,} are tried.\n"
                "Search fewer settings (--fix NAME=VALUE, or --fix all), or take the sampler tpe."
            )
        points = [
            {part.name: _suggested(part, value) for part, value in zip(self.parts, member.values, strict=True)}
            | {choice.name: value for choice, value in zip(self.choices, values, strict=True)}
            for member in members
            for values in product(*(choice.grid() for choice in self.choices))
        ]
        # One order for any number: a search that is made longer goes on with other points, not with the same.
        order = random.Random(seed).sample(range(len(points)), len(points))  # noqa: S311  # nothing secret
        return [points[place] for place in sorted(order[:most])]


def _suggested(part: Part, value: int) -> int:
    return value if isinstance(value, bool) else part.code(value)


def make_space(
    family: Pattern,
    ranges: Mapping[str, Range],
    choices: Sequence[Choice],
    limits: Limits,
    image: tuple[int, int, int],
    classes: int,
) -> Space:
    """Plan every member of a family, and keep those that fit the image and the limits.

    Parameters
    ----------
    family : Pattern
        A pattern without free parts is a family of one.
    ranges : mapping of str to range
        For each free letter, as in `convstage.Pattern.family`.
    choices : sequence of Choice
        Filters and dropout among them, if they are searched.
    limits : Limits
    image, classes
        What the members must fit.

    Raises
    ------
    PatternError, ConfigError
        A letter without a range, or one that is not there; more than `MAX_MEMBERS` members; none fits.
    """
    filters = next((choice for choice in choices if choice.name == FILTERS), None)
    widths = _widths(filters)
    members = family.family(**ranges)
    total = len(members) * len(widths)
    if total > MAX_MEMBERS:
        raise ConfigError(
            f"the family has {total:,} members{' with all their filters' if len(widths) > 1 else ''}; "
            f"at most {MAX_MEMBERS:,} are searched.\nNarrow the ranges of its letters, or the list of filters."
        )
    fit: list[Member] = []
    unfit: list[PatternError] = []
    above = 0
    for values, pattern in _listed(family, members.ranges):
        try:
            pattern.plan(image, classes)  # whether it fits does not depend on its filters
        except PatternError as error:
            unfit += [error] * len(widths)
            continue
        for width in widths:
            plan = (pattern if width is None else with_filters(pattern, width)).plan(image, classes)
            if limits.allow(plan.parameters, plan.multiply_adds):
                whole = values if width is None else (*values, width)
                fit.append(Member(whole, plan.pattern, plan.parameters, plan.multiply_adds))
            else:
                above += 1
    if not fit:
        _refuse(unfit, above, limits)
    return Space(
        parts=tuple(_parts(family, members.ranges, [width for width in widths if width is not None])),
        members=fit,
        choices=tuple(choice for choice in choices if choice is not filters),
        image=image,
        classes=classes,
        said=_said(total, len(fit), unfit, above, limits),
    )


def searchable(choices: Sequence[Choice], family: Pattern, asked: Sequence[str]) -> tuple[Choice, ...]:
    """Return what can be searched of a family: it may say its filters and its dropout itself.

    Raises
    ------
    ConfigError
        What is asked for is said by the family.
    """
    said = {FILTERS: not has_free_filters(family), DROPOUT: has_dropout(family) and not has_dropout(family, free=True)}
    for name in asked:
        if said.get(name):
            what = "every convolution a number of filters" if name == FILTERS else "every DROPOUT a share"
            missing = "" if name == DROPOUT or any(c in str(family) for c in ("CONV(",)) else ", or it has none"
            raise ConfigError(
                f"{name} cannot be searched: the family gives {what}{missing}.\nWrite it without, or leave out {name}."
            )
    # A family that has DROPOUT somewhere has thought of it; then it is searched only when it is asked for.
    quiet = {DROPOUT} if has_dropout(family) and DROPOUT not in asked else set()
    return tuple(choice for choice in choices if not said.get(choice.name) and choice.name not in quiet)


def _widths(filters: Choice | None) -> list[int | None]:
    if filters is None:
        return [None]
    if filters.values:
        return [int(value) for value in filters.values]
    return list(range(int(filters.low), int(filters.high) + 1))


def _listed(family: Pattern, ranges: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], Pattern]]:
    """Yield the values of all free parts, and the pattern."""
    spans = [part.span for part in optionals(family.tree)]
    for counts in product(*ranges.values()):
        for kept in product((True, False), repeat=len(spans)):
            tree = substitute(family.tree, dict(zip(ranges, counts, strict=True)), dict(zip(spans, kept, strict=True)))
            assert isinstance(tree, Chain)
            yield (*counts, *kept), tidy(Pattern(family.text, tree))


def _parts(family: Pattern, ranges: Mapping[str, tuple[int, ...]], widths: Sequence[int]) -> Iterator[Part]:
    for letter, values in ranges.items():
        yield Part(letter, values)
    seen: dict[str, int] = {}
    for optional in optionals(family.tree):
        name = str(optional)
        seen[name] = seen.get(name, 0) + 1
        yield Part(name if seen[name] == 1 else f"{name} ({seen[name]})", (True, False))
    if widths:
        yield Part(FILTERS, tuple(widths))


def _said(total: int, fit: int, unfit: Sequence[PatternError], above: int, limits: Limits) -> str:
    said = f"{fit:,} of {total:,} networks of the family can be tried"
    if unfit:
        said += f"; {len(unfit):,} do not fit the images ({unfit[0].problem.rstrip('.')})"
    if above:
        said += f"; {above:,} are above {limits}"
    return f"{said}."


def _refuse(unfit: Sequence[PatternError], above: int, limits: Limits) -> None:
    if not above:
        first = unfit[0]
        problem = f"no member of the family fits the images; the first: {first.problem}"
        raise PatternError(problem, first.text, first.start, first.end, first.hint)
    fits = f"{len(unfit):,} do not fit the images, and " if unfit else ""
    raise ConfigError(
        f"no member of the family can be tried: {fits}{above:,} are above {limits}.\n"
        "Raise --max-parameters or --max-madds, or take a smaller family."
    )

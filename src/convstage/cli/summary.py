"""``convstage summary``: the account of a pattern, or the members of a family."""

from __future__ import annotations

import re

import click

from ..errors import ConfigError
from ..pattern import Pattern, Plan
from ..pattern.pattern import image_shape
from ..pattern.show import family_table, plan_members
from ..terminal import output, show_json

#: What is assumed when neither the pattern nor a flag says it.
IMAGE, CLASSES = "28x28x1", 10


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="PATTERN [-N 1..3] [-M 2]…")
@click.option("--input", "image", metavar="HxWxC", help=f"Image size; {IMAGE} when the pattern does not say either.")
@click.option("--classes", type=click.IntRange(1), help=f"Number of classes; {CLASSES} when nothing says.")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(words: tuple[str, ...], image: str | None, classes: int | None, as_json: bool) -> None:
    """Account for every layer of PATTERN: sizes, parameters, cost, receptive field, memory.

    A pattern with free letters or optional parts is a family: give each letter a count or
    a range, and the members that fit are listed.

    \b
    convstage summary "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"
    convstage summary "INPUT -> [[CONV -> RELU]*N -> POOL?]*M -> CLASSIFIER" -N 1..3 -M 1..3
    """
    pattern, ranges = _pattern_and_ranges(words)
    parsed = Pattern(pattern)
    if parsed.is_family:
        family = parsed.family(**ranges)
        if len(family) > 1:
            members = plan_members(family, *assumed(parsed, image, classes))
            if not any(member.plan for member in members):
                planned(members[0].pattern, image, classes)  # raises: what is wrong with it is wrong with all
            if as_json:
                show_json([member.to_dict() for member in members])
            else:
                output().print(family_table(members))
            return
        parsed = next(iter(family))
    elif ranges:
        raise ConfigError(f"the pattern has no free letter {' or '.join(ranges)}.")
    plan = planned(parsed, image, classes)
    if as_json:
        show_json(plan.to_dict())
    else:
        output().print(plan)


def planned(pattern: Pattern, image: str | None, classes: int | None) -> Plan:
    """Return the plan for what the flags, the pattern or else our assumptions say."""
    return pattern.plan(*assumed(pattern, image, classes))


def assumed(pattern: Pattern, image: str | None, classes: int | None) -> tuple[tuple[int, int, int] | None, int | None]:
    """Return image size and classes as the flags say; assumed only where the pattern is silent, too."""
    shape = image_shape(image) if image else None if pattern.image else image_shape(IMAGE)
    return shape, classes or (None if pattern.classes else CLASSES)


def words_and_ranges(words: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """Tell words from ranges such as ``-N 1..3 -M2``, in any order."""
    others: list[str] = []
    ranges: dict[str, str] = {}
    waiting = iter(words)
    for word in waiting:
        match = re.fullmatch(r"-([A-Za-z])=?(.*)", word)
        if match:
            ranges[match[1].upper()] = match[2] or next(waiting, "")
        else:
            others.append(word)
    return others, ranges


def _pattern_and_ranges(words: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Tell the pattern from the ranges of its free letters."""
    patterns, ranges = words_and_ranges(words)
    if len(patterns) > 1:
        raise ConfigError(f"{patterns[1]!r} is out of place.\nBeside the pattern there are ranges such as -N 1..3.")
    if not patterns:
        raise ConfigError('there is no pattern.\nWrite it in quotes: convstage summary "INPUT -> … -> CLASSIFIER"')
    return patterns[0], ranges

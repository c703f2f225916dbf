"""Patterns, families and plans in a notebook: the drawing, the table, and what is still free."""

from __future__ import annotations

from itertools import islice

from markupsafe import Markup

from ..errors import PatternError
from ..notebook import block, code, drawing, table
from ..pictures import inline
from ..text import count, examples, memory
from .draw import as_svg
from .pattern import MAX_MEMBERS, Family, Pattern
from .plan import Plan
from .show import as_html
from .tree import optionals

#: So many members of a family are listed.
SHOWN = 20


def plan_html(plan: Plan, *words: str) -> str:
    """Return a plan's drawing and table.

    Parameters
    ----------
    plan : Plan
    *words : str
        Lines that stand before the drawing.
    """
    picture = inline("plan", as_svg(plan))
    what = f"The network's layers: {count(plan.parameters)} parameters"
    return block(*words, drawing(picture, what), Markup(as_html(plan)))  # noqa: S704  # it has escaped its texts


def pattern_html(pattern: Pattern) -> str:
    """Return a pattern: as its plan where it says all that a plan needs, else with what is missing."""
    if pattern.is_family:
        letters = ", ".join(f'{letter}="1..3"' for letter in pattern.letters)
        free = [*pattern.letters, *(["?"] if optionals(pattern.tree) else [])]
        return block(code(pattern), f"A family; free: {', '.join(free)}.", code(f"pattern.family({letters})"))
    try:
        image, classes = pattern.image, pattern.classes
        if image and classes:
            return plan_html(pattern.plan())
        sizes = "" if image else '"28x28x1"'
        number = "" if classes else "classes=10"
        missing = " and ".join(["the image size"] * (not image) + ["the number of classes"] * (not classes))
        call = f"pattern.plan({', '.join(filter(None, [sizes, number]))})"
        return block(code(pattern), f"A plan needs {missing}, such as", code(call))
    except PatternError as error:  # it is a pattern all the same
        return block(code(pattern), Markup("<pre>{}</pre>").format(error))


def family_html(family: Family) -> str:
    """Return a family: its ranges, how many members it has, and the first of them with their figures."""
    ranges = ", ".join(f"{letter} = {examples(map(str, counts), 10)}" for letter, counts in family.ranges.items())
    said = f"{count(len(family))} members" + (f"; {ranges}" if ranges else "")
    if len(family) > MAX_MEMBERS:
        return block(code(family.pattern), said)
    rows = [
        (*map(str, counts.values()), *_figures(member), member) for counts, member in islice(family.members(), SHOWN)
    ]
    caption = "" if len(rows) == len(family) else f"the first {len(rows)}"
    titles = (*family.ranges, *FIGURES, "pattern")
    return block(code(family.pattern), said, table(titles, rows, caption=caption, wrapped=("pattern",)))


FIGURES = ("parameters", "multiply-adds", "memory")


def _figures(member: Pattern) -> tuple[str, ...]:
    """Return a member's figures; dashes where it has no image size, or does not fit the one it has."""
    try:
        plan = member.plan()
    except PatternError:
        return ("–",) * len(FIGURES)
    return count(plan.parameters), count(plan.multiply_adds), memory(plan.activation_bytes)

"""A plan and a family as people see them: a table on the terminal, as text, and in Jupyter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..errors import PatternError
from ..sizes import Window
from ..text import count, memory, size
from .pattern import Family, Pattern
from .plan import Plan, Row


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the plan's table; those with a higher `rank` go first when the terminal is narrow."""

    title: str
    cell: Callable[[Row], str]
    rank: int = 0
    left: bool = False


def _margins(window: Window) -> str:
    top, bottom, left, right = window.margins
    if top == bottom == left == right:
        return str(top)
    return f"{top}×{left}" if (top, left) == (bottom, right) else f"{top},{bottom}×{left},{right}"


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else size(pair)


def _connections(row: Row) -> str:
    share = row.connections / row.dense_connections if row.dense_connections else 1
    digits = f"{share:.2%}" if share >= 0.0001 else f"{share:.0e}".replace("e-0", "e-")
    return "100%" if share == 1 else digits


COLUMNS = (
    Column("layer", lambda row: row.name, left=True),
    Column("filter", lambda row: size(row.window.size) if row.window else ""),
    Column("stride", lambda row: _pair(row.window.stride) if row.window else "", 1),
    Column("padding", lambda row: _margins(row.window) if row.window else "", 2),
    Column("output", lambda row: size(row.output)),
    Column("weights", lambda row: count(row.weights) if row.parameters else "", 4),
    Column("biases", lambda row: count(row.biases) if row.parameters else "", 4),
    Column("parameters", lambda row: count(row.parameters) if row.parameters else ""),
    Column("multiply-adds", lambda row: count(row.multiply_adds) if row.multiply_adds else ""),
    Column("receptive field", lambda row: size(row.receptive_field) if row.connections else "", 1),
    Column("connections", lambda row: count(row.connections) if row.parameters or row.window else "", 3),
    Column("of dense", lambda row: _connections(row) if row.parameters or row.window else "", 3),
    Column("memory", lambda row: memory(row.activation_bytes), 2),
)


#: So many layers are listed in a notebook.
MOST_ROWS = 200


class PlanTable:
    """A plan as a rich table that leaves out what does not fit the terminal, least important first."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for rank in (9, 3, 2, 1, 0):
            table = self._table(rank)
            if Measurement.get(console, options.update(max_width=9999), table).maximum <= options.max_width:
                break
        yield Text(self.plan.pattern, style="bold")
        yield table

    def _table(self, rank: int) -> Table:
        plan = self.plan
        columns = [column for column in COLUMNS if column.rank <= rank]
        totals = {
            "layer": "total",
            "weights": count(plan.weights),
            "biases": count(plan.biases),
            "parameters": count(plan.parameters),
            "multiply-adds": count(plan.multiply_adds),
            "memory": memory(plan.activation_bytes),
        }
        table = Table(show_footer=True, caption="per image; memory of outputs as float32", caption_justify="left")
        for column in columns:
            justify: Any = "left" if column.left else "right"
            table.add_column(column.title, totals.get(column.title, ""), justify=justify, no_wrap=True)
        for row in plan.rows:
            table.add_row(*(column.cell(row) for column in columns), style="" if row.parameters else "dim")
        return table


def plan_table(plan: Plan) -> PlanTable:
    """Return the table of a plan, for printing with rich."""
    return PlanTable(plan)


def as_text(plan: Plan) -> str:
    """Return the table of a plan as plain text."""
    buffer = StringIO()
    Console(file=buffer, width=160, color_system=None).print(PlanTable(plan))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def as_html(plan: Plan) -> str:
    """Return the table of a plan as HTML, for Jupyter."""
    head = "".join(f"<th>{escape(column.title)}</th>" for column in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(column.cell(row))}</td>" for column in COLUMNS) + "</tr>"
        for row in plan.rows[:MOST_ROWS]
    )
    if len(plan.rows) > MOST_ROWS:
        body += f'<tr><td colspan="{len(COLUMNS)}">and {len(plan.rows) - MOST_ROWS:,} more layers</td></tr>'
    total = (
        f"{count(plan.parameters)} parameters, {count(plan.multiply_adds)} multiply-adds, "
        f"{memory(plan.activation_bytes)} of outputs per image"
    )
    return (
        f"<table><caption><code>{escape(plan.pattern)}</code></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody><tfoot><tr><td colspan={len(COLUMNS)}>{total}</td></tr></tfoot></table>"
    )


@dataclass(frozen=True)
class Member:
    """One pattern of a family: its counts, and its plan or why it does not fit."""

    counts: dict[str, int]
    pattern: Pattern
    plan: Plan | None
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the member as plain data."""
        figures = {"parameters": self.plan.parameters, "multiply_adds": self.plan.multiply_adds} if self.plan else {}
        return {
            **self.counts,
            "pattern": str(self.pattern),
            "fits": self.plan is not None,
            **figures,
            **({"problem": self.problem} if self.problem else {}),
        }


def plan_members(family: Family, image: tuple[int, int, int] | None, classes: int | None) -> list[Member]:
    """Plan every member of a family; those that do not fit the image say why."""
    members = []
    for counts, pattern in family.members():
        try:
            members.append(Member(counts, pattern, pattern.plan(image, classes)))
        except PatternError as error:
            members.append(Member(counts, pattern, None, error.problem))
    return members


def family_table(members: list[Member]) -> Table:
    """Return the members that fit as a table, and how many do not."""
    unfit = [member for member in members if member.plan is None]
    caption = f"{len(members) - len(unfit)} of {len(members)} members fit"
    if unfit:
        caption += f"; the first that does not: {unfit[0].pattern}: {unfit[0].problem}"
    table = Table(caption=caption, caption_justify="left")
    for letter in members[0].counts if members else ():
        table.add_column(letter, justify="right")
    for title in ("parameters", "multiply-adds", "memory"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("pattern", overflow="fold")
    for member in members:
        if member.plan is not None:
            plan = member.plan
            figures = count(plan.parameters), count(plan.multiply_adds), memory(plan.activation_bytes)
            table.add_row(*map(str, member.counts.values()), *figures, str(member.pattern))
    return table

"""A plan and a family as people see them: on wide and narrow terminals, as text, as HTML, as data."""

from __future__ import annotations

import json
import re
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from convstage import Pattern, Plan
from convstage.pattern.show import COLUMNS, Member, as_html, as_text, family_table, plan_members

LENET = "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"


@pytest.fixture
def plan() -> Plan:
    return Pattern(LENET).plan("28x28x1", classes=10)


def printed(thing: object, width: int) -> list[str]:
    buffer = StringIO()
    Console(file=buffer, width=width, color_system=None).print(thing)
    return [line.rstrip() for line in buffer.getvalue().splitlines()]


def cells(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line[:1] in ("│", "┃")]


ALL = [column.title for column in COLUMNS]


def test_a_wide_terminal_shows_every_column(plan: Plan) -> None:
    lines = printed(plan, 200)
    assert lines[0] == LENET
    assert lines[-1] == "per image; memory of outputs as float32"
    assert cells(lines) == [
        ALL,
        ["input", "", "", "", "28×28×1", "", "", "", "", "", "", "", "3.1 KiB"],
        [
            "stage1.conv", "3×3", "1", "1", "28×28×32", "288", "32", "320", "225,792", "3×3", "215,168", "1.09%",
            "98.0 KiB",
        ],
        ["stage1.relu", "", "", "", "28×28×32", "", "", "", "", "3×3", "", "", "98.0 KiB"],
        ["stage1.pool", "2×2", "2", "0", "14×14×32", "", "", "", "", "4×4", "25,088", "0.02%", "24.5 KiB"],
        [
            "stage2.conv", "3×3", "1", "1", "14×14×64", "18,432", "64", "18,496", "3.61 M", "8×8", "3.28 M", "4.16%",
            "49.0 KiB",
        ],
        ["stage2.relu", "", "", "", "14×14×64", "", "", "", "", "8×8", "", "", "49.0 KiB"],
        ["stage2.pool", "2×2", "2", "0", "7×7×64", "", "", "", "", "10×10", "12,544", "0.03%", "12.2 KiB"],
        ["flatten", "", "", "", "3136", "", "", "", "", "10×10", "", "", "12.2 KiB"],
        [
            "fc1", "", "", "", "128", "401,408", "128", "401,536", "401,408", "28×28", "401,408", "100%", "512 B",
        ],
        ["fc1_relu", "", "", "", "128", "", "", "", "", "28×28", "", "", "512 B"],
        ["classifier", "", "", "", "10", "1,280", "10", "1,290", "1,280", "28×28", "1,280", "100%", "40 B"],
        ["total", "", "", "", "", "421,408", "234", "421,642", "4.24 M", "", "", "", "347.1 KiB"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "hidden"),
    [
        (200, set()),
        (150, {"weights", "biases"}),
        (120, {"weights", "biases", "connections", "of dense"}),
        (100, {"weights", "biases", "connections", "of dense", "padding", "memory"}),
        (80, {"weights", "biases", "connections", "of dense", "padding", "memory", "stride", "receptive field"}),
    ],
)
def test_a_narrow_terminal_shows_what_matters_most_and_cuts_nothing(plan: Plan, width: int, hidden: set[str]) -> None:
    lines = printed(plan, width)
    assert max(map(len, lines)) <= width
    wide, narrow = cells(printed(plan, 200)), cells(lines)
    kept = [place for place, title in enumerate(ALL) if title not in hidden]
    assert narrow == [[row[place] for place in kept] for row in wide]


@pytest.mark.parametrize("width", [60, 40, 20])
def test_on_a_terminal_too_narrow_for_it_the_table_is_cut_but_never_wrapped(plan: Plan, width: int) -> None:
    lines = printed(plan, width)
    assert max(map(len, lines)) <= width
    assert len(cells(lines)) == 1 + len(plan.rows) + 1


def test_as_text_is_what_print_shows(plan: Plan) -> None:
    assert as_text(plan) == str(plan) == "\n".join(printed(plan, 160))


def test_layers_that_learn_nothing_are_dimmed(plan: Plan) -> None:
    buffer = StringIO()
    Console(file=buffer, width=200, color_system="standard", force_terminal=True).print(plan)
    dim = [
        re.sub(r"\x1b\[[\d;]*m", "", line).split()[1] for line in buffer.getvalue().splitlines() if "\x1b[2m" in line
    ]
    assert dim == [row.name for row in plan.rows if not row.parameters]


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        ("CONV(8, 4x4)", {"filter": "4×4", "stride": "1", "padding": "1,2×1,2"}),
        ("CONV(8, 5x3, s=2x1)", {"filter": "5×3", "stride": "2×1", "padding": "2×1"}),
        ("CONV(8, valid)", {"padding": "0", "stride": "1"}),
        ("CONV(8, 5, p=1x2)", {"padding": "1×2"}),
        ("POOL(3x2)", {"filter": "3×2", "stride": "3×2", "padding": "0", "weights": "", "parameters": ""}),
    ],
)
def test_sizes_strides_and_paddings_are_short_where_both_sides_agree(layer: str, shown: dict[str, str]) -> None:
    row = Pattern(f"INPUT -> {layer} -> CLASSIFIER").plan("28x28x1", 10).rows[1]
    assert {column.title: column.cell(row) for column in COLUMNS if column.title in shown} == shown


def test_a_tiny_share_of_dense_connections_is_no_zero() -> None:
    row = Pattern("INPUT -> POOL -> CLASSIFIER").plan("2000x2000x1", 2).rows[1]
    assert {column.title: column.cell(row) for column in COLUMNS}["of dense"] == "1e-6"


def test_html_holds_the_same_cells(plan: Plan) -> None:
    page = ElementTree.fromstring(as_html(plan).replace(f"colspan={len(ALL)}", f'colspan="{len(ALL)}"'))
    assert page.findtext("caption/code") == LENET
    rows = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    assert rows[:-1] == cells(printed(plan, 200))[:-1]
    assert rows[-1] == ["421,642 parameters, 4.24 M multiply-adds, 347.1 KiB of outputs per image"]


def test_html_is_escaped(plan: Plan) -> None:
    assert "[CONV -&gt; RELU -&gt; POOL]*2" in plan._repr_html_()
    hostile = Plan("<script>&", plan.rows)
    assert "<code>&lt;script&gt;&amp;</code>" in hostile._repr_html_()


# Families.

FAMILY = "INPUT -> [CONV(4) -> RELU -> POOL?]*M -> CLASSIFIER"


@pytest.fixture
def members() -> list[Member]:
    return plan_members(Pattern(FAMILY).family(M="2..3"), (4, 5, 1), 2)


def test_members_are_planned_or_say_why_not(members: list[Member]) -> None:
    assert [member.counts for member in members] == [{"M": 2}, {"M": 2}, {"M": 3}, {"M": 3}]
    assert [member.plan is not None for member in members] == [True, True, False, True]
    assert [member.problem for member in members] == ["", "", "POOL 2×2 does not fit a 1×1 map.", ""]


def test_the_family_table_lists_the_members_that_fit(members: list[Member]) -> None:
    lines = printed(family_table(members), 200)
    assert cells(lines) == [
        ["M", "parameters", "multiply-adds", "memory", "pattern"],
        ["2", "198", "1,304", "952 B", "INPUT -> [CONV(4) -> RELU -> POOL]*2 -> CLASSIFIER"],
        ["2", "350", "3,760", "1.6 KiB", "INPUT -> [CONV(4) -> RELU]*2 -> CLASSIFIER"],
        ["3", "498", "6,640", "2.3 KiB", "INPUT -> [CONV(4) -> RELU]*3 -> CLASSIFIER"],
    ]
    caption = " ".join(lines[7:])
    assert caption == (
        "3 of 4 members fit; the first that does not: INPUT -> [CONV(4) -> RELU -> POOL]*3 -> CLASSIFIER: "
        "POOL 2×2 does not fit a 1×1 map."
    )  # fmt: skip


def test_a_family_that_fits_says_so(members: list[Member]) -> None:
    assert printed(family_table(members[:2]), 200)[-1] == "2 of 2 members fit"


def test_a_family_of_which_nothing_fits_is_an_empty_table(members: list[Member]) -> None:
    lines = printed(family_table([members[2]]), 200)
    assert len(cells(lines)) == 1
    assert "0 of 1 members fit" in " ".join(lines)


def test_on_a_narrow_terminal_long_patterns_are_folded_whole(members: list[Member]) -> None:
    lines = printed(family_table(members), 60)
    assert max(map(len, lines)) <= 60
    folded = "".join(row[-1] for row in cells(lines)).replace(" ", "")
    assert "INPUT->[CONV(4)->RELU->POOL]*2->CLASSIFIER" in folded


def test_members_as_data(members: list[Member]) -> None:
    data = json.loads(json.dumps([member.to_dict() for member in members[1:3]]))
    assert data == [
        {
            "M": 2,
            "pattern": "INPUT -> [CONV(4) -> RELU]*2 -> CLASSIFIER",
            "fits": True,
            "parameters": 350,
            "multiply_adds": 3760,
        },
        {
            "M": 3,
            "pattern": "INPUT -> [CONV(4) -> RELU -> POOL]*3 -> CLASSIFIER",
            "fits": False,
            "problem": "POOL 2×2 does not fit a 1×1 map.",
        },
    ]

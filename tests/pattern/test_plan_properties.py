"""Laws of the plan, over generated patterns: the way out works, shapes are the network's, nothing is allocated."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from convstage import Pattern, Plan
from convstage.errors import PatternError
from convstage.pattern.plan import MAX_FIGURE, Row
from convstage.text import count


def row(plan: Plan, name: str) -> Row:
    return next(row for row in plan.rows if row.name == name)


def plan_of(text: str, image: str | None = "28x28x1", classes: int | None = 10) -> Plan:
    return Pattern(text).plan(image, classes)


_sides = st.tuples(st.integers(1, 4), st.integers(1, 4))


_steps = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> str:
    height, width = draw(_sides)
    rows, columns = draw(_steps)
    zeros = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)).map(lambda pair: f"{pair[0]}x{pair[1]}")
    padding = draw(st.sampled_from(["same", "valid"]) | zeros)
    return f"CONV({draw(st.integers(1, 4))}, {height}x{width}, {rows}x{columns}, padding={padding})"


@st.composite
def poolings(draw: st.DrawFn) -> str:
    (height, width), (rows, columns) = draw(_sides), draw(_steps)
    return f"POOL({draw(st.sampled_from(['max', 'avg']))}, {height}x{width}, {rows}x{columns})"


_cellwise = st.sampled_from(["RELU", "BN", "DROPOUT(0.3)", "TANH", "LEAKY_RELU", "GELU"])
_tails = st.sampled_from(
    ["", "GAP -> ", "FLATTEN -> BN -> ", "FC(5) -> RELU -> BN -> FC(3) -> ", "GAP -> FC(4) -> ELU -> "]
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    layers = draw(st.lists(st.one_of(convolutions(), convolutions(), poolings(), _cellwise), min_size=1, max_size=6))
    return f"INPUT -> {' -> '.join(layers)} -> {draw(_tails)}CLASSIFIER"


_images = st.tuples(st.integers(1, 14), st.integers(1, 14), st.integers(1, 3))


def advised(text: str, image: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """The image size that the error advises, None when there is no error."""
    try:
        Pattern(text).plan(image, 3)
    except PatternError as error:
        found = re.search(r"INPUT of at least (\d+)x(\d+)\.$", str(error))
        assert found
        return int(found[1]), int(found[2]), image[2]
    return None


@settings(max_examples=150, deadline=None)
@given(text=patterns())
def test_the_way_out_works_and_less_does_not(text: str) -> None:
    least = advised(text, (1, 1, 2)) or (1, 1, 2)
    height, width, channels = least
    assert advised(text, least) is None
    if height > 1:
        assert advised(text, (height - 1, width, channels)) == least
    if width > 1:
        assert advised(text, (height, width - 1, channels)) == least


@settings(max_examples=100, deadline=None)
@given(text=patterns(), image=_images)
def test_shapes_and_counts_are_those_of_the_network(text: str, image: tuple[int, int, int]) -> None:
    least = advised(text, image) or image
    image = max(image[0], least[0]), max(image[1], least[1]), image[2]
    plan = Pattern(text).plan(image, 3)
    network = plan.build(seed=0).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs = network.walk(torch.zeros(2, image[2], *image[:2]))
    assert list(outputs) == [row.name for row in plan.rows]
    for planned in plan.rows:
        shape = planned.output if len(planned.output) == 1 else (planned.output[2], *planned.output[:2])
        assert outputs[planned.name].shape == (2, *shape), planned.name
    assert plan.parameters == sum(parameter.numel() for parameter in network.parameters())
    normalised = sum(row.multiply_adds for row in plan.rows if row.kind == "BN")
    assert counter.get_total_flops() == 2 * 2 * (plan.multiply_adds - normalised)


# It costs nothing.


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_planning_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from convstage import Pattern\n"
        "plan = Pattern('INPUT -> [CONV -> BN -> RELU -> POOL(avg)]*2 -> GAP -> FC -> CLASSIFIER').plan('28x28x1', 2)\n"
        "str(plan), plan.to_dict()\n"
        "print([name for name in ('torch', 'matplotlib', 'sklearn', 'pydantic') if name in sys.modules])\n"
        "plan._repr_html_()\n"
        "print([name for name in ('torch', 'sklearn', 'pydantic') if name in sys.modules])"  # it has a drawing
    )
    assert run(code) == "[]\n[]\n"


@pytest.mark.parametrize(
    ("text", "layers", "parameters"),
    [
        ("INPUT -> [CONV(64) -> RELU]*98 -> POOL -> GAP -> CLASSIFIER", 200, 640 + 97 * 36928 + 650),
        ("INPUT -> FC(1000000000000) -> CLASSIFIER(1000)", 4, 785 * 10**12 + 1000 * (10**12 + 1)),
        ("INPUT -> CONV(100000000, 28x28) -> GAP -> CLASSIFIER", 4, 785 * 10**8 + 10 * (10**8 + 1)),
    ],
)
def test_planning_allocates_nothing(text: str, layers: int, parameters: int) -> None:
    code = (
        "import tracemalloc\n"
        "from convstage import Pattern\n"
        f"pattern, classes = Pattern({text!r}), {10 if '1000)' not in text else 1000}\n"
        "tracemalloc.start()\n"
        "plan = pattern.plan('28x28x1', classes)\n"
        "print(len(plan.rows), plan.parameters, tracemalloc.get_traced_memory()[1])"
    )
    rows, total, peak = map(int, run(code).split())
    assert (rows, total) == (layers, parameters)
    assert peak < 4_000 * layers + 100_000


def test_the_largest_plan_is_shown_as_well() -> None:
    filters = 10**24 - 1
    plan = plan_of(f"INPUT -> CONV({filters}) -> FC({filters}) -> CLASSIFIER")
    assert plan.parameters < MAX_FIGURE
    assert str(plan)
    assert count(plan.parameters) in plan._repr_html_()
    assert json.loads(json.dumps(plan.to_dict()))["totals"]["parameters"] == plan.parameters

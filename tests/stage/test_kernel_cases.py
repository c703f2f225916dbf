"""Random stages, malformed calls, guard pages and threads: the short form of reliability/kernels*.py."""

from pathlib import Path
from random import Random

import pytest
import torch

import kernel_checks
import kernels_malformed
import kernels_threads
from kernel_cases import LAYOUTS, VALUES, make
from kernel_checks import check

RELIABILITY = Path(__file__).parent.parent.parent / "reliability"


def test_errors_are_at_most_twice_torchs_on_random_stages(isa):
    findings = [(number, finding) for number in range(60) for finding in check(make(number, seed=1))]
    assert not [(number, finding.part, finding.problem) for number, finding in findings if finding.problem]
    parts = {finding.part for _, finding in findings}
    assert parts >= {"values", "winners", "gradient of the input", "gradient of the weights", "gradient of the bias"}
    assert parts >= {"function", "function, average pooling", "prediction", "fully connected"}


def test_the_cases_are_of_all_kinds():
    cases = [make(number) for number in range(300)]
    assert {case.layout for case in cases} == set(LAYOUTS)
    assert {case.values for case in cases} == set(VALUES)
    assert any(not case.x.numel() for case in cases)
    assert any(case.x.storage_offset() % 16 for case in cases)
    assert any(not case.x.isfinite().all() for case in cases)
    assert {case.bias is None for case in cases} == {case.average for case in cases} == {True, False}


def test_a_wrong_result_is_found(monkeypatch):
    """One that is off by a little more than rounding explains."""
    exact = torch.ops.convstage.conv_relu_pool_input_backward
    operators = type("Operators", (), {"__getattr__": lambda _, name: getattr(torch.ops.convstage, name)})()

    operators.conv_relu_pool_input_backward = lambda *arguments: exact(*arguments) * (1 + 1e-4)
    stages = (make(number) for number in range(40))
    plain = [case for case in stages if case.values == "normal" and max(case.windows[0]) == 1 and case.x.numel()]
    monkeypatch.setattr(kernel_checks, "operators", lambda: operators)
    assert plain
    for case in plain:
        problems = [finding.part for finding in check(case) if finding.problem]
        assert problems == ["gradient of the input"]


def test_malformed_calls_give_exceptions():
    told, problems = kernels_malformed.watch(120, seed=1)
    assert not problems
    assert told.total() == 120
    assert told["answered"] < 40


def test_a_malformed_call_that_crashes_is_told(monkeypatch, tmp_path):
    script = tmp_path / "crashing.py"
    script.write_text(
        "import os, sys\n"
        "for number in range(int(sys.argv[2]), 4):\n"
        "    print(number, flush=True)\n"
        "    os.abort() if number == 1 else print('ValueError', '', sep='\\t', flush=True)\n"
    )
    monkeypatch.setattr(kernels_malformed, "__file__", str(script))
    told, problems = kernels_malformed.watch(4, seed=0)
    assert told == {"ValueError": 3}
    assert len(problems) == 1
    assert problems[0].startswith("call 1: the process ends with -6")


@pytest.fixture
def run_python(convstage):
    """Return what runs a program, with the modules of reliability/ at hand, in a process of its own."""
    return lambda code, *arguments: convstage.python(
        f"import sys\nsys.path.insert(0, {str(RELIABILITY)!r})\n{code}", *arguments
    )


def test_nothing_is_read_outside_of_the_inputs(run_python):
    """Inputs that end, then begin, at a page without access, in a process of its own."""
    script = """
import torch
from guarded import guarded
from kernel_cases import make
from convstage.stage.load import choose, instruction_sets
ops = torch.ops.convstage
for number in range(90):
    choose(instruction_sets()[number % len(instruction_sets())])
    case = make(number, seed=2)
    for at_end in (True, False):
        x, weight, gradient = (guarded(tensor, at_end) for tensor in (case.x, case.weight, case.gradient))
        bias = None if case.bias is None else guarded(case.bias, at_end)
        winner = guarded(ops.conv_relu_pool(x, weight, bias, *case.windows, True)[1], at_end)
        ops.conv_relu_pool_weight_backward(gradient, winner, x, weight.shape[2:], *case.windows)
        if max(case.windows[0]) == 1:
            ops.conv_relu_pool_input_backward(gradient, winner, weight, x.shape, *case.windows)
        before = [(n - 1) * s + p for n, s, p in zip(gradient.shape[2:], case.windows[3], case.windows[2])]
        ops.conv_relu_pool_unpool(gradient, winner, before, *case.windows[2:])
print("done")
"""
    told = run_python(script)
    assert (told.returncode, told.stdout) == (0, "done\n"), told.stderr


def test_a_page_is_guarded(run_python):
    script = """
import ctypes, sys, torch
from guarded import guarded
at_end = sys.argv[1] == "end"
tensor = guarded(torch.arange(6.0).view(1, 2, 1, 3), at_end)
assert tensor.flatten().tolist() == [0, 1, 2, 3, 4, 5]
ctypes.c_float.from_address(tensor.data_ptr() + (24 if at_end else -4)).value
"""
    for where in ("end", "beginning"):
        assert run_python(script, where).returncode == -11


def test_the_number_of_threads_changes_no_bit(isa):
    random = Random(0)
    cases = [case for case in (make(number, seed=3) for number in range(12)) if case.x.numel() and case.weight.numel()]
    for case in cases:
        for name, work in kernels_threads.ours(case, random.randint(1, 7)):
            assert kernels_threads.same(work), (name, str(case))
    assert kernels_threads.same(kernels_threads.connected(random))

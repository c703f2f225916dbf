"""Any text is a pattern or refused with an error of our own, in little time; reliability/patterns.py tries more."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from convstage.errors import PatternError
from convstage.pattern import Pattern
from pattern_cases import IMAGE, VALID, WORDS, check

LONGEST, SECONDS = 10_000, 5


@settings(max_examples=250, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=40))
@example("\udcff")
@example("INPUT->CONV(1x" + "1" * 22 + ")")
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), valid=st.sampled_from(VALID))
def test_a_slip_in_a_valid_one(data: st.DataObject, valid: str) -> None:
    start = data.draw(st.integers(0, len(valid)))
    end = data.draw(st.integers(start, min(len(valid), start + 6)))
    check(valid[:start] + data.draw(st.sampled_from(("", *WORDS))) + valid[end:])


def test_an_image_size_that_nobody_can_read_is_no_way_out() -> None:
    """Found by hand: the smallest image had more digits than Python writes."""
    with pytest.raises(PatternError) as caught:
        Pattern(f"INPUT->[CONV(1, stride={'9' * 24}, padding=valid)]*300->CONV(3, padding=valid)->CLASSIFIER").plan(
            IMAGE, 5
        )
    assert caught.value.hint.endswith("Way out: use padding=same.")


LONG = {
    "chain": "INPUT" + "->CONV" * 1600 + "->CLASSIFIER",
    "most layers": "INPUT->[CONV->RELU]*4998->CLASSIFIER",
    "fully connected": "INPUT->[FC]*9990->CLASSIFIER",
    "strides": f"INPUT->[CONV(1,stride={'9' * 24},padding=valid)]*9000->CONV(3,padding=valid)->CLASSIFIER",
    "optional": "INPUT" + "->RELU?" * 1400 + "->CLASSIFIER",
    "letters": "INPUT" + "".join(f"->RELU*{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 40) + "->CLASSIFIER",
    "brackets": "[" * LONGEST,
    "nested": "INPUT->" + "[" * 32 + "CONV" + "]*9" * 32 + "->CLASSIFIER",
    "values": "INPUT->[CONV(" + "|".join(["1"] * 4000) + ")]*4000->CLASSIFIER",
    "arguments": "INPUT->CONV(" + ",".join(["1"] * 4900) + ")->CLASSIFIER",
    "sides": "INPUT(" + "x".join(["1"] * 4900) + ")->CLASSIFIER",
    "turns of nothing": "INPUT->" + "[" * 30 + "RELU*0" + "]*10000000000" * 30 + "->CLASSIFIER",
    "a name": "INPUT->" + "A" * 9900,
    "a hyperparameter": "INPUT->CONV(" + "a" * 9900 + "=1)->CLASSIFIER",
    "a number": "INPUT->CONV(" + "9" * 9900 + ")->CLASSIFIER",
    "spaces": " " * LONGEST,
    "lines": "INPUT\n" * 1600,
    "question marks": "INPUT->RELU" + "?" * 9000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_does_not_take_long(text: str) -> None:
    assert len(text) <= 16_000
    start = time.process_time()
    check(text)
    assert time.process_time() - start < SECONDS

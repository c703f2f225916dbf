"""What was measured is what is used, and what is promised was measured."""

import json
from pathlib import Path

import pytest

from convstage.explain import METHODS
from convstage.explain.methods import SIGMA
from convstage.explain.occlusion import WINDOW
from convstage.explain.question import BLUR

RESULT = Path(__file__).parents[2] / "benchmarks/results/evidence.json"


@pytest.fixture(scope="module")
def result():
    return json.loads(RESULT.read_text())


def test_the_settings_are_those_that_were_measured(result):
    assert result["chosen"] == {"sigma": SIGMA, "blur": BLUR, "window": WINDOW, "reference": "black"}
    assert all(set(row["methods"]) == {*METHODS, "chance"} for row in result["networks"])


def test_a_method_finds_the_lesions_nine_times_out_of_ten(result):
    for row in result["networks"]:
        assert max(row["methods"][name]["hit"]["value"] for name in METHODS) >= 0.9
        assert row["methods"]["chance"]["hit"]["value"] < 0.1

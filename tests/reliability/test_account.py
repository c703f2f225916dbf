"""The table of docs/reliability.md is that of the results, and nothing in them has failed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from account import RESULTS, SCRIPTS, table

ROOT = Path(__file__).parent.parent.parent


def test_the_page_has_the_table_of_the_results() -> None:
    assert table() in (ROOT / "docs/reliability.md").read_text()


def test_every_script_of_make_is_told_of_and_stores_a_result() -> None:
    rules = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"reliability/(\w+\.py)", rules)) == {script for script, _, _ in SCRIPTS.values()}
    assert {path.stem for path in RESULTS.glob("*.json")} == set(SCRIPTS)


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_nothing_has_failed(name: str) -> None:
    found = json.loads((RESULTS / f"{name}.json").read_text())
    assert not found.get("problems") and not found.get("failures")
    assert all(one["held"] for one in found.get("launches", ()))

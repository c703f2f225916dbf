"""Fixtures of the audit's tests."""

from pathlib import Path

import pytest

from convstage.audit import probe


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache of its own, and a probe that is quick: what is planted needs no more trees."""
    monkeypatch.setattr(probe, "TREES", 15)
    monkeypatch.setenv("CONVSTAGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"

"""A small folder of images, and searches of a few tiny networks on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convstage.search import Search, search

FAMILY = "INPUT -> [CONV(4) -> RELU -> POOL?]*M -> CLASSIFIER"
Quick = Callable[..., Search]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from conftest import make_class_folders

    return make_class_folders(tmp_path_factory.mktemp("data") / "scans", {"0-healthy": 24, "1-corona": 24}, size=16)


def small_search(data: Path, out: Path, family: str | None = FAMILY, **given: Any) -> Search:
    """Search a few trials of a second each."""
    usual = {
        "letters": {"M": "1..2"} if family == FAMILY else {},
        "trials": 4,
        "epochs": 2,
        "searched": {"learning_rate": "1e-3..1e-2"},
        "fixed": {"all": True},
        "pruner": "none",
        "audit": False,
        "report": False,
        "threads": 1,
        "batch_size": 16,
        "out": out,
    }
    return search(data, family, **usual | given)


@pytest.fixture
def quick(folder: Path, tmp_path: Path) -> Quick:
    """Return `small_search` on the folder, in the test's own place."""

    def run(family: str | None = FAMILY, **given: Any) -> Search:
        return small_search(folder, tmp_path / "runs", family, **given)

    return run


@pytest.fixture(scope="session")
def one_done(folder: Path, tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path) -> Search:
    """Return a search of one trial, the default recipe; to be copied."""
    return small_search(folder, tmp_path_factory.mktemp("one"), trials=1, epochs=1, name="small")


@pytest.fixture
def small(one_done: Search, tmp_path: Path) -> Search:
    """Return a search of one trial in the test's own place: a folder may be moved, and goes on there."""
    return Search(Path(shutil.copytree(one_done.path, tmp_path / "moved")))


@pytest.fixture(scope="session")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path) -> Search:
    """Return a search that is done, with its report; read only."""
    out = tmp_path_factory.mktemp("done")
    return small_search(folder, out, trials=5, epochs=3, audit=True, report=True, name="scans-search")

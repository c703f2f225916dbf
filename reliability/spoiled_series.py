"""Spoiled folders of cross-validations, comparisons and searches, and everything that reads one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from spoiled_runs import refusal, spoil

PATTERN, OTHER = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER", "INPUT -> FC(2) -> RELU -> CLASSIFIER"
#: Kinds of files that are spoiled, wherever they lie in the folder; `study.db` holds the trials of a search.
KINDS = (".json", ".csv", ".safetensors", ".db")


@dataclass(frozen=True)
class Kind:
    """A kind of series.

    Attributes
    ----------
    make : callable
        Makes one from (images, folder to make it in, name).
    readers : dict of str to callable
        Whatever reads such a folder.
    """

    make: Callable[[Path, Path, str], Path]
    readers: dict[str, Callable[[Path], Any]]


def _common(out: Path, name: str) -> dict[str, Any]:
    return {"epochs": 1, "batch_size": 16, "threads": 1, "report": False, "out": out, "name": name}


def _make_folds(images: Path, out: Path, name: str) -> Path:
    from convstage import crossval

    return crossval(images, folds=2, pattern=PATTERN, **_common(out, name)).path


def _make_comparison(images: Path, out: Path, name: str) -> Path:
    from convstage import compare

    return compare([PATTERN, OTHER], images, baseline="pixels", audit=False, **_common(out, name)).path


def _make_search(images: Path, out: Path, name: str) -> Path:
    from convstage.search import search

    family = "INPUT -> [CONV(2) -> RELU]*N -> POOL -> CLASSIFIER"
    letters = {"N": "1..2"}
    return search(images, family, letters, trials=2, sampler="random", audit=False, **_common(out, name)).path


def _of(module: str, name: str) -> Any:
    """Return something of convstage's, imported when it is asked for."""
    return getattr(import_module(f"convstage.{module}"), name)


def _look(series: tuple[str, str], show: tuple[str, str]) -> Callable[[Path], None]:
    """Return a reader that asks a series for everything that it knows, and shows it."""

    def read(path: Path) -> None:
        found = _of(*series).open(path)
        found.setup  # noqa: B018
        _of(*show)(found.metrics)
        found._repr_html_()

    return read


def _resume(module: str, result: str = "") -> Callable[[Path], None]:
    """Return a reader that goes on with a series; without its `result`, if one is named, so that it is made anew."""

    def read(path: Path) -> None:
        if result and (path / result).is_file():
            (path / result).unlink()
        _of(module, "resume")(path)

    return read


def _predictions(path: Path) -> None:
    _of("cross_validation", "CrossValidation").open(path).predictions  # noqa: B018


#: Every kind of series.
SERIES = {
    "cross-validation": Kind(
        _make_folds,
        {
            "look": _look(("cross_validation", "CrossValidation"), ("show_folds", "show_folds")),
            "predictions": _predictions,
            "resume": _resume("cross_validation"),
        },
    ),
    "comparison": Kind(
        _make_comparison,
        {
            "look": _look(("comparison", "Comparison"), ("show_comparison", "show_comparison")),
            "resume": _resume("comparison", "comparison.json"),
        },
    ),
    "search": Kind(
        _make_search,
        {
            "look": _look(("search", "Search"), ("search.show", "show_leaderboard")),
            "resume": _resume("search.make"),
        },
    ),
}


def files_of(folder: Path) -> list[str]:
    """Return the files of a series that can be spoiled, those of its own three times: there are many of runs."""
    every = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in KINDS)
    return [name for name in every for _ in range(1 if "/" in name else 3)]


def spoil_series(
    name: str, made: Path, other: Path, random: Random, scratch: Path, reader: str = ""
) -> tuple[str, str, str]:
    """Spoil a copy of a series and read it; return who read, what was done, and what was wrong."""
    folder = Path(shutil.copytree(made, scratch / "spoiled"))
    try:
        files = files_of(made)
        what = [spoil(folder, other, random, files) for _ in range(random.choice((1, 1, 1, 2)))]
        reader = reader or random.choice(sorted(SERIES[name].readers))
        return f"{name}, {reader}", "; ".join(what), refusal(SERIES[name].readers[reader], folder)
    finally:
        shutil.rmtree(folder)

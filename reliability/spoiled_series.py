"""Spoiled folders of cross-validations, comparisons and searches, and everything that reads one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
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


def _look(kind: Any, show: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Return a reader that asks a series for everything that it knows, and shows it."""

    def read(path: Path) -> None:
        found = kind().open(path)
        found.setup  # noqa: B018
        show(found.metrics)
        found._repr_html_()

    return read


def _folds() -> Any:
    from convstage import CrossValidation

    return CrossValidation


def _show_folds(metrics: dict[str, Any]) -> None:
    from convstage.show_folds import show_folds

    show_folds(metrics)


def _predictions(path: Path) -> None:
    _folds().open(path).predictions  # noqa: B018


def _resume_folds(path: Path) -> None:
    from convstage.cross_validation import resume

    resume(path)


def _comparison() -> Any:
    from convstage import Comparison

    return Comparison


def _show_comparison(metrics: dict[str, Any]) -> None:
    from convstage.show_comparison import show_comparison

    show_comparison(metrics)


def _resume_comparison(path: Path) -> None:
    from convstage.comparison import resume

    if (path / "comparison.json").is_file():
        (path / "comparison.json").unlink()  # so that it is made once more
    resume(path)


def _search() -> Any:
    from convstage.search import Search

    return Search


def _show_leaderboard(metrics: dict[str, Any]) -> None:
    from convstage.search.show import show_leaderboard

    show_leaderboard(metrics)


def _resume_search(path: Path) -> None:
    from convstage.search.make import resume

    resume(path)


#: Every kind of series.
SERIES = {
    "cross-validation": Kind(
        _make_folds,
        {"look": _look(_folds, _show_folds), "predictions": _predictions, "resume": _resume_folds},
    ),
    "comparison": Kind(_make_comparison, {"look": _look(_comparison, _show_comparison), "resume": _resume_comparison}),
    "search": Kind(_make_search, {"look": _look(_search, _show_leaderboard), "resume": _resume_search}),
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

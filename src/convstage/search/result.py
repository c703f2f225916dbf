"""What a search has found: the leaderboard as files, and the winner on images that no trial has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..data import Dataset
from ..figures import describe_intervals
from ..files import write_json, write_text
from ..machine import processor
from ..resampling import number_groups
from .folder import PAGE, TABLE, Search
from .leaderboard import as_csv, leaderboard, numbers
from .page import leaderboard_page
from .setup import RESULT, Setup
from .winner import evaluated

if TYPE_CHECKING:
    from optuna import Study

#: What the evaluation of the winner adds to a result, and what it says before there is one.
NOTHING = {"winner": None, "default": None, "difference": None, "elsewhere": None, "looks": 0}


def result(study: Study, setup: Setup) -> dict[str, Any]:
    """Return what is known of a search by its storage alone.

    Returns
    -------
    dict
        ``study``, ``monitor``, ``family``, ``letters``, ``searched`` in words; ``trials``, the leaderboard; ``counts``
        of them by state; ``winner``, ``default``, ``difference``, ``elsewhere`` and ``looks``, see
        `convstage.search.winner`.
    """
    rows = leaderboard(study, setup)
    known = study.user_attrs.get(RESULT, {})
    winner = known.get("winner")
    if winner is None or winner["trial"] != next((row["trial"] for row in rows if row["rank"] == 1), None):
        known = {**NOTHING, "looks": known.get("looks", 0)}  # there are newer trials, one of them better
    return {
        "study": study.study_name,
        "monitor": setup.settings["monitor"],
        "family": setup.family,
        "letters": {name: setup.words()[name] for name in setup.letters},
        "searched": {name: str(choice) for name, choice in setup.searched.items()},
        "epochs": setup.settings["epochs"],
        "images": setup.images["count"],
        "counts": numbers(rows),
        "trials": rows,
        **NOTHING,
        **known,
    }


def write_tables(search: Search, study: Study, setup: Setup) -> dict[str, Any]:
    """Write the leaderboard as a table and as a page, as far as there is one, and return what was written."""
    found = result(study, setup)
    write_text(search.path / TABLE, as_csv(found["trials"], found["monitor"]))
    write_text(search.path / PAGE, leaderboard_page(found, search.setup["data"]))
    return found


def finish(search: Search, study: Study, setup: Setup, dataset: Dataset, report: bool) -> dict[str, Any]:
    """Evaluate the winner, and write everything; when it was done before, the test part is not looked at again."""
    rows = leaderboard(study, setup)
    told = evaluated(search, rows, dataset, setup.settings["monitor"], report)
    if told["winner"] is not None:
        study.set_user_attr(RESULT, told)
    found = write_tables(search, study, setup)
    groups = number_groups([dataset.groups[row] for row in dataset.rows("val")], len(dataset.rows("val")))
    extra = {
        "folder": str(search.path),
        "data": dataset.source,
        "classes": list(dataset.classes),
        "validation_images": len(groups),
        "intervals": describe_intervals(groups),
        "processor": processor(),
    }
    whole = {**found, **told, **extra}
    write_json(search.path / search.RESULT, whole)
    return whole

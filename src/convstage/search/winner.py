"""The winner, and the default recipe: ordinary runs, evaluated on the test part when the search is over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..data import Dataset
from ..errors import DataError
from ..evaluation import evaluate
from ..files import TEMPORARY
from ..paired import difference
from ..report import write_report
from ..run import MODEL, Run
from ..series import hand_down_audit
from ..terminal import console
from .folder import BEST, DEFAULT, Search

#: Figures of the test part that the result tells.
TOLD = ("accuracy", "balanced_accuracy", "auroc")


def evaluated(
    search: Search, rows: Sequence[Mapping[str, Any]], dataset: Dataset, monitor: str, report: bool
) -> dict[str, Any]:
    """Evaluate the winner and the default recipe on the test part, once, and compare them on it.

    Parameters
    ----------
    search : Search
        The folder; ``best`` and ``default`` are made in it.
    rows : sequence of dict
        The leaderboard.
    dataset : Dataset
        With its test part.
    monitor : str
        The validation figure that trials were ranked by.
    report : bool
        Whether the winner gets a report.

    Returns
    -------
    dict
        ``winner``, ``default`` and ``difference``, see `convstage.paired`; None for what there is not, or what lies
        on another machine, which ``elsewhere`` says. ``looks`` counts the winners that the test part was shown.
    """
    before = search.last_result or {}
    best = next((row for row in rows if row["rank"] == 1), None)
    plain = next((row for row in rows if row["default"] and row["state"] == "done"), None)
    result: dict[str, Any] = {"winner": None, "default": None, "difference": None, "elsewhere": None}
    looks = int(before.get("looks", 0))
    if best is None:
        return {**result, "looks": looks}
    if not _is_here(search, best):
        where = {"machine": best["machine"], "run": best["run"], "trial": best["trial"]}
        return {**result, "elsewhere": where, "looks": looks}
    again = (before.get("winner") or {}).get("trial") == best["trial"] and (search.path / BEST).is_dir()
    chosen = {"trials": sum(row["value"] is not None for row in rows), "by": monitor}
    one = _run(search, best, BEST, dataset, chosen, report)
    result["winner"] = _told(best["trial"], one)
    if plain is not None and _is_here(search, plain) and plain["trial"] != best["trial"]:
        other = _run(search, plain, DEFAULT, dataset)
        result["default"] = _told(plain["trial"], other)
        if one.has_metrics:
            right = [_right(run) for run in (other, one)]
            groups = dict(zip(dataset.names, dataset.groups, strict=True))
            of_images = [groups[row["image"]] for row in one.predictions]
            result["difference"] = difference(right[0], right[1], of_images).to_dict()
    return {**result, "looks": looks + (one.has_metrics and not again)}


def _run(
    search: Search,
    row: Mapping[str, Any],
    name: str,
    dataset: Dataset,
    chosen: dict[str, Any] | None = None,
    report: bool = False,
) -> Run:
    """Return a trial as a run of its own that knows its test part, evaluated; made whole, or not at all.

    `chosen` says what it is the best of, for the report; a run that is not the winner has none.
    """
    place = search.path / name
    trial = search.trial(row["trial"])
    if place.is_dir():
        known = Run(place)
        if known.is_begun and known.config.get("trial") == row["trial"]:
            return known  # evaluated before: the test part is not looked at again
    made = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=search.path))
    try:
        run = Run(made)
        _copy(trial, run, dataset, {"trial": row["trial"], **({} if chosen is None else {"chosen": chosen})}, place)
        run.write_unreadable(Run(search.path).unreadable)
        hand_down_audit(Run(search.path), run)
        if len(dataset.rows("test")):
            evaluate(run, dataset=dataset)
        if report:
            _report(run, dataset)
        made.chmod(trial.path.stat().st_mode)  # mkdtemp makes it private
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return Run(place)


def _copy(trial: Run, run: Run, dataset: Dataset, origin: dict[str, Any], place: Path) -> None:
    """Write the files of a trial as those of a run that knows its test part; weights say whose they are."""
    config = trial.config
    settings = config["settings"] | {"name": place.name, "out": str(place.parent)}
    run.write_split(dataset.split_rows())
    run.write_config(data=config["data"], settings=settings, model=config["model"], **origin)
    run.write_model(*trial.read_model())
    if (last := trial.read_last()) is not None:
        run.write_last(*last)
    if trial.calibration is not None:
        run.write_calibration(trial.calibration)
    run.write_history(trial.history)


def _report(run: Run, dataset: Dataset) -> None:
    """Write the report; without one, the winner is no worse."""
    try:
        write_report(run, dataset)
    except (DataError, OSError) as error:
        console.print(f"no report: {error}", highlight=False, markup=False, soft_wrap=True)


def _is_here(search: Search, row: Mapping[str, Any]) -> bool:
    """Return whether a trial was trained in this folder; on other machines each worker has its own."""
    return (search.trial(row["trial"]).path / MODEL).is_file()


def _right(run: Run) -> npt.NDArray[np.float64]:
    """Return whether the run was right about each test image."""
    return np.array([row["truth"] == row["prediction"] for row in run.predictions], dtype=np.float64)


def _told(trial: int, run: Run) -> dict[str, Any]:
    figures = run.metrics if run.has_metrics else {}
    return {
        "trial": trial,
        "run": run.path.name,
        "images": figures.get("images"),
        **{name: figures.get(name) for name in TOLD},
    }

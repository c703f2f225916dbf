"""Cross-validation: every image is tested once, by a network that has not seen it.

The folder of a cross-validation holds

    folds.json           settings, and the fold that every image is tested in
    fold-1/ …            a run folder for each fold, see `convstage.run`
    audit.json           what may mislead in the data, and
    shortcut.csv         what the strongest shortcut says, both as in a run folder
    predictions.csv      every image: its fold, truth, prediction, probabilities
    crossval.json        figures of each fold, their mean and spread, and the figures of all predictions together

The last two are written when all folds are done.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .audit import audit
from .config import Config, make_config
from .data import Dataset, restore_dataset
from .data.split import TEST, TRAIN, split
from .data.split import folds as draw_folds
from .errors import ConfigError, RunError
from .evaluation import Images, own_verdict, worst_mistakes
from .figures import OVERALL, all_figures
from .files import write_json
from .pattern import Pattern, Plan
from .predict import describe_model
from .records_series import CrossValidationRecord, FoldsRecord
from .run import METRICS, Run, check_new
from .series import Series, spread, train_next
from .terminal import console
from .training import introduce, keep_audit, prepare

#: More folds than this take longer than anyone waits, and tell no more.
MOST = 100


@dataclass(frozen=True)
class CrossValidation(Series):
    """The folder of a cross-validation.

    Attributes
    ----------
    path : Path
        The folder.
    """

    LAYOUT = 1
    SETUP = "folds.json"
    RESULT = "crossval.json"
    SETUP_SHAPE = FoldsRecord
    RESULT_SHAPE = CrossValidationRecord
    WHAT = "cross-validation"
    PARTS = "folds"
    COMMAND = "crossval"

    def _repr_html_(self) -> str:
        from .show import notebook_html

        return notebook_html(self.path, self.metrics["pooled"] if self.is_done else None)

    @property
    def runs(self) -> list[Run]:
        """The run of each fold."""
        return [self.run(fold) for fold in range(1, self.setup["folds"] + 1)]

    def run(self, fold: int) -> Run:
        """Return the run of a fold, counted from 1; its folder need not be there yet."""
        return Run(self.path / f"fold-{fold}")

    @property
    def predictions(self) -> list[dict[str, str]]:
        """The prediction of every image, as text."""
        return Run(self.path).predictions


def crossval(data: str | Path, *, folds: int = 5, config: str | Path | None = None, **settings: Any) -> CrossValidation:
    """Train and test a network `folds` times, each time with other images for the test.

    The images are dealt into folds by class, groups and copies of an image together.
    In each turn one fold is the test part; of the others, the share `val` of the images
    chooses the epoch.

    Parameters
    ----------
    data : path or str
        As for `convstage.train`. Parts that it names are not used.
    folds : int
        How many, 2 to 100.
    config : path, optional
        A YAML file of settings.
    **settings
        Any field of `convstage.Config`; they overrule the file. `test` has no effect.

    Returns
    -------
    CrossValidation
        The folder: ``result.metrics``, ``result.predictions``, ``result.runs``.

    Raises
    ------
    ConfigError, PatternError, DataError
        Before anything is written.
    TrainingError
        A loss that is not finite.

    Examples
    --------
    ::

        result = convstage.crossval("xrays", folds=5, epochs=30)
        result.metrics["over_folds"]["auroc"]
    """
    chosen = make_config(config, **settings)
    if not 2 <= folds <= MOST:
        raise ConfigError(f"folds = {folds}: there can be 2 to {MOST}.")
    if chosen.split_file is not None:
        raise ConfigError("cross-validation makes the parts itself; leave out split_file.")
    check_new(chosen.out, chosen.name)
    ready = prepare(data, chosen.model_copy(update={"test": 0.0}))
    dataset, plan = ready.dataset, ready.plan
    report = audit(ready.source, dataset) if chosen.audit else None
    fold_of = draw_folds(dataset.labels, dataset.units, folds, chosen.seed, dataset.classes)
    for fold in range(folds):
        _parts(dataset, fold_of == fold, chosen)  # a class that is too small is said now, not after hours
    found = CrossValidation(Run.create(chosen.out, chosen.name, f"{dataset.stem}-crossval").path)
    rows = [
        {name: value for name, value in row.items() if name != "part"} | {"fold": int(fold) + 1}
        for row, fold in zip(dataset.split_rows(), fold_of, strict=True)
    ]
    Run(found.path).write_unreadable(dataset.unreadable)
    setup = {
        "format": found.LAYOUT,
        "data": dataset.source,
        "folds": folds,
        "settings": ready.config.model_dump(),
        "model": describe_model(plan, dataset.classes, dataset.geometry, dataset.standardisation),
        "images": rows,
    }
    write_json(found.path / found.SETUP, setup)
    introduce(found.path, dataset, plan, f"{folds} folds")
    if any(item.part for item in ready.source.items):
        console.print("The parts that the data names are not used: every image is tested once.", soft_wrap=True)
    if report is not None:
        keep_audit(Run(found.path), report)
    return _go_on(found, ready.config, dataset, plan)


def resume(path: str | Path) -> CrossValidation:
    """Go on with an interrupted cross-validation; folds that are done are not repeated.

    Raises
    ------
    RunError, DataError
        No folder of a cross-validation, or images that are no longer the same.
    """
    found = CrossValidation.open(path)
    setup = found.setup
    model = setup["model"]
    stream = setup["settings"].get("stream")
    dataset = restore_dataset(setup["data"], [row | {"part": TRAIN} for row in setup["images"]], model, stream)
    plan = Pattern(model["pattern"]).plan(tuple(model["image"]), len(model["classes"]))
    return _go_on(found, make_config(**setup["settings"]), dataset, plan)


def _go_on(found: CrossValidation, config: Config, dataset: Dataset, plan: Plan) -> CrossValidation:
    """Train the folds that are not done yet, then put their predictions together."""
    setup = found.setup
    fold_of = np.array([row["fold"] for row in setup["images"]])
    for fold, run in enumerate(found.runs, 1):
        if run.has_metrics:
            continue
        parts = [row["part"] for row in run.split] if run.is_begun else _parts(dataset, fold_of == fold, config)
        train_next(found, run, config, dataset.with_parts(np.array(parts)), plan, f"fold {fold} of {setup['folds']}")
    _summarise(found, dataset)
    return found


def _parts(dataset: Dataset, tested: npt.NDArray[np.bool_], config: Config) -> npt.NDArray[np.str_]:
    """Return the parts of a fold: its own images for the test, a share of the others for validation."""
    others = np.flatnonzero(~tested)
    parts = np.full(len(tested), TEST, dtype=f"<U{len(TRAIN)}")
    units = dataset.units
    parts[others] = split(
        dataset.labels[others],
        [None] * len(others),
        dataset.classes,
        val=config.val,
        test=0.0,
        seed=config.seed,
        groups=[units[row] for row in others],
    )
    return parts


def _summarise(found: CrossValidation, dataset: Dataset) -> None:
    """Write every prediction, and the figures."""
    predictions = [_predictions(run, dataset) for run in found.runs]
    columns = ["fold", *predictions[0][0]]
    rows = [[fold, *row.values()] for fold, of_fold in enumerate(predictions, 1) for row in of_fold]
    Run(found.path).write_predictions(columns, rows)
    per_fold = [_of_fold(fold, run) for fold, run in enumerate(found.runs, 1)]
    result = {
        "data": dataset.source,
        "classes": list(dataset.classes),
        "folds": len(per_fold),
        "per_fold": per_fold,
        "over_folds": {name: spread([row[name] for row in per_fold]) for name in OVERALL},
        "pooled": _pooled(found, dataset),
    }
    write_json(found.path / found.RESULT, result)


def _predictions(run: Run, dataset: Dataset) -> list[dict[str, str]]:
    """Return the predictions of a fold, which are of these images and classes."""
    rows = run.predictions
    if unknown := {row["image"] for row in rows}.difference(dataset.names):
        wrong = f"name an image that there is not: {min(unknown)!r}"
    elif missing := [name for name in dataset.classes if not rows or f"p({name})" not in rows[0]]:
        wrong = f"have no probabilities of {missing[0]!r}"
    else:
        return rows
    raise RunError(
        f"the predictions of {run.path} {wrong}.\nRemove its {METRICS}, and go on: the fold is evaluated again."
    )


def _pooled(found: CrossValidation, dataset: Dataset) -> dict[str, Any]:
    """Return the figures of all predictions, as they are written: a fold that was done before gives no others."""
    classes, predictions = dataset.classes, found.predictions
    number = {name: row for row, name in enumerate(dataset.names)}
    rows = [number[row["image"]] for row in predictions]
    images = Images.of(dataset, "folds", np.array(rows))
    probabilities = np.array([[float(row[f"p({name})"]) for name in classes] for row in predictions])
    return {
        "data": images.data,
        "part": images.part,
        "classes": list(classes),
        **all_figures(images.labels, probabilities, classes, images.groups),
        "mistakes": worst_mistakes(images, probabilities, classes),
        "verdict": own_verdict(Run(found.path), images, probabilities, classes).to_dict(),
    }


def _of_fold(fold: int, run: Run) -> dict[str, Any]:
    metrics = run.metrics
    figures = {name: metrics[name] and metrics[name]["value"] for name in OVERALL}
    return {"fold": fold, "run": run.path.name, "epochs": len(run.history), "images": metrics["images"], **figures}

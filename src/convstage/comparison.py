"""A comparison: several patterns, and hand-made features, on the same images with the same recipe.

The folder of a comparison holds

    compare.json             settings, patterns, and every image's part for each seed
    pattern-1-seed-0/ …      a run folder for each pattern and seed, see `convstage.run`
    hog-seed-0/ …            metrics.json and predictions.csv of a baseline, see `convstage.baseline`
    …/shifts.json            in each of them, how often every test image was recognised when it was moved
    audit.json, shortcut.csv what may mislead in the data, and what the strongest shortcut says
    comparison.json          the figures side by side; written when all are done
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from .audit import audit
from .baseline import find_baseline, train_baseline
from .config import Config, make_config
from .data import Dataset, restore_dataset
from .errors import ConfigError, DataError, RunError
from .evaluation import Images, prediction_table, worst_mistakes
from .figures import all_figures
from .files import write_json
from .lineup import check_sides, choose_seeds, parse_all, plan_all
from .machine import processor
from .pattern import Pattern, Plan
from .predict import describe_model, load
from .records import checked, stored
from .records_series import BaselineRecord, CompareRecord, ComparisonRecord, ShiftsRecord
from .run import METRICS, Run, check_new
from .series import Series, train_next
from .shift_test import DISTANCES, Predict, shift_test
from .show_comparison import as_html
from .side_by_side import Side, Turn, side_by_side
from .terminal import console
from .training import Ready, introduce, keep_audit, prepare

SHIFTS = "shifts.json"
_ANEW = "Remove {}, and go on: it is trained again."


@dataclass(frozen=True)
class Comparison(Series):
    """The folder of a comparison; shows itself as a table in Jupyter.

    Attributes
    ----------
    path : Path
        The folder.
    """

    LAYOUT = 1
    SETUP = "compare.json"
    RESULT = "comparison.json"
    SETUP_SHAPE = CompareRecord
    RESULT_SHAPE = ComparisonRecord
    WHAT = "comparison"
    PARTS = "trainings"
    COMMAND = "compare"

    @property
    def runs(self) -> list[Run]:
        """The run of each pattern, seed by seed."""
        setup = self.setup
        return [self.run(number + 1, seed) for seed in setup["seeds"] for number in range(len(setup["patterns"]))]

    def run(self, pattern: int, seed: int | None = None) -> Run:
        """Return the run of a pattern, counted from 1; without a seed, that of the first one."""
        return self._folder(f"pattern-{pattern}", seed)

    def baseline(self, name: str, seed: int | None = None) -> Run:
        """Return the folder of a baseline's figures and predictions; it has no weights."""
        return self._folder(name, seed)

    def _folder(self, name: str, seed: int | None) -> Run:
        return Run(self.path / f"{name}-seed-{self.setup['seeds'][0] if seed is None else seed}")

    def _repr_html_(self) -> str:
        return as_html(self.metrics if self.is_done else None, self.path)


def compare(
    patterns: Sequence[str | Pattern],
    data: str | Path,
    *,
    baseline: str | Sequence[str] | None = None,
    seeds: int | Sequence[int] = 1,
    config: str | Path | None = None,
    **settings: Any,
) -> Comparison:
    """Train several patterns with the same recipe on the same images, and put their figures side by side.

    Parameters
    ----------
    patterns : sequence of str or Pattern
        The first is what the others are compared with.
    data : path or str
        As for `convstage.train`.
    baseline : str or sequence of str, optional
        Hand-made features into a small network, ``"hog"`` or ``"pixels"``; see `convstage.baseline`.
    seeds : int or sequence of int
        How many times each is trained, beginning with the setting `seed`; or which seeds. A
        seed fixes the split of the images, too, so that all patterns are tested on the same.
    config : path, optional
        A YAML file of settings.
    **settings
        Any field of `convstage.Config` but `pattern`; they overrule the file.

    Returns
    -------
    Comparison
        The folder: ``result.metrics``, ``result.runs``.

    Raises
    ------
    ConfigError, PatternError, DataError
        Before anything is written; of a pattern that does not fit, before an image is decoded.
    TrainingError
        A loss that is not finite.

    Examples
    --------
    ::

        patterns = ["INPUT -> FC -> CLASSIFIER", "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"]
        result = convstage.compare(patterns, "xrays", baseline="hog", seeds=3)
        result.metrics["sides"][1]["difference"]["conclusion"]
    """
    if "pattern" in settings:
        raise ConfigError("a comparison has several patterns; leave out the setting pattern, and list it among them.")
    chosen = make_config(config, **settings)
    baselines = [baseline] if isinstance(baseline, str) else list(baseline or ())
    parsed = parse_all([patterns] if isinstance(patterns, str | Pattern) else patterns)
    check_sides(list(map(str, parsed)), baselines)
    numbers = choose_seeds(seeds, chosen)
    check_new(chosen.out, chosen.name)
    chosen, plans = plan_all(parsed, data, chosen)
    every = [prepare(data, chosen.model_copy(update={"seed": seed})) for seed in numbers]
    for ready in every:
        if not len(ready.dataset.rows("test")):
            raise DataError(f"{ready.dataset.source} has no test images to compare on.\nLeave out --test 0.")
    report = audit(every[0].source, every[0].dataset) if chosen.audit else None
    found = _begin(every, plans, baselines, numbers)
    if report is not None:
        keep_audit(Run(found.path), report)
    return _go_on(found, every[0].config, every[0].dataset, plans)


def resume(path: str | Path) -> Comparison:
    """Go on with an interrupted comparison; trainings that are done are not repeated.

    Raises
    ------
    RunError, DataError
        No folder of a comparison, or images that are no longer the same.
    """
    found = Comparison.open(path)
    if found.is_done:
        return found
    setup = found.setup
    model = setup["model"]
    stream = setup["settings"].get("stream")
    dataset = restore_dataset(
        setup["data"], [row | {"part": row["parts"][0]} for row in setup["images"]], model, stream
    )
    plans = [Pattern(text).plan(tuple(model["image"]), len(model["classes"])) for text in setup["patterns"]]
    return _go_on(found, make_config(**setup["settings"]), dataset, plans)


def _begin(every: Sequence[Ready], plans: Sequence[Plan], baselines: Sequence[str], seeds: Sequence[int]) -> Comparison:
    """Make the folder: everything that is needed to go on."""
    ready = every[0]
    dataset = ready.dataset
    found = Comparison(Run.create(ready.config.out, ready.config.name, f"{dataset.stem}-compare").path)
    Run(found.path).write_unreadable(dataset.unreadable)
    parts = zip(*(turn.dataset.parts.tolist() for turn in every), strict=True)
    rows = [
        {name: value for name, value in row.items() if name != "part"} | {"parts": list(of_image)}
        for row, of_image in zip(dataset.split_rows(), parts, strict=True)
    ]
    setup = {
        "format": found.LAYOUT,
        "data": dataset.source,
        "patterns": [plan.pattern for plan in plans],
        "baselines": list(baselines),
        "seeds": list(seeds),
        "settings": ready.config.model_dump(),
        "model": describe_model(ready.plan, dataset.classes, dataset.geometry, dataset.standardisation),
        "images": rows,
    }
    write_json(found.path / found.SETUP, setup)
    counts = ", ".join(f"{part} {len(dataset.rows(part)):,}" for part in ("train", "val", "test"))
    introduce(found.path, dataset, ready.plan, counts)
    return found


def _go_on(found: Comparison, config: Config, dataset: Dataset, plans: Sequence[Plan]) -> Comparison:
    """Train what is not trained yet, seed by seed, then put the figures side by side."""
    setup = found.setup
    try:
        with threadpool_limits(config.threads):
            for place, seed in enumerate(setup["seeds"]):
                divided = dataset.with_parts(np.array([row["parts"][place] for row in setup["images"]]))
                of_seed = config.model_copy(update={"seed": seed})
                for number, plan in enumerate(plans, 1):
                    title = f"pattern {number} of {len(plans)}, seed {seed}: {plan.pattern}"
                    _train_pattern(found, found.run(number, seed), of_seed, divided, plan, title)
                for name in setup["baselines"]:
                    _train_features(found.baseline(name, seed), name, of_seed, divided)
            write_json(found.path / found.RESULT, _summary(found, plans))
    except KeyboardInterrupt:  # between two trainings; during one, `train_next` says it
        raise found.stopped(SIGINT) from None
    return found


def _train_pattern(found: Comparison, run: Run, config: Config, dataset: Dataset, plan: Plan, title: str) -> None:
    """Train the run of a pattern, and test it on shifted images."""
    if not run.has_metrics:
        train_next(found, run, config.model_copy(update={"pattern": plan.pattern}), dataset, plan, title)
    if not (run.path / SHIFTS).is_file():
        classifier = load(run)
        _test(run, lambda pixels: classifier.probabilities(pixels).argmax(axis=1), dataset)


def _train_features(folder: Run, name: str, config: Config, dataset: Dataset) -> None:
    """Train a small network on hand-made features, and evaluate it as a run is; its weights are not kept."""
    if (folder.path / SHIFTS).is_file():
        return
    folder.path.mkdir(exist_ok=True)
    folder.sweep()
    baseline = find_baseline(name)
    console.print(f"baseline {name}, seed {config.seed}", highlight=False)
    classifier = train_baseline(baseline, dataset, config)
    images = Images.of(dataset, "test", dataset.rows("test"))
    probabilities, classes = classifier.probabilities(images.pixels), dataset.classes
    metrics = {
        "data": images.data,
        "part": images.part,
        "classes": list(classes),
        **all_figures(images.labels, probabilities, classes, images.groups),
        "mistakes": worst_mistakes(images, probabilities, classes),
        "baseline": {"name": name, **classifier.describe(dataset.geometry.shape)},
    }
    folder.write_evaluation(metrics, *prediction_table(images, probabilities, classes))
    _test(folder, lambda pixels: classifier.probabilities(pixels).argmax(axis=1), dataset)


def _test(folder: Run, predict: Predict, dataset: Dataset) -> None:
    """Ask about the test images when they are moved; this file is the last of a training."""
    rows = dataset.rows("test")
    right = shift_test(predict, dataset.pixels.take(rows), dataset.labels[rows])
    by_image = {dataset.names[row]: shares for row, shares in zip(rows, right.T.tolist(), strict=True)}
    write_json(folder.path / SHIFTS, {"distances": list(DISTANCES), "right": by_image})


def _summary(found: Comparison, plans: Sequence[Plan]) -> dict[str, Any]:
    """Return the figures side by side, and how they came about."""
    setup = found.setup
    group_of = {row["name"]: row.get("group", row["name"]) for row in setup["images"]}
    sides = []
    for number, plan in enumerate(plans, 1):
        runs = [found.run(number, seed) for seed in setup["seeds"]]
        turns = [_turn(run, seed, group_of, *_effort(run)) for run, seed in zip(runs, setup["seeds"], strict=True)]
        sides.append(Side(str(number), "pattern", plan.pattern, plan.parameters, plan.multiply_adds, turns))
    for name in setup["baselines"]:
        turns = []
        for seed in setup["seeds"]:
            told = _cost(found.baseline(name, seed))
            turns.append(_turn(found.baseline(name, seed), seed, group_of, told["seconds"], told["epochs"]))
        sides.append(Side(name, "baseline", told["what"], told["parameters"], told["multiply_adds"], turns))
    return {
        "data": setup["data"],
        "classes": setup["model"]["classes"],
        **side_by_side(sides),
        "processor": processor(),
        "threads": found.runs[0].config["environment"]["threads"],
    }


def _cost(folder: Run) -> dict[str, Any]:
    """Return what a baseline is, and cost."""
    return checked(folder.path / METRICS, folder.metrics.get("baseline"), BaselineRecord, _ANEW.format(folder.path))


def _turn(folder: Run, seed: int, group_of: dict[str, str], seconds: float, epochs: int) -> Turn:
    """Return how one training did."""
    file = folder.path / SHIFTS
    told = stored(file, ShiftsRecord, _ANEW.format(folder.path))
    if told["distances"] != list(DISTANCES) or not told["right"].keys() <= group_of.keys():
        raise RunError(f"{file} is of other images or distances.\n{_ANEW.format(folder.path)}")
    by_image = told["right"]
    right = np.array(list(by_image.values())).T
    return Turn(seed, folder.path.name, [group_of[name] for name in by_image], right, seconds, epochs)


def _effort(run: Run) -> tuple[float, int]:
    """Return seconds and epochs of a run; its history has every epoch once, however often it was interrupted."""
    history, images = run.history, sum(row["part"] == "train" for row in run.split)
    return sum(images / max(float(row["images_per_second"]), 0.05) for row in history), len(history)

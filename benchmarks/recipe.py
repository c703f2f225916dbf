"""What each option of the training recipe changes, against the default: paired by seed, and so by split.

Every training runs in a process of its own with one thread, two at a time. What is done
is stored at once in results/recipe.json, so that a long run may be cut off and started
again. Writes that file and prints the table for docs/training.md.

    python benchmarks/recipe.py [--seeds 3] [--epochs 20] [--phantom-images 800] [--xray PATH]
"""

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch reads it, here and in the processes to come

import numpy as np

import convstage
from convstage.data import restore_dataset
from convstage.environment import environment
from convstage.figures import all_figures
from convstage.files import write_json
from convstage.machine import processor
from convstage.phantom import write
from convstage.shifts import choose_shifts

RESULT = Path(__file__).parent / "results/recipe.json"
#: The options that are trained with, the default first.
OPTIONS = {
    "default": {},
    "find_lr": {"find_lr": True},
    "label_smoothing 0.1": {"label_smoothing": 0.1},
    "ema 0.99": {"ema": 0.99},
    "balance off": {"balance": "off"},
    "balance sampling": {"balance": "sampling"},
}
#: Where all classes are of one size these change nothing; elsewhere the default is weights.
FOR_RARE_CLASSES = ("balance off", "balance sampling")
#: Views of a test image, measured on the networks of the default.
VIEWS = (5, 9)
FIGURES = ("auroc", "accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class Data:
    """A data set, and the settings that belong to it."""

    name: str
    path: str
    settings: dict = field(default_factory=dict)
    rare_classes: bool = False

    def wants(self, option: str) -> bool:
        """Whether the option can change anything."""
        return self.rare_classes or option not in FOR_RARE_CLASSES


def measure(data: Data, option: str, seed: int, epochs: int) -> list[dict]:
    """Train once; return a row of figures, for the default also one for each number of views."""
    settings = {"epochs": epochs, "seed": seed, "threads": 1, "audit": False} | data.settings | OPTIONS[option]
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stderr(io.StringIO()):
        began = time.perf_counter()
        run = convstage.train(data.path, out=out, **settings)
        seconds = time.perf_counter() - began
        base = {"data": data.name, "seed": seed, "epochs": epochs, "seconds": round(seconds, 1)}
        rows = [base | {"option": option} | figures(run, 1)]
        if option == "default":
            rows += [base | {"option": f"tta {views}"} | figures(run, views) for views in VIEWS]
        if option == "find_lr":
            rows[0]["learning_rate"] = run.config["settings"]["learning_rate"]
    return rows


def figures(run: convstage.Run, views: int) -> dict[str, float]:
    """Return what a run is worth on its test part."""
    classifier = convstage.load(run)
    classifier.shifts = choose_shifts(views, *classifier.geometry.size)
    dataset = restore_dataset(run.config["data"], run.split, run.config["model"])
    rows = dataset.rows("test")
    probabilities = classifier.probabilities(dataset.pixels[rows])
    found = all_figures(dataset.labels[rows], probabilities, classifier.classes)
    return {name: found[name]["value"] for name in FIGURES}


def table(result: dict) -> str:
    """Return the differences from the default as a Markdown table: mean ± standard error over the seeds."""
    lines = ["| data | option | AUROC | accuracy | balanced accuracy |", "|---|---|---|---|---|"]
    rows = result["rows"]
    for data, epochs in dict.fromkeys((row["data"], row["epochs"]) for row in rows):
        of_data = {(r["option"], r["seed"]): r for r in rows if (r["data"], r["epochs"]) == (data, epochs)}
        for option in ["default", *sorted({option for option, _ in of_data} - {"default"})]:
            seeds = sorted(seed for name, seed in of_data if name == option and ("default", seed) in of_data)
            if not seeds:
                continue
            values = np.array([[of_data[option, seed][name] for name in FIGURES] for seed in seeds])
            if option == "default":
                shown = [f"{values[:, 0].mean():.4f}", *(f"{100 * mean:.2f}%" for mean in values[:, 1:].mean(axis=0))]
            else:
                differences = values - [[of_data["default", seed][name] for name in FIGURES] for seed in seeds]
                means, errors = differences.mean(axis=0), differences.std(axis=0, ddof=1) / len(seeds) ** 0.5
                shown = [f"{means[0]:+.4f} ± {errors[0]:.4f}"]
                shown += [f"{100 * m:+.2f} ± {100 * e:.2f}" for m, e in zip(means[1:], errors[1:], strict=True)]
            lines.append(f"| {data}, {epochs} epochs, {len(seeds)} seeds | {option} | {' | '.join(shown)} |")
    return "\n".join(lines)


def data_sets(arguments: argparse.Namespace, folder: str) -> list[Data]:
    """Return what is measured on; the phantom is generated into `folder`."""
    found = [Data("digits", "digits")]
    if arguments.phantom_images:
        write(f"{folder}/phantom", arguments.phantom_images, seed=0, size=arguments.phantom_size)
        found.append(Data("phantom", f"{folder}/phantom", {"size": str(arguments.phantom_size)}))
    if arguments.xray:
        two, side = ("0-healthy", "1-corona"), str(arguments.xray_size)
        found.append(Data("covid-xray, 3 classes", arguments.xray, {"size": side}, rare_classes=True))
        found.append(Data("covid-xray, 2 classes", arguments.xray, {"size": side, "classes": two}, rare_classes=True))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--phantom-images", type=int, default=800, help="0: no phantom")
    parser.add_argument("--phantom-size", type=int, default=96)
    parser.add_argument("--xray", help="folder of covid-xray")
    parser.add_argument("--xray-size", type=int, default=96)
    parser.add_argument("--options", nargs="*", choices=OPTIONS, default=list(OPTIONS))
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()

    rows = json.loads(arguments.result.read_text())["rows"] if arguments.result.exists() else []
    done = {(row["data"], row["option"], row["seed"], row["epochs"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        sets = data_sets(arguments, folder)
        jobs = [
            pool.submit(measure, data, option, seed, arguments.epochs)
            for seed in range(arguments.seeds)
            for data in sets
            for option in arguments.options
            if data.wants(option) and (data.name, option, seed, arguments.epochs) not in done
        ]
        for number, job in enumerate(as_completed(jobs), 1):
            rows += job.result()
            rows.sort(key=lambda row: (row["data"], row["option"], row["seed"]))
            result = {
                "what": str(__doc__).split("\n")[0],
                "machine": {"processor": processor(), "cores": os.cpu_count(), "threads": 1},
                "environment": environment(),
                "rows": rows,
            }
            write_json(arguments.result, result)
            print(f"{number} of {len(jobs)}", flush=True)
    print(table(json.loads(arguments.result.read_text())))


if __name__ == "__main__":
    main()

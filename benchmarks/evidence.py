"""Whether evidence points to the lesions of synthetic radiographs, where they are known; and what it costs.

Trains the default recipe on synthetic radiographs. What is to be chosen (smoothing, reference, blur, window)
is tried out on validation images; the methods as they come are then measured on the test images of
1-corona that the network is right about. Writes results/evidence.json and prints the tables for
docs/evidence.md.

    python benchmarks/evidence.py [--images 2000] [--size 128] [--epochs 15] [--seeds 0 1]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

import convstage
from convstage import explain
from convstage.environment import environment
from convstage.explain import METHODS, Question
from convstage.explain.methods import SIGMA, ask
from convstage.explain.occlusion import WINDOW
from convstage.explain.question import BLUR
from convstage.files import write_json
from convstage.machine import processor
from convstage.phantom import image, write
from convstage.recipe import default_pattern
from convstage.resampling import intervals
from convstage.subject import Subject

RESULT = Path(__file__).parent / "results/evidence.json"
CLASS = "1-corona"
#: A point counts as inside a lesion up to this share of the side away from it: 3 pixels of 128.
NEAR = 3 / 128
#: Validation images that settings are tried out on, and test images that are graded.
TRIED, GRADED = 100, 30
#: Settings that are tried out.
SIGMAS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
BLURS = (0.03, 0.06, 0.1)
WINDOWS = (1 / 8, 1 / 6, 1 / 5)
#: Side of the image that times are measured on, and repetitions.
SIDE, ROUNDS = 224, 5


def questions(run: convstage.Run, folder: str, part: str, **options) -> Iterator[tuple[Question, np.ndarray]]:
    """Yield what is asked of the images of one part that the network is right about, and where the lesions are."""
    classifier = convstage.load(run)
    for row in run.split:
        if row["part"] != part or row["class"] != CLASS:
            continue
        subject = Subject(row["name"], classifier.geometry.pixels(f"{folder}/{row['name']}"))
        question = Question(classifier, subject, CLASS, **options)
        if question.probabilities.argmax() == question.target:
            yield question, np.asarray(Image.open(f"{folder}-masks/{row['name']}")) > 0


def judge(shown: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return whether the strongest point of a map lies in a lesion, and how much of the map does."""
    distance = distance_transform_edt(~mask)[np.unravel_index(shown.argmax(), shown.shape)]
    count = int(mask.sum())
    both = int(mask.ravel()[np.argsort(-shown.ravel(), kind="stable")[:count]].sum())
    positive = shown.clip(min=0)
    return {
        "hit": float(distance <= NEAR * max(mask.shape)),
        "strict": float(distance == 0),
        "overlap": both / (2 * count - both),
        "share": float(positive[mask].sum() / positive.sum()) if positive.any() else 0.0,
    }


def chance(mask: np.ndarray) -> dict[str, float]:
    """Return what a map of random numbers would have on average."""
    area = float(mask.mean())
    near = float((distance_transform_edt(~mask) <= NEAR * max(mask.shape)).mean())
    return {"hit": near, "strict": area, "overlap": area / (2 - area), "share": area}


def with_intervals(rows: list[dict[str, float]]) -> dict:
    """Return the mean of every figure, with its interval over images."""
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    points = {name: np.asarray(column.mean()) for name, column in values.items()}
    bounds = intervals(
        lambda weights: {name: weights @ column / weights.sum(axis=1) for name, column in values.items()},
        points,
        np.arange(len(rows)),
        {name: np.asarray(len(rows)) for name in values},
    )
    return {
        name: {"value": float(points[name]), "low": float(bounds[name][0]), "high": float(bounds[name][1])}
        for name in values
    }


def hits(found: list[tuple[Question, np.ndarray]], method: str, sigma: float) -> float:
    """Return how often a method hits, with other smoothing than it has."""
    marks = []
    for question, mask in found:
        map_hw = METHODS[method].function(question).map_hw
        marks.append(
            judge(gaussian_filter(map_hw, sigma * max(mask.shape), mode="constant") if sigma else map_hw, mask)
        )
    return float(np.mean([mark["hit"] for mark in marks]))


@contextmanager
def setting(module: str, name: str, value: float) -> Iterator[None]:
    """Set a constant of the package for a while."""
    with patch.object(sys.modules[f"convstage.explain.{module}"], name, value):
        yield


def choices(run: convstage.Run, folder: str) -> dict:
    """Return how often methods hit on validation images, by settings."""
    tried: dict = {"images": 0, "sigma": [], "blur": [], "window": []}
    for reference in ("black", "mean"):
        found = list(questions(run, folder, "val", reference=reference))[:TRIED]
        tried["images"] = len(found)
        for method in ("trace-back", "integrated-gradients"):
            # One map, smoothed in all ways.
            maps = [(METHODS[method].function(question).map_hw, mask) for question, mask in found]
            for sigma in SIGMAS:
                marks = [judge(gaussian_filter(m, sigma * max(m.shape), mode="constant"), mask) for m, mask in maps]
                hit = float(np.mean([mark["hit"] for mark in marks]))
                tried["sigma"].append({"method": method, "reference": reference, "sigma": sigma, "hit": hit})
    for blur in BLURS:
        with setting("question", "BLUR", blur):
            found = list(questions(run, folder, "val"))[:TRIED]
            tried["blur"].append({"blur": blur, "hit": hits(found, "occlusion", 0)})
    for window in WINDOWS:
        with setting("occlusion", "WINDOW", window):
            found = list(questions(run, folder, "val"))[:TRIED]
            tried["window"].append({"window": window, "hit": hits(found, "occlusion", 0)})
    return tried


def network(folder: str, arguments: argparse.Namespace, seed: int) -> tuple[convstage.Run, dict]:
    """Train on synthetic radiographs, and measure every method on the test images."""
    write(folder, arguments.images, seed=seed, size=arguments.size)
    run = convstage.train(folder, epochs=arguments.epochs, out=f"{folder}-runs", audit=False)
    marks: dict[str, list] = {name: [] for name in (*METHODS, "chance")}
    flat = dict.fromkeys(METHODS, 0)
    for question, mask in questions(run, folder, "test"):
        for name, method in METHODS.items():
            found = ask(method, question)
            flat[name] += found.flat
            marks[name].append(judge(found.smooth_hw, mask))
        marks["chance"].append(chance(mask))
    return run, {
        "seed": seed,
        "pattern": run.config["model"]["pattern"],
        "auroc": run.metrics["auroc"],
        "right": len(marks["chance"]),
        "of": sum(row["part"] == "test" and row["class"] == CLASS for row in run.split),
        "methods": {name: with_intervals(rows) for name, rows in marks.items()},
        "flat": flat,
    }


def graded(run: convstage.Run, folder: str) -> dict:
    """Return the means of the grades of some test images, by method."""
    rows: dict[str, list] = {name: [] for name in METHODS}
    for number, (question, _) in enumerate(questions(run, folder, "test")):
        if number == GRADED:
            break
        found = [ask(method, question) for method in METHODS.values()]
        for grade in explain.grades(found):
            if grade.deletion is None:
                continue
            rows[grade.method].append(
                {
                    "deletion": grade.deletion.beaten / len(grade.deletion.random),
                    "insertion": grade.insertion.beaten / len(grade.insertion.random),
                    "redrawn_end": grade.redrawn_end,
                    "redrawn_all": grade.redrawn_all,
                    "border": grade.border.evidence,
                    "outside": np.nan if grade.outside is None else grade.outside.evidence,
                }
            )
    return {
        name: {"images": len(marks), **{key: float(np.nanmean([mark[key] for mark in marks])) for key in marks[0]}}
        for name, marks in rows.items()
    }


def times() -> dict:
    """Return the seconds that each method and the grades take for one image, medians of some rounds."""
    plan = convstage.Pattern(default_pattern(SIDE, SIDE)).plan((SIDE, SIDE, 1), 2)
    geometry = convstage.data.Geometry(SIDE, SIDE)
    standardisation = convstage.data.Standardisation((0.5,), (0.25,))
    classifier = convstage.Classifier(plan.build(seed=0), plan, ("healthy", "ill"), geometry, standardisation)
    subject = Subject("phantom", geometry.pixels(image(1, size=SIDE).pixels))
    taken: dict[str, list[float]] = {name: [] for name in (*METHODS, "all", "grades")}
    for _ in range(ROUNDS + 1):  # the first, which imports, is left out
        for name, method in METHODS.items():
            began = time.perf_counter()
            ask(method, Question(classifier, subject))
            taken[name].append(time.perf_counter() - began)
        began = time.perf_counter()
        found = explain.all_evidence(classifier, subject)
        taken["all"].append(time.perf_counter() - began)
        began = time.perf_counter()
        explain.grades(found)
        taken["grades"].append(time.perf_counter() - began)
    return {
        "pattern": plan.pattern,
        "side": SIDE,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "seconds": {name: round(median(rounds[1:]), 3) for name, rounds in taken.items()},
    }


def percent(figure: dict) -> str:
    """Return a share and its interval, as text."""
    return f"{100 * figure['value']:.0f}% ({100 * figure['low']:.0f}–{100 * figure['high']:.0f})"


def title(name: str) -> str:
    """Return what people call a method."""
    return METHODS[name].title if name in METHODS else "anywhere, by chance"


def table(result: dict) -> str:
    """Return how well each method finds the lesions as a Markdown table."""
    networks = result["networks"]
    heads = [f"network {row['seed'] + 1}: strongest point in a lesion | overlap | share inside" for row in networks]
    lines = [f"| method | {' | '.join(heads)} |", "|---" + "|---|---|---" * len(networks) + "|"]
    for name in networks[0]["methods"]:
        cells = [percent(row["methods"][name][key]) for row in networks for key in ("hit", "overlap", "share")]
        lines.append(f"| {title(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def grades_table(result: dict) -> str:
    """Return the mean grades as a Markdown table."""
    lines = [
        "| method | random orders beaten: deletion | insertion | likeness with random weights: after the stages | all "
        "| on the border | outside the subject |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in result["grades"].items():
        shares = [f"{row[key]:.0%}" for key in ("deletion", "insertion")]
        likeness = [f"{row[key]:.2f}" for key in ("redrawn_end", "redrawn_all")]
        places = [f"{row[key]:.0%}" for key in ("border", "outside")]
        lines.append(f"| {title(name)} | {' | '.join([*shares, *likeness, *places])} |")
    return "\n".join(lines)


def choices_table(result: dict) -> str:
    """Return how often the methods hit on validation images, by settings, as a Markdown table."""
    tried = result["choices"]
    lines = ["| setting | " + " | ".join(f"{sigma:.0%}" for sigma in SIGMAS) + " |", "|---" * (len(SIGMAS) + 1) + "|"]
    for method in ("trace-back", "integrated-gradients"):
        for reference in ("black", "mean"):
            rows = [row for row in tried["sigma"] if (row["method"], row["reference"]) == (method, reference)]
            cells = " | ".join(f"{row['hit']:.0%}" for row in rows)
            lines.append(f"| {METHODS[method].title}, pixels counted from {reference} | {cells} |")
    return "\n".join(lines)


def occlusion_table(result: dict) -> str:
    """Return how often occlusion hits on validation images, by blur and by window, as a Markdown table."""
    tried = result["choices"]
    window, blur = result["chosen"]["window"], result["chosen"]["blur"]
    rows = [(row["blur"], window, row["hit"]) for row in tried["blur"]]
    rows += [(blur, row["window"], row["hit"]) for row in tried["window"] if row["window"] != window]
    lines = [f"| {one:.0%} | 1/{1 / other:.0f} | {hit:.0%} |" for one, other, hit in rows]
    return "\n".join(
        ["| blur, of the side | window, of the side | strongest point in a lesion |", "|---|---|---|", *lines]
    )


def times_table(result: dict) -> str:
    """Return the seconds for one image as a Markdown table."""
    seconds = result["times"]["seconds"]
    names = [*(METHODS[name].title for name in METHODS), "all four", "their grades"]
    cells = [f"{seconds[name]:.2f} s" for name in (*METHODS, "all", "grades")]
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = [(f"{folder}/{seed}", *network(f"{folder}/{seed}", arguments, seed)) for seed in arguments.seeds]
        where, run, _ = measured[0]
        result = {
            "what": str(__doc__).split("\n")[0],
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "environment": environment(),
            "images": arguments.images,
            "size": arguments.size,
            "epochs": arguments.epochs,
            "tolerance": NEAR,
            "chosen": {"sigma": SIGMA, "blur": BLUR, "window": WINDOW, "reference": "black"},
            "choices": choices(run, where),
            "networks": [row for _, _, row in measured],
            "graded": GRADED,
            "grades": graded(run, where),
            "times": times(),
        }
    write_json(RESULT, result)
    print(*(make(result) for make in (table, choices_table, occlusion_table, grades_table, times_table)), sep="\n\n")


if __name__ == "__main__":
    main()

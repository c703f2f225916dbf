"""Five-fold cross-validation on real radiographs, with the shortcut probe beside it.

The images are those published with Ozturk et al. (2020): 500 healthy, 124 corona, 500
pneumonia. Done cross-validations are stored at once and not repeated; with --work
FOLDER, what was cut off is gone on with. Prints the table for docs/crossval.md.

    python benchmarks/crossval.py --xray PATH [--recipes default] [--tasks "healthy, corona"]
"""

import argparse
import json
import os
import re
import tempfile
from itertools import product
from pathlib import Path

import convstage
from convstage.cross_validation import resume
from convstage.environment import environment
from convstage.files import write_json
from convstage.machine import processor

RESULT = Path(__file__).parent / "results/crossval.json"
TASKS = {"healthy, corona": ("0-healthy", "1-corona"), "healthy, corona, pneumonia": None}
#: Published accuracies (Ozturk et al. 2020, five folds).
PUBLISHED = {"healthy, corona": 0.9808, "healthy, corona, pneumonia": 0.8702}
BATCH_NORM = "INPUT -> [CONV(16|32|64|128) -> BN -> RELU -> POOL]*4 -> CONV(128) -> BN -> RELU -> GAP -> CLASSIFIER"
LONGER = {"flip": "horizontal", "balance": "off", "epochs": 60, "patience": 60}
RECIPES: dict[str, dict] = {
    "default": {},
    "longer, mirrored, averaged": {**LONGER, "ema": 0.99, "tta": 5, "monitor": "loss"},
    "longer, mirrored, batch norm": {**LONGER, "pattern": BATCH_NORM, "learning_rate": 0.003},
    "longer, mirrored, batch norm, averaged": {
        **LONGER,
        "pattern": BATCH_NORM,
        "learning_rate": 0.003,
        "ema": 0.99,
        "tta": 5,
        "monitor": "loss",
        "val": 0.1,
    },
}


def measure(data: str, task: str, recipe: str, seed: int, work: Path) -> dict:
    """Cross-validate once, in a folder of `work`, or go on with what is there; return its figures."""
    settings = {"size": "160", "classes": TASKS[task], "seed": seed, **RECIPES[recipe]}
    name = re.sub(r"\W+", "-", f"{task} {recipe} {seed}")
    if (work / name).exists():
        result = resume(work / name).metrics
    else:
        result = convstage.crossval(data, folds=5, out=work, name=name, **settings).metrics
    pooled = result["pooled"]
    return {
        "task": task,
        "recipe": recipe,
        "seed": seed,
        "settings": settings,
        "accuracy": pooled["accuracy"],
        "balanced_accuracy": pooled["balanced_accuracy"],
        "over_folds": result["over_folds"],
        "verdict": pooled["verdict"],
    }


def table(result: dict) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| classes | recipe | accuracy, all images | mean ± deviation of folds | published | AUROC | of the shortcut |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        accuracy, folds, verdict = row["accuracy"], row["over_folds"]["accuracy"], row["verdict"]
        shown = [
            row["task"],
            row["recipe"],
            f"{accuracy['value']:.2%} ({100 * accuracy['low']:.1f}–{100 * accuracy['high']:.1f})",
            f"{folds['mean']:.2%} ± {100 * folds['std']:.2f}",
            f"{PUBLISHED[row['task']]:.2%}",
            f"{verdict['network']['value']:.3f}",
            f"{verdict['shortcut']['value']:.3f} ({verdict['cue']})",
        ]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--xray", required=True, help="folder of the radiographs")
    parser.add_argument("--recipes", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for the runs; otherwise they are not kept")
    parser.add_argument("--result", type=Path, default=RESULT)
    arguments = parser.parse_args()

    rows = json.loads(arguments.result.read_text())["rows"] if arguments.result.exists() else []
    done = {(row["task"], row["recipe"], row["seed"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for task, recipe in product(arguments.tasks, arguments.recipes):
            if (task, recipe, arguments.seed) in done:
                continue
            rows.append(measure(arguments.xray, task, recipe, arguments.seed, arguments.work or Path(folder)))
            rows.sort(key=lambda row: (list(TASKS).index(row["task"]), list(RECIPES).index(row["recipe"]), row["seed"]))
            machine = {"processor": processor(), "cores": os.cpu_count()}
            what = str(__doc__).split("\n")[0]
            write_json(arguments.result, {"what": what, "machine": machine, "environment": environment(), "rows": rows})
    print(table(json.loads(arguments.result.read_text())))


if __name__ == "__main__":
    main()

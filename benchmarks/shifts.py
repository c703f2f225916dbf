"""Accuracy of the lecture's four common architectures on shifted digits.

Each is trained on the embedded sample `digits` with the default recipe, once with and
once without augmentation, for several seeds. Then its test images are shifted by 0 to 4
pixels up, down, left and right, the freed pixels filled with background, and the
accuracies of the four directions are averaged. Writes results/shifts.json and prints the
table for docs/training.md.

    python benchmarks/shifts.py [--epochs 15] [--seeds 3]
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

import convstage
from convstage.data import restore_dataset
from convstage.environment import environment
from convstage.machine import processor

PATTERNS = {
    "FC": "INPUT -> FC -> CLASSIFIER",
    "one convolution": "INPUT -> CONV -> RELU -> FC -> CLASSIFIER",
    "two stages": "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER",
    "three double stages": "INPUT -> [CONV -> RELU -> CONV -> RELU -> POOL]*3 -> [FC -> RELU]*2 -> CLASSIFIER",
}
SHIFTS = range(5)
RESULT = Path(__file__).parent / "results/shifts.json"


def shifted(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    """Return images (n, h, w, c) moved by whole pixels, the freed ones black."""
    moved = np.zeros_like(pixels)
    height, width = pixels.shape[1:3]
    moved[:, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = pixels[
        :, max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)
    ]
    return moved


def accuracies(run: convstage.Run) -> list[float]:
    """Return the test accuracy for every shift, averaged over the directions."""
    dataset = restore_dataset(run.config["data"], run.split, run.config["model"])
    rows = dataset.rows("test")
    classifier, pixels, labels = convstage.load(run), dataset.pixels[rows], dataset.labels[rows]
    result = []
    for shift in SHIFTS:
        directions = {(shift, 0), (-shift, 0), (0, shift), (0, -shift)}
        hits = [classifier.probabilities(shifted(pixels, *d)).argmax(1) == labels for d in sorted(directions)]
        result.append(float(np.mean(hits)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as out:
        for name, pattern in PATTERNS.items():
            for augment in (False, True):
                runs = [
                    convstage.train(
                        "digits", pattern=pattern, epochs=arguments.epochs, seed=seed, augment=augment, out=out
                    )
                    for seed in range(arguments.seeds)
                ]
                parameters = convstage.load(runs[0]).plan.parameters
                rows.append(
                    {
                        "architecture": name,
                        "pattern": pattern,
                        "augment": augment,
                        "parameters": parameters,
                        "accuracy_by_seed_and_shift": [accuracies(run) for run in runs],
                    }
                )
    result = {
        "what": __doc__.split("\n")[0],
        "epochs": arguments.epochs,
        "seeds": arguments.seeds,
        "machine": {"processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "environment": environment(),
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


def table(result: dict) -> str:
    """Return the result as a Markdown table: mean over seeds, and the range of the seeds at no shift."""
    lines = [
        "| pattern | augmentation | parameters | shift 0 | 1 | 2 | 3 | 4 pixels |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        values = np.array(row["accuracy_by_seed_and_shift"])
        cells = [
            f"{100 * mean:.1f}% ± {100 * spread:.1f}"
            for mean, spread in zip(values.mean(0), values.std(0), strict=True)
        ]
        on = "on" if row["augment"] else "off"
        lines.append(f"| `{row['pattern']}` | {on} | {row['parameters']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

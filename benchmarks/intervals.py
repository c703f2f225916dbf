"""How often the 95% intervals of an evaluation hold the true figure.

Test sets are drawn from a model of which the true figures are known: two classes, alike
in number, whose scores are normal with a distance between their means, and a classifier
that gives the exact probabilities. In the last settings five images each come from one
patient, with scores that correlate by 0.6. Each interval is checked against the truth.
Writes results/intervals.json and prints the table for docs/evaluation.md.

    python benchmarks/intervals.py [--sets 1000]
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from convstage.environment import environment
from convstage.figures import all_figures
from convstage.resampling import NORMAL

#: Images, distance of the means, images of one patient, whether they are resampled together.
SETTINGS = [(60, 1.5, 1, False), (150, 1.5, 1, False), (150, 3.5, 1, False), (300, 1.5, 5, True), (300, 1.5, 5, False)]
CORRELATION = 0.6
FIGURES = ("accuracy", "sensitivity", "auroc", "average_precision", "brier")
#: Images that the true figures are taken from where there is no formula.
MANY = 2_000_000
RESULT = Path(__file__).parent / "results/intervals.json"


def draw(random: np.random.Generator, n: int, distance: float, per_patient: int) -> tuple[np.ndarray, np.ndarray]:
    """Return class numbers and exact probabilities of n images."""
    patients = n // per_patient
    truth = np.repeat(random.integers(0, 2, patients), per_patient)
    shared = np.repeat(random.normal(size=patients), per_patient)
    if per_patient > 1:
        shared = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * random.normal(size=n)
    second = 1 / (1 + np.exp(-distance * (shared + distance * truth - distance / 2)))
    return truth, np.stack([1 - second, second], axis=1)


def true_figures(distance: float) -> dict[str, float]:
    truth, probabilities = draw(np.random.default_rng(0), MANY, distance, 1)
    second = probabilities[:, 1]
    return {
        "accuracy": NORMAL.cdf(distance / 2),
        "sensitivity": NORMAL.cdf(distance / 2),
        "auroc": NORMAL.cdf(distance / 2**0.5),
        "average_precision": float(
            np.mean([average_precision_score(truth == k, probabilities[:, k]) for k in range(2)])
        ),
        "brier": float(2 * ((second - truth) ** 2).mean()),
    }


def coverage(n: int, distance: float, per_patient: int, together: bool, sets: int) -> dict:
    """Return the share of intervals that hold the true figure, and the mean calibration error."""
    truths = true_figures(distance)
    random = np.random.default_rng(1)
    groups = [str(row // per_patient) for row in range(n)] if together else None
    held = dict.fromkeys(FIGURES, 0)
    errors = []
    for _ in range(sets):
        figures = all_figures(*draw(random, n, distance, per_patient), ["a", "b"], groups)
        found = {**figures, "sensitivity": figures["per_class"]["b"]["sensitivity"]}
        for name in FIGURES:
            held[name] += found[name]["low"] <= truths[name] <= found[name]["high"]
        errors.append(figures["calibration_error"]["value"])
    return {
        "images": n,
        "distance": distance,
        "true_auroc": truths["auroc"],
        "images_per_patient": per_patient,
        "resampled_by_patient": together,
        "coverage": {name: count / sets for name, count in held.items()},
        "mean_calibration_error": float(np.mean(errors)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=1000)
    arguments = parser.parse_args()
    rows = [coverage(*setting, arguments.sets) for setting in SETTINGS]
    result = {"what": __doc__.split("\n")[0], "sets": arguments.sets, "environment": environment(), "rows": rows}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


def table(result: dict) -> str:
    """Return the result as a Markdown table."""
    lines = [
        "| test images | true AUROC | accuracy | sensitivity | AUROC | average precision | Brier score | mean "
        "calibration error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        what = f"{row['images']}"
        if row["images_per_patient"] > 1:
            how = "resampled together" if row["resampled_by_patient"] else "resampled as if alone"
            what += f", {row['images_per_patient']} of each patient, {how}"
        cells = " | ".join(f"{row['coverage'][name]:.1%}" for name in FIGURES)
        lines.append(f"| {what} | {row['true_auroc']:.3f} | {cells} | {row['mean_calibration_error']:.1%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

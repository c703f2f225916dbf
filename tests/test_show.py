import numpy as np
import pytest
from rich.console import Console

from convstage import show
from convstage.figures import all_figures
from convstage.show import show_metrics


@pytest.fixture
def metrics():
    truth = np.array([0, 0, 0, 0, 1, 1])
    second = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.4])
    figures = all_figures(truth, np.stack([1 - second, second], 1), ["[b]healthy", "corona"])
    return {"data": "x[red]rays", "part": "test", "classes": ["[b]healthy", "corona"], **figures}


def test_figures_of_all_and_of_each_class(metrics, capsys):
    show_metrics(metrics)
    shown = capsys.readouterr().out
    assert shown.startswith("6 test images of x[red]rays\n")
    lines = [line.split() for line in shown.splitlines()]
    assert ["accuracy", "66.7%"] in [line[:2] for line in lines]
    assert ["Brier", "score"] in [line[:2] for line in lines]
    assert ["corona", "2", "50.0%"] in [line[:3] for line in lines]
    assert ["[b]healthy", "4", "75.0%"] in [line[:3] for line in lines]
    assert ["[b]healthy", "3", "1"] in lines
    assert "In parentheses: 95% bootstrap intervals, bias-corrected" in shown


def test_a_narrow_terminal_gets_two_tables(metrics, capsys, monkeypatch):
    monkeypatch.setattr(show, "output", lambda: Console(highlight=False, width=90))
    show_metrics(metrics)
    shown = capsys.readouterr().out
    assert shown.count(" class ") == 2
    assert "…" not in shown
    monkeypatch.setattr(show, "output", lambda: Console(highlight=False, width=160))
    show_metrics(metrics)
    assert capsys.readouterr().out.count(" class ") == 1


def test_what_else_an_evaluation_has_found(metrics, capsys):
    share = {"value": 0.9, "low": 0.8, "high": 0.95}
    names = ("sensitivity", "specificity", "precision", "negative_predictive_value", "accuracy", "f1")
    show_metrics(
        metrics
        | {
            "mistakes": [
                {"image": f"[1]/{n}.png", "truth": "a", "prediction": "b", "probability": 0.9} for n in range(9)
            ],
            "calibration": {
                "temperature": 1.5,
                "images": 40,
                "calibration_error": {"before": 0.1, "after": 0.04},
            },
            "operating_point": {
                "positive": "corona",
                "target": {"sensitivity": 0.95},
                "threshold": 0.25,
                "validation": {"images": 40, "positives": 12},
                "warning": "few",
                "confusion": {"true_negatives": 3, "false_positives": 1},
                **dict.fromkeys(names, share),
            },
            "verdict": {
                "network": share,
                "shortcut": share,
                "difference": {"value": 0.1, "low": -0.05, "high": 0.2},
                "cue": "the border",
                "images": 6,
                "words": "Who knows.",
            },
        }
    )
    shown = capsys.readouterr().out
    assert "  [1]/4.png: a, predicted b 90.0%\n" in shown
    assert "5.png" not in shown
    assert "temperature 1.50, fitted to 40 validation images (their calibration error: 10.0% before, 4.0%" in shown
    assert "Operating point: corona from a probability of 0.2500 on, chosen for" in shown
    assert "a sensitivity of 0.95 on 40 validation images (12 positive)" in shown
    assert "  negative predictive value 90.0% (80.0–95.0)\n" in shown
    assert "  3 true negatives, 1 false positives\n  Beware: few\n" in shown
    assert "AUROC of the shortcut  0.900 (0.800–0.950)  the border alone\n" in shown
    assert "difference            +0.100 (-0.050 to +0.200)  on the same 6 images\nWho knows.\n" in shown


def test_many_classes_have_no_confusion_matrix_here(capsys):
    truth = np.arange(26) % 13
    names = [f"c{k}" for k in range(13)]
    figures = all_figures(truth, np.eye(13)[truth], names)
    show_metrics({"data": "x", "part": "all", "classes": names, **figures})
    shown = capsys.readouterr().out
    assert shown.startswith("26 images of x\n")
    assert "prediction →" not in shown

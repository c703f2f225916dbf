"""Evidence on the terminal."""

import numpy as np

from convstage.explain import METHODS, Question, all_evidence, grades
from convstage.explain.methods import ask as answer
from convstage.explain.show import show_evidence
from convstage.subject import Subject
from support.questions import ask, bright, bright_classifier, make_classifier


def test_all_methods_are_shown(capsys):
    question = bright()
    found = all_evidence(question.classifier, question.subject, "bright")
    show_evidence(found)
    printed = capsys.readouterr().out
    assert printed.startswith("Evidence for bright: probability ")
    for one in found:
        assert one.title in printed
        assert all(f"  {note}\n" in printed for note in one.notes)
    assert "{}, {}".format(*found[0].strongest) in printed


def test_grades_refusals_and_flat_maps_are_shown(capsys):
    classifier = make_classifier("INPUT -> CONV(2) -> GELU -> POOL -> CLASSIFIER", classes=("[bold]a", "b"))
    found = all_evidence(classifier, ask(classifier).subject, "[bold]a", ["trace-back", "grad-cam"])
    graded = grades(found)
    show_evidence(found, graded)
    printed = capsys.readouterr().out
    assert "Evidence for [bold]a" in printed
    assert (
        "  cannot be used here: trace-back is exact only where a network is piecewise linear, and stage1.gelu"
        in printed
    )
    assert f"  {graded[1].verdict}\n" in printed


def test_a_flat_map_says_why(capsys):
    question = Question(bright_classifier(), Subject("black", np.zeros((24, 24, 1), np.uint8)), "bright")
    show_evidence([answer(METHODS["trace-back"], question)])
    printed = capsys.readouterr().out
    assert "flat" in printed
    assert "  The image is the reference itself (black): it brings nothing of its own.\n" in printed


def test_nothing_but_refusals(capsys):
    classifier = make_classifier("INPUT -> GELU -> CLASSIFIER")
    show_evidence(all_evidence(classifier, ask(classifier).subject, methods=["trace-back", "grad-cam"]))
    printed = capsys.readouterr().out
    assert printed.startswith("Trace-back\n  cannot be used here")

"""What the sections say, against the run folder and against other computations of the same."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage import RunError
from convstage.audit.cues import CUES
from convstage.report import Material, gather
from convstage.report.architecture import curves, network
from convstage.report.confusion import confusion, most
from convstage.report.dataset import audit, images
from convstage.report.mistakes import mistakes
from convstage.report.overview import overall, per_class, sentence, verdict, warnings
from convstage.report.plots import FEWEST, POINTS, STYLES, Curve, _thinned, inline, swatch
from convstage.report.ranking import calibration, calibration_bins, ranking
from convstage.weighted import probability_figures
from support.names import HOSTILE


@pytest.fixture(scope="module")
def material(hostile) -> Material:
    return gather(hostile)


def test_an_evaluation_is_read_as_it_was_written(hostile, material):
    found, metrics = material.evaluated, hostile.metrics
    confused = np.zeros((4, 4), int)
    np.add.at(confused, (found.truth, found.predicted), 1)
    assert confused.tolist() == metrics["confusion"]
    assert (found.probabilities.argmax(axis=1) == found.predicted).all()
    assert found.confidence == pytest.approx([float(row["probability"]) for row in hostile.predictions])


def test_the_images_are_those_of_their_names(material, hostile):
    geometry = material.classifier.geometry
    folder = Path(hostile.config["data"]).parent
    for row in hostile.predictions[:5]:
        assert (material.pixels(row["image"]) == geometry.pixels(folder / row["image"])).all()
    assert material.pixels("another.png") is None


def test_the_sentence_has_the_interval_and_what_needs_no_network(material):
    metrics = material.evaluated.metrics
    figure = metrics["accuracy"]
    told = sentence(material.evaluated)
    assert told.startswith("Of 16 test images of labels.csv, the network names the right class of ")
    assert f"{100 * figure['value']:.1f}% (95% interval {100 * figure['low']:.1f}–{100 * figure['high']:.1f})" in told
    assert told.endswith("; naming the commonest class always would be right for 25.0%.")
    assert "on average over classes" not in told


def test_uneven_classes_are_averaged_over(material):
    rows = {name: row | {"images": count} for (name, row), count in zip(
        material.evaluated.metrics["per_class"].items(), (10, 4, 2, 0), strict=True
    )}  # fmt: skip
    uneven = type(material.evaluated)(
        **vars(material.evaluated) | {"metrics": material.evaluated.metrics | {"per_class": rows}}
    )
    told = sentence(uneven)
    assert "and of each class, on average over classes, of " in told
    assert told.endswith("right for 62.5%.")


def test_what_to_beware_of(material, run, tmp_path):
    assert "The network is not clearly better than naming the commonest class always." in warnings(material)
    assert warnings(gather(run)) == []
    metrics = run.metrics
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"part": "train"}))
    assert "the figures say nothing of others" in warnings(gather(run))[0]
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"learned": 3}))
    assert warnings(gather(run)) == ["Beware: the network was trained on 3 of them."]
    finding = {"check": "exact", "severity": "error", "message": "copies", "files": []}
    run.write_audit({"findings": [finding, finding], "probe": {"reason": "few"}})
    assert "The audit has found 2 errors in the data" in warnings(gather(run))[1]


def test_the_figures_are_those_of_the_evaluation(material):
    metrics = material.evaluated.metrics
    rows = {row["title"]: row for row in overall(material)["rows"]}
    assert list(rows)[:2] == ["accuracy", "balanced accuracy"]
    assert rows["AUROC"]["strip"] == metrics["auroc"]
    assert rows["Brier score"]["strip"] is None
    told = per_class(material)
    assert [row["name"] for row in told["rows"]] == list(HOSTILE)
    sensitivity = metrics["per_class"][HOSTILE[1]]["sensitivity"]
    assert told["rows"][1]["figures"][0]["words"].startswith(f"{100 * sensitivity['value']:.1f}% (")


def test_an_operating_point_is_told(run):
    from convstage import evaluate

    evaluate(run, sensitivity=0.9)
    point = overall(gather(run))["point"]
    assert point["target"] == "a sensitivity of 0.9"
    assert dict(point["counts"])["true positives"] == run.metrics["operating_point"]["confusion"]["true_positives"]
    assert point["warning"]


def test_no_verdict_without_one(run):
    metrics = run.metrics
    del metrics["verdict"]
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    assert verdict(gather(run)) is None


def test_the_curves_hold_the_areas_that_are_told(material, monkeypatch):
    drawn = {}
    monkeypatch.setattr("convstage.report.ranking.squares", lambda name, curves, **_: drawn.update({name: curves}))
    legend = ranking(material)["legend"]
    figures = material.evaluated.metrics["per_class"]
    for name, roc, precision in zip(HOSTILE, drawn["roc"], drawn["precision"], strict=True):
        assert np.trapezoid(roc.y, roc.x) == pytest.approx(figures[name]["auroc"]["value"])
        # Average precision is the sum of steps: of each, the precision where it ends.
        steps = (np.diff(precision.x) * precision.y[1:]).sum()
        assert steps == pytest.approx(figures[name]["average_precision"]["value"])
    assert [row["name"] for row in legend] == list(HOSTILE)
    assert [row["swatch"]["colour"] for row in legend] == [colour for colour, _ in STYLES[:4]]


def test_without_another_class_there_is_nothing_to_rank(run):
    metrics = run.metrics
    for row in metrics["per_class"].values():
        row["auroc"] = None
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    assert ranking(gather(run)) == "There are none: all of these images are of one class."


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=60))
def test_the_bins_are_those_of_the_calibration_error(pairs):
    """Over the bins, the distances weighted by their images are the calibration error of two classes."""
    confidence, right = (np.array(values) for values in zip(*pairs, strict=True))
    bins = calibration_bins(confidence, right)
    assert sum(one["images"] for one in bins) == len(pairs)
    assert all(one["low"] <= one["right"] + 1e-12 and one["right"] <= one["high"] + 1e-12 for one in bins)
    ours = sum(one["images"] * abs(one["probability"] - one["right"]) for one in bins) / len(pairs)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    truth = np.where(right, 0, 1)
    theirs = probability_figures(truth, probabilities)(np.ones((1, len(pairs))))["calibration_error"][0]
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_surer_or_less_sure_than_right(material):
    found = material.evaluated
    told = calibration(material)
    assert told["excess"] == pytest.approx(found.confidence.mean() - (found.truth == found.predicted).mean())
    assert not told["calibrated"]


def test_the_best_epoch_is_marked(material, hostile, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "convstage.report.architecture.lines", lambda name, curves, **options: drawn.update({name: (curves, options)})
    )
    told = curves(material)
    assert told["epochs"] == 2
    assert drawn["loss"][1]["mark"] == hostile.read_model()[1]["epoch"] == told["best"]
    (_, epochs, values), _ = drawn["loss"][0]
    assert epochs == [1, 2]
    assert values == [float(row["train_loss"]) for row in hostile.history]


def test_the_network_is_drawn_and_accounted_for(material):
    told = network(material)
    assert told["picture"].startswith("<svg")
    assert "<title" not in told["picture"]
    assert [row[0] for row in told["rows"]] == [row.name for row in material.plan.rows]
    assert told["parameters"] == f"{material.plan.parameters:,}"


def test_cells_and_their_images_have_limits(material, monkeypatch):
    monkeypatch.setattr("convstage.report.confusion.MOST", 1)
    cells = confusion(material)["cells"]
    assert all(len(cell["images"]) == 1 for cell in cells)
    assert sum(cell["count"] for cell in cells) == sum(1 + cell["more"] for cell in cells) == 16


@given(st.integers(0, 10_000))
def test_the_pictures_of_all_cells_together_have_a_limit(cells):
    assert 1 <= most(cells) <= 60
    assert most(cells) * cells <= max(1500, cells)


def test_the_audit_is_told(material, hostile):
    told = audit(material)
    assert sum(count for _, count in told["counts"]) == len(hostile.audit["findings"])
    assert [cue["words"] for cue in told["cues"]] == [cue.words for cue in CUES.values()]
    assert sum(cue["strongest"] for cue in told["cues"]) == 1
    assert any("cannot be read" in finding["message"] for finding in told["findings"])
    constant = next(cue for cue in told["cues"] if cue["words"] == CUES["size"].words)
    assert (constant["auroc"], constant["strip"]) == ("the same for all", None)


def test_an_audit_with_much_in_it_is_cut_short(run):
    files = [{"file": f"{number}.png", "remark": "odd"} for number in range(9)]
    found = [{"check": "sizes", "severity": "note", "message": "odd sizes", "files": files}] * 25
    run.write_audit({"findings": found, "probe": {"reason": "there are too few", "strongest": None}})
    told = audit(gather(run))
    assert (len(told["findings"]), told["more"], told["counts"]) == (20, 5, [("note", 25)])
    assert (len(told["findings"][0]["files"]), told["findings"][0]["more"]) == (4, 5)
    assert told["reason"] == "there are too few"
    (run.path / "audit.json").unlink()
    assert audit(gather(run)) == "The data was not audited."


def test_the_images_are_counted_by_class_and_part(material, hostile):
    told = images(material)
    assert told["parts"] == ["training", "validation", "test"]
    assert [row["counts"] for row in told["rows"]] == [[17, 4, 4]] * 4
    assert told["totals"] == [68, 16, 16]
    assert (told["total"], told["groups"]) == (100, None)
    assert told["read"] == "12×12 grey"
    assert [name for name, _ in told["unreadable"]] == ["<svg onload=alert(3)>.png"]
    assert hostile.unreadable[0][1].startswith("no image")


def test_groups_are_counted(run):
    run.write_split([row | {"group": row["name"][-5]} for row in run.split])
    told = images(gather(run))
    assert (told["grouped"], told["groups"]) == (40, 10)


def test_a_method_that_the_network_refuses_gives_way_to_the_next(material, monkeypatch):
    from convstage.explain import Refusal, all_evidence

    def refuse(classifier, subject, target, methods):
        if methods == ["trace-back"]:
            return [Refusal("trace-back", "Trace-back", "not piecewise linear")]
        return all_evidence(classifier, subject, target, methods)

    monkeypatch.setattr("convstage.report.mistakes.all_evidence", refuse)
    assert mistakes(material)["method"].name == "grad-cam"


def test_plots_bear_names_of_their_own():
    used = '<use href="#m1" clip-path="url(#p1)"/>'
    text = f'<?xml?><svg><metadata>x</metadata><g id="figure_1"><path id="m1"/>{used}</g></svg>'
    assert inline("roc", text) == '<svg><g><path id="roc-m1"/><use href="#roc-m1" clip-path="url(#roc-p1)"/></g></svg>'


def test_long_curves_keep_their_ends():
    x = np.linspace(0, 1, 5000)
    for together, points in ((1, POINTS), (200, 100), (5000, FEWEST)):
        thin = _thinned(Curve(x, x**2, None), together)
        assert len(thin[0]) == points
        assert (thin[0][0], thin[0][-1], thin[1][-1]) == (0, 1, 1)
    assert (_thinned(Curve(x[:3], x[:3], None), 1)[0] == x[:3]).all()
    assert swatch(None)["dash"] == ""
    assert len({(colour, dash) for colour, dash in STYLES}) == len({colour for colour, _ in STYLES}) == len(STYLES)


def test_a_damaged_table_is_refused(run):
    (run.path / "predictions.csv").write_text("image,truth\na.png,cat\n")
    said = r"predictions\.csv is damaged: it has no column .prediction.\.\nMake it anew: convstage evaluate "
    with pytest.raises(RunError, match=said):
        gather(run)


def test_a_run_that_is_not_through_is_refused(run):
    (run.path / "metrics.json").unlink()
    with pytest.raises(
        RunError, match=r"has no figures yet: its training is not through\.\nGo on with it: convstage train --resume"
    ):
        gather(run)
    (run.path / "model.safetensors").unlink()
    with pytest.raises(RunError, match="has no finished epoch yet"):
        gather(run)


def test_no_run_folder_is_refused(tmp_path):
    from convstage.report import write_report

    with pytest.raises(RunError, match=r"is no run folder: it has no config\.json"):
        write_report(tmp_path)

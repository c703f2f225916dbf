"""What an evaluation tells beside the figures: calibration, operating point, verdict, mistakes, what was learned."""

import csv
import json
import shutil

import numpy as np
import pytest

from convstage import ConfigError, DataError, Run, RunError, evaluate, load, train
from convstage.data import restore_dataset
from convstage.show import show_metrics
from convstage.training import resume

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"


@pytest.fixture(scope="module")
def noisy_folder(tmp_path_factory):
    """Return 240 images of two classes, every sixth in the wrong folder; copies of none."""
    from conftest import make_class_folders

    root = make_class_folders(tmp_path_factory.mktemp("noisy") / "images", {"0-healthy": 120, "1-corona": 120})
    for number in range(0, 120, 6):
        pair = [root / name / f"{number}.png" for name in ("0-healthy", "1-corona")]
        pair[0].rename(root / "swap")
        pair[1].rename(pair[0])
        (root / "swap").rename(pair[1])
    return root


@pytest.fixture(scope="module")
def trained_once(noisy_folder, tmp_path_factory, pixel_cache):
    return train(
        noisy_folder,
        pattern=PATTERN,
        epochs=4,
        learning_rate=0.01,
        augment=False,
        audit=False,
        out=tmp_path_factory.mktemp("runs"),
    )


@pytest.fixture
def run(trained_once, tmp_path):
    """Return a copy of the run, to write into."""
    return Run(shutil.copytree(trained_once.path, tmp_path / "run"))


def shortcut(run, knows=0.0):
    """Write an audit into a run, with a shortcut that knows nothing (0) to all (1) of the classes."""
    random = np.random.default_rng(0)
    rows = []
    for row in run.split:
        second = 0.5 * random.random() + 0.5 * knows * (row["class"] == "1-corona")
        rows.append([row["name"], 1 - second, second])
    run.write_audit({"probe": {"strongest": "border", "reason": ""}})
    run.write_shortcut(["image", "p(0-healthy)", "p(1-corona)"], rows)


def test_the_most_confident_mistakes_come_first(run):
    metrics = evaluate(run)
    wrong = [row for row in run.predictions if row["truth"] != row["prediction"]]
    assert 0 < len(metrics["mistakes"]) == len(wrong)
    sure = [row["probability"] for row in metrics["mistakes"]]
    assert sure == sorted(sure, reverse=True)
    worst = max(wrong, key=lambda row: float(row["probability"]))
    assert metrics["mistakes"][0]["image"] == worst["image"]
    assert metrics["mistakes"][0]["truth"] == worst["truth"] != metrics["mistakes"][0]["prediction"]


def test_calibration_is_kept_with_the_run_and_used_from_then_on(run, noisy_folder):
    image = next((noisy_folder / "1-corona").iterdir())
    before = evaluate(run)
    raw = load(run).predict(image)[0]
    metrics = evaluate(run, calibrate=True)
    stored = json.loads((run.path / "calibration.json").read_text())
    assert metrics["calibration"] == stored == run.calibration
    assert stored["images"] == 36
    assert stored["nll"]["after"] < stored["nll"]["before"]
    assert metrics["confusion"] == before["confusion"]
    assert metrics["brier"] != before["brier"]
    assert before["calibration"] is None

    classifier = load(run)
    assert classifier.temperature == stored["temperature"] != 1
    odds = np.log(raw.probabilities["1-corona"] / raw.probabilities["0-healthy"])
    calibrated = classifier.predict(image)[0].probabilities
    assert np.log(calibrated["1-corona"] / calibrated["0-healthy"]) == pytest.approx(odds / stored["temperature"])
    # Fitted to what the network says, not to what it said after the last time.
    assert evaluate(run, calibrate=True) == metrics == evaluate(run)


def test_other_weights_are_not_calibrated(run):
    evaluate(run, calibrate=True)
    run.write_model(*run.read_model())
    assert run.calibration is None
    assert load(run).temperature == 1


def test_training_calibrates_when_asked_and_goes_on_when_it_cannot(noisy_folder, tmp_path, make_folder, capsys):
    quick = {"pattern": PATTERN, "epochs": 4, "learning_rate": 0.01, "augment": False, "audit": False}
    quick |= {"out": tmp_path, "calibrate": True}
    run = train(noisy_folder, **quick)
    assert run.metrics["calibration"] == run.calibration
    assert load(run).temperature == run.calibration["temperature"]
    assert "not calibrated" not in capsys.readouterr().err
    files = {path.name: path.read_bytes() for path in run.path.iterdir()}
    resume(run.path)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == files

    small = train(make_folder(tmp_path / "small", {"a": 10, "b": 10}), **quick)
    assert small.calibration is None
    assert small.metrics["images"] == 4
    assert "not calibrated: the validation part has 4 images; a temperature is fitted to 30" in capsys.readouterr().err


def test_what_cannot_be_calibrated_changes_nothing(trained):
    before = {path: path.read_bytes() for path in trained.path.iterdir() if path.is_file()}
    with pytest.raises(DataError, match="the validation part has 6 images"):
        evaluate(trained, calibrate=True)
    assert {path: path.read_bytes() for path in trained.path.iterdir() if path.is_file()} == before


def test_an_operating_point_is_chosen_on_validation_and_measured_on_test(run):
    metrics = evaluate(run, sensitivity=0.9)
    point = metrics["operating_point"]
    assert point == run.metrics["operating_point"]
    validation = evaluate(run, part="val")
    with open(run.path / "evaluations/val-part/predictions.csv") as file:
        scores = sorted(float(row["p(1-corona)"]) for row in csv.DictReader(file) if row["truth"] == "1-corona")
    assert point["validation"]["images"] == validation["images"] == 36
    assert point["threshold"] == pytest.approx(scores[len(scores) - int(np.ceil(0.9 * len(scores)))], abs=1e-6)
    called = [float(row["p(1-corona)"]) >= point["threshold"] for row in run.predictions]
    actual = [row["truth"] == "1-corona" for row in run.predictions]
    hits = sum(c and a for c, a in zip(called, actual, strict=True))
    assert point["sensitivity"]["value"] == pytest.approx(hits / sum(actual))
    assert point["confusion"]["true_positives"] == hits
    assert "operating_point" not in evaluate(run)


def test_an_operating_point_for_other_images_and_another_class(run, tmp_path, make_folder):
    other = make_folder(tmp_path / "other", {"0-healthy": 7, "1-corona": 9}, seed=5)
    point = evaluate(run, other, specificity=0.8, positive="0-healthy")["operating_point"]
    assert point["positive"] == "0-healthy"
    assert sum(point["confusion"].values()) == 16
    assert point["validation"]["images"] == 36


def test_an_operating_point_cannot_be_measured_where_it_was_chosen(run):
    with pytest.raises(ConfigError, match="chosen on the validation part and cannot be measured on the val part"):
        evaluate(run, part="val", sensitivity=0.9)
    assert not (run.path / "evaluations").exists()


def test_the_other_parts_have_a_folder_of_their_own(run):
    before = (run.path / "metrics.json").read_bytes()
    metrics = evaluate(run, part="train")
    assert (metrics["part"], metrics["images"], metrics["learned"]) == ("train", 168, 168)
    assert metrics["verdict"]["words"].endswith("compare the network with: it has learned these images.")
    assert (run.path / "evaluations/train-part/metrics.json").exists()
    assert (run.path / "metrics.json").read_bytes() == before


def test_a_part_that_is_not_there_is_named(run, tmp_path, make_folder):
    other = make_folder(tmp_path / "other", {"0-healthy": 2, "1-corona": 2})
    with pytest.raises(DataError, match=r"other has no val part\.\nLeave out --part to evaluate all of it"):
        evaluate(run, other, part="val")


def test_images_that_were_trained_on_are_counted(run, noisy_folder, capsys):
    metrics = evaluate(run, noisy_folder)
    assert (metrics["part"], metrics["images"], metrics["learned"]) == ("all", 240, 168)
    show_metrics(metrics)
    assert "Beware: the network was trained on 168 of them." in capsys.readouterr().out
    assert evaluate(run)["learned"] == 0


def test_the_data_set_at_hand_is_not_read_again(run, noisy_folder, monkeypatch):
    dataset = restore_dataset(run.config["data"], run.split, run.config["model"])
    expected = evaluate(run)
    monkeypatch.setattr("convstage.evaluation.restore_dataset", None)
    assert evaluate(run, dataset=dataset) == expected


def test_without_an_audit_there_is_no_verdict(run, capsys):
    metrics = evaluate(run)
    assert metrics["verdict"]["conclusion"] == "no shortcut probe"
    show_metrics(metrics)
    assert "no shortcut probe to compare the network with: the data was not audited." in capsys.readouterr().out


@pytest.mark.parametrize(("knows", "conclusion"), [(0.0, "clearly exceeds"), (1.0, "does not clearly exceed")])
def test_the_verdict_compares_with_the_shortcut_of_the_same_images(run, capsys, knows, conclusion):
    shortcut(run, knows)
    metrics = evaluate(run)
    assert metrics["verdict"]["conclusion"] == conclusion
    assert metrics["verdict"]["network"]["value"] == pytest.approx(metrics["auroc"]["value"])
    assert metrics["verdict"]["images"] == 36
    show_metrics(metrics)
    shown = capsys.readouterr().out
    assert "AUROC of the shortcut" in shown
    assert "the border strip" in shown
    assert metrics["verdict"]["words"] in shown


def test_images_without_a_shortcut_are_left_out_of_the_verdict(run):
    shortcut(run, 0.0)
    names = [row["name"] for row in run.split if row["part"] == "test"]
    rows = [list(row.values()) for row in run.shortcut if row["image"] not in names[:5]]
    run.write_shortcut(["image", "p(0-healthy)", "p(1-corona)"], rows)
    assert evaluate(run)["verdict"]["images"] == 31
    run.write_shortcut(["image", "p(0-healthy)", "p(1-corona)"], [["another.png", 0.5, 0.5]])
    assert evaluate(run)["verdict"]["words"].endswith("the probe was of other images.")


def test_a_probe_without_result_says_why_and_constant_cues_are_chance(run):
    run.write_audit({"probe": {"strongest": None, "reason": "class b has 3 images; the probe needs 20 of each"}})
    assert evaluate(run)["verdict"]["words"].endswith("class b has 3 images; the probe needs 20 of each.")
    run.write_audit({"probe": {"strongest": None, "reason": ""}})
    result = evaluate(run)["verdict"]
    assert result["shortcut"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert result["conclusion"] == "clearly exceeds"


def test_a_damaged_shortcut_is_refused(run):
    shortcut(run)
    run.write_shortcut(["image", "p(cat)"], [["a.png", 0.5]])
    with pytest.raises(RunError, match=r"shortcut\.csv is damaged\.\nRestore it from a copy"):
        evaluate(run)


def test_of_other_images_no_shortcut_is_known(run, tmp_path, make_folder):
    other = make_folder(tmp_path / "other", {"0-healthy": 4, "1-corona": 4}, seed=5)
    assert evaluate(run, other)["verdict"]["words"].endswith("other images than those that were audited.")
    shortcut(run, 0.5)
    own = evaluate(run)["verdict"]["shortcut"]
    words = evaluate(run, other)["verdict"]["words"]
    assert (
        f"On the run's own images, the border strip (8% of the side) alone had an AUROC of {own['value']:.3f}" in words
    )

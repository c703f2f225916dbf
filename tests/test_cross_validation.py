"""Cross-validation: every image tested once, groups whole, cut off anywhere and resumed to the same figures."""

import csv
import json
from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import convstage
from convstage import ConfigError, CrossValidation, DataError, RunError, TrainingStopped
from convstage.cross_validation import crossval, resume
from convstage.figures import OVERALL, all_figures
from convstage.stopping import Stop

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"


def quick(folder, tmp_path, **settings):
    usual = {"pattern": PATTERN, "epochs": 2, "batch_size": 8, "folds": 3, "out": tmp_path / "runs", "threads": 1}
    return crossval(folder, **usual | settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images of each of 18 patients, whose names tell the patient."""
    from conftest import make_class_folders

    root = make_class_folders(tmp_path_factory.mktemp("data") / "scans", {"0-healthy": 24, "1-corona": 30})
    for path in root.glob("*/*.png"):
        path.rename(path.with_name(f"{path.parent.name[0]}p{int(path.stem) // 3}-{path.stem}.png"))
    return root


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    return quick(folder, tmp_path_factory.mktemp("done"), group_regex=r"/(\dp\d+)-", epochs=4, learning_rate=0.01)


def table(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def patient(image: str) -> str:
    return image.split("/")[1].split("-")[0]


def test_the_folder_holds_a_run_for_each_fold(done):
    assert done.path.name == "scans-crossval-1"
    names = ["audit.json", "crossval.json", "fold-1", "fold-2", "fold-3", "folds.json", "predictions.csv"]
    assert [name for name in sorted(path.name for path in done.path.iterdir()) if name in names] == names
    assert [run.metrics["part"] for run in done.runs] == ["test"] * 3
    assert CrossValidation.open(done.path) == done


def test_every_image_is_tested_once_in_its_own_fold(done, folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert sorted(row["image"] for row in done.predictions) == names
    fold_of = {row["name"]: str(row["fold"]) for row in done.setup["images"]}
    assert all(fold_of[row["image"]] == row["fold"] for row in done.predictions)


def test_no_group_is_in_two_parts_of_a_fold_or_in_two_folds(done):
    for run in done.runs:
        parts = {(patient(row["name"]), row["part"]) for row in run.split}
        assert len(parts) == 18
        assert {part for _, part in parts} == {"train", "val", "test"}
    folds = {(patient(row["image"]), row["fold"]) for row in done.predictions}
    assert len(folds) == 18


def test_classes_are_spread_over_the_folds(done):
    shares = [
        np.mean([row["truth"] == "1-corona" for row in done.predictions if row["fold"] == fold]) for fold in "123"
    ]
    assert max(shares) - min(shares) < 0.25


def test_the_figures_are_those_of_the_predictions(done):
    rows = table(done.path / "predictions.csv")
    truth = np.array([row["truth"] == "1-corona" for row in rows])
    scores = np.array([float(row["p(1-corona)"]) for row in rows])
    pooled = done.metrics["pooled"]
    assert pooled["images"] == 54
    assert pooled["auroc"]["value"] == pytest.approx(roc_auc_score(truth, scores))
    guesses = [row["prediction"] == "1-corona" for row in rows]
    assert pooled["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(truth, guesses))
    probabilities = np.array([[float(row["p(0-healthy)"]), float(row["p(1-corona)"])] for row in rows])
    groups = [patient(row["image"]) for row in rows]
    expected = all_figures(truth.astype(int), probabilities, ["0-healthy", "1-corona"], groups)
    assert {name: pooled[name] for name in expected} == json.loads(json.dumps(expected))
    assert "18 groups" in pooled["intervals"]


def test_the_figures_of_the_folds_and_their_spread(done):
    per_fold = done.metrics["per_fold"]
    assert [row["fold"] for row in per_fold] == [1, 2, 3]
    assert sum(row["images"] for row in per_fold) == 54
    for name in OVERALL:
        values = [row[name] for row in per_fold]
        assert values == [run.metrics[name]["value"] for run in done.runs]
        spread = done.metrics["over_folds"][name]
        assert (spread["mean"], spread["std"]) == pytest.approx((np.mean(values), np.std(values, ddof=1)))


def test_the_audit_is_made_once_and_every_verdict_knows_it(done):
    audits = {(path / "audit.json").read_text() for path in (done.path, *(run.path for run in done.runs))}
    assert len(audits) == 1
    verdict = done.metrics["pooled"]["verdict"]
    assert verdict["images"] == 54
    assert verdict["network"]["value"] == pytest.approx(done.metrics["pooled"]["auroc"]["value"])
    assert verdict["conclusion"] != "no shortcut probe"
    assert [run.metrics["verdict"]["conclusion"] != "no shortcut probe" for run in done.runs] == [True] * 3


def test_without_an_audit_there_is_none(tmp_path, make_folder):
    found = quick(make_folder(tmp_path / "images", {"a": 9, "b": 9}), tmp_path, epochs=1, audit=False)
    assert found.metrics["pooled"]["verdict"]["conclusion"] == "no shortcut probe"
    assert not list(found.path.rglob("audit.json"))


class Cut(Exception):
    """The power is gone."""


@pytest.mark.parametrize("method", ["write_config", "write_last", "write_evaluation"])
def test_cut_off_in_the_second_fold_it_goes_on_to_the_identical_result(folder, tmp_path, monkeypatch, method):
    whole = quick(folder, tmp_path, name="whole")
    write, calls = getattr(convstage.Run, method), []

    def write_and_fall(self, *content, **named):
        if self.path.name == "fold-2":
            calls.append(1)
            if method == "write_config" or len(calls) > (method == "write_last"):
                raise Cut
        write(self, *content, **named)

    with monkeypatch.context() as patch:
        patch.setattr(convstage.Run, method, write_and_fall)
        with pytest.raises(Cut):
            quick(folder, tmp_path, name="cut")
    with pytest.raises(RunError, match=r"is not through all its folds yet\.\nGo on with: convstage crossval --resume"):
        _ = CrossValidation.open(tmp_path / "runs/cut").metrics
    finished = {path.name: path.read_bytes() for path in (tmp_path / "runs/cut/fold-1").iterdir()}
    found = resume(tmp_path / "runs/cut")
    assert found.predictions == whole.predictions
    assert found.metrics["pooled"] == whole.metrics["pooled"]
    assert {path.name: path.read_bytes() for path in (found.path / "fold-1").iterdir()} == finished


def test_resuming_what_is_done_changes_nothing(done):
    def content():
        return {path: path.read_bytes() for path in done.path.rglob("*") if path.is_file()}

    before = content()
    resume(done.path)
    assert content() == before


def test_stopped_it_says_how_to_go_on(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("convstage.loop.stop_signals", lambda: nullcontext(Stop(2)))
    with pytest.raises(TrainingStopped) as caught:
        quick(folder, tmp_path)
    assert str(caught.value).endswith(f"Go on with: convstage crossval --resume {tmp_path}/runs/scans-crossval-1")


def test_images_that_have_changed_are_named(tmp_path, make_folder):
    folder = make_folder(tmp_path / "images", {"a": 9, "b": 9})
    found = quick(folder, tmp_path, epochs=1)
    (found.path / "crossval.json").unlink()
    (folder / "a/3.png").write_bytes((folder / "b/3.png").read_bytes())
    with pytest.raises(DataError, match=r"1 of 18 images in .* are missing or have changed since .*: a/3.png"):
        resume(found.path)


def test_copies_of_an_image_stay_together(tmp_path, make_folder):
    folder = make_folder(tmp_path / "images", {"a": 9, "b": 9})
    for number in range(3):
        (folder / f"a/copy-{number}.png").write_bytes((folder / f"a/{number}.png").read_bytes())
    found = quick(folder, tmp_path, epochs=1)
    fold_of = {row["name"]: row["fold"] for row in found.setup["images"]}
    assert all(fold_of[f"a/{number}.png"] == fold_of[f"a/copy-{number}.png"] for number in range(3))


def test_parts_that_the_data_names_are_not_used(tmp_path, make_folder, capfd):
    for part, seed in (("train", 1), ("test", 2)):
        make_folder(tmp_path / "images" / part, {"a": 6, "b": 6}, seed=seed)
    found = quick(tmp_path / "images", tmp_path, epochs=1)
    assert len(found.predictions) == 24
    assert "The parts that the data names are not used" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"folds": 1}, ConfigError, "folds = 1: there can be 2 to 100."),
        ({"folds": 50}, DataError, "50 folds cannot be made: class '0-healthy' has"),
        ({"split_file": "parts.csv"}, ConfigError, "cross-validation makes the parts itself; leave out split_file."),
        ({"epoch": 1}, ConfigError, "there is no setting 'epoch'."),
        ({"pattern": "INPUT -> CLASSIFIER(3)"}, convstage.PatternError, "CLASSIFIER says 3"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(folder, tmp_path, settings, error, message):
    with pytest.raises(error) as caught:
        quick(folder, tmp_path, **settings)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_a_class_too_small_for_a_validation_part_is_said_first(tmp_path, make_folder):
    folder = make_folder(tmp_path / "images", {"a": 9, "b": 2})
    with pytest.raises(DataError, match="class 'b' has 1 image to train with"):
        quick(folder, tmp_path, folds=2)
    assert not (tmp_path / "runs").exists()


def test_no_folder_of_a_cross_validation_is_refused(trained):
    with pytest.raises(RunError, match=r"it has no folds.json.\nExpected a folder that convstage crossval made."):
        resume(trained.path)

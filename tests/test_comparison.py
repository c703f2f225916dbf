"""Comparisons: every run as if trained alone, all on the same images, cut off anywhere and resumed."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose

import convstage
from convstage import ConfigError, DataError, PatternError, RunError, TrainingStopped
from convstage.comparison import Comparison, compare, resume
from convstage.paired import difference
from convstage.shifts import shifted
from convstage.stopping import Stop

FLAT = "INPUT -> FC(4) -> CLASSIFIER"
DEEP = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"
RECIPE = {"epochs": 2, "batch_size": 8, "threads": 1, "learning_rate": 0.01}


def quick(folder, tmp_path, patterns=(FLAT, DEEP), **settings):
    return compare(patterns, folder, **RECIPE | {"out": tmp_path / "runs", "audit": False} | settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images of each of 18 patients, whose names tell the patient."""
    from conftest import make_class_folders

    root = make_class_folders(tmp_path_factory.mktemp("data") / "scans", {"0-healthy": 24, "1-corona": 30}, size=16)
    for path in root.glob("*/*.png"):
        path.rename(path.with_name(f"{path.parent.name[0]}p{int(path.stem) // 3}-{path.stem}.png"))
    return root


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    return quick(
        folder,
        tmp_path_factory.mktemp("done"),
        baseline="hog",
        seeds=2,
        seed=3,
        group_regex=r"/(\dp\d+)-",
        audit=True,
        augment=False,
    )


def timeless(metrics: dict) -> dict:
    """Return the figures without what the clock says."""
    plain = json.loads(json.dumps(metrics))
    for side in plain["sides"]:
        for told in [*side["per_seed"], side["over_seeds"] or {}]:
            told.pop("seconds", None)
    return plain


def test_the_folder_holds_a_run_for_each_pattern_and_seed(done):
    assert done.path.name == "scans-compare-1"
    folders = ["hog-seed-3", "hog-seed-4", *(f"pattern-{k}-seed-{seed}" for k in (1, 2) for seed in (3, 4))]
    assert sorted(path.name for path in done.path.iterdir() if path.is_dir()) == folders
    assert {"compare.json", "comparison.json", "audit.json"} <= {path.name for path in done.path.iterdir()}
    assert [run.path.name for run in done.runs] == [f"pattern-{k}-seed-{seed}" for seed in (3, 4) for k in (1, 2)]
    assert convstage.load(done.run(2, seed=4)).plan.pattern == DEEP
    assert Comparison.open(done.path) == done
    assert sorted(path.name for path in done.baseline("hog", 3).path.iterdir()) == [
        "metrics.json",
        "predictions.csv",
        "shifts.json",
    ]


def test_each_run_is_the_one_that_train_makes_with_that_pattern_and_seed(done, folder, tmp_path):
    settings = RECIPE | {"augment": False, "group_regex": r"/(\dp\d+)-", "report": False}
    alone = convstage.train(folder, pattern=DEEP, seed=4, out=tmp_path / "runs", **settings)
    run = done.run(2, seed=4)
    assert run.split == alone.split
    assert run.predictions == alone.predictions
    assert run.metrics == alone.metrics  # the verdict on the shortcut, too


def test_all_sides_are_tested_on_the_same_images_of_their_seed(done):
    tested = {seed: {row["image"] for row in done.run(1, seed).predictions} for seed in (3, 4)}
    assert tested[3] != tested[4]
    for seed, images in tested.items():
        for other in (done.run(2, seed), done.baseline("hog", seed)):
            assert {row["image"] for row in other.predictions} == images
    setup = done.setup
    part_of = {row["name"]: row["parts"][1] for row in setup["images"]}
    assert all((part_of[name] == "test") == (name in tested[4]) for name in part_of)


def test_the_figures_are_those_of_the_runs(done):
    metrics = done.metrics
    assert (metrics["seeds"], metrics["distances"]) == ([3, 4], [0, 1, 2, 3, 4])
    assert [side["name"] for side in metrics["sides"]] == ["1", "2", "hog"]
    for number, side in enumerate(metrics["sides"][:2], 1):
        plan = convstage.load(done.run(number, 3)).plan
        assert (side["parameters"], side["multiply_adds"]) == (plan.parameters, plan.multiply_adds)
        assert (side["kind"], side["what"]) == ("pattern", plan.pattern)
    for side in metrics["sides"]:
        for told in side["per_seed"]:
            whole = convstage.Run(done.path / told["run"]).metrics
            assert told["accuracy"] == pytest.approx(whole["accuracy"])
            assert told["images"] == whole["images"]
        values = [told["accuracy"]["value"] for told in side["per_seed"]]
        spread = {"mean": np.mean(values), "std": np.std(values, ddof=1)}
        assert side["over_seeds"]["accuracy"] == pytest.approx(spread)


def test_the_shifted_accuracies_are_those_of_shifted_images(done, folder):
    run = done.run(2, seed=3)
    tested = [row for row in run.split if row["part"] == "test"]
    classifier = convstage.load(run)
    pixels = np.stack([classifier.geometry.pixels(folder / row["name"]) for row in tested])
    truth = np.array([classifier.classes.index(row["class"]) for row in tested])
    for distance, found in zip(range(5), done.metrics["sides"][1]["per_seed"][0]["shifts"], strict=True):
        places = [(distance, 0), (-distance, 0), (0, distance), (0, -distance)]
        hits = [classifier.probabilities(view).argmax(axis=1) == truth for view in shifted(pixels, places)]
        assert found["value"] == pytest.approx(np.mean(hits))


def test_the_difference_is_of_the_same_images_of_all_seeds_by_patient(done):
    def hits(run) -> list[bool]:
        return [row["truth"] == row["prediction"] for row in run.predictions]

    one, two = (np.array(hits(done.run(k, 3)) + hits(done.run(k, 4)), float) for k in (1, 2))
    rows = done.run(1, 3).predictions + done.run(1, 4).predictions
    patients = [row["image"].split("/")[1].split("-")[0] for row in rows]
    seeds = [3] * len(done.run(1, 3).predictions) + [4] * len(done.run(1, 4).predictions)
    told = done.metrics["sides"][1]["difference"]
    assert told == difference(one, two, patients, seeds).to_dict()
    assert told["groups"] == len(set(patients)) < len(rows) == told["images"]
    assert done.metrics["sides"][0]["difference"] is None


def test_time_is_that_of_the_epochs_in_the_history(done):
    run, told = done.run(1, 3), done.metrics["sides"][0]["per_seed"][0]
    count = sum(row["part"] == "train" for row in run.split)
    assert told["seconds"] == pytest.approx(sum(count / float(row["images_per_second"]) for row in run.history))
    assert told["epochs"] == len(run.history) == 2
    assert done.metrics["threads"] == 1
    own = done.baseline("hog", 4).metrics["baseline"]
    assert done.metrics["sides"][2]["per_seed"][1]["seconds"] == own["seconds"] > 0
    assert done.metrics["sides"][2]["what"] == own["what"]


def test_the_audit_is_made_once_and_every_run_knows_it(done):
    audits = {path.read_text() for path in done.path.rglob("audit.json")}
    assert len(audits) == 1
    assert len(list(done.path.rglob("audit.json"))) == 5
    assert all(run.metrics["verdict"]["conclusion"] != "no shortcut probe" for run in done.runs)


def test_a_baseline_writes_what_an_evaluation_writes(done):
    own, run = done.baseline("hog", 3), done.run(1, 3)
    assert list(own.predictions[0]) == list(run.predictions[0])
    assert set(run.metrics) - set(own.metrics) == {"learned", "calibration", "verdict"}
    assert own.metrics["baseline"]["name"] == "hog"


class Cut(Exception):
    """The power is gone."""


@pytest.mark.parametrize("method", ["write_config", "write_last", "write_evaluation", "shifts", "features", "summary"])
def test_cut_off_anywhere_it_goes_on_to_the_identical_result(folder, tmp_path, monkeypatch, method):
    import convstage.comparison as module

    asked = {"baseline": "pixels", "augment": False}
    whole = quick(folder, tmp_path, name="whole", **asked)
    places = {"shifts": "_test", "features": "train_baseline", "summary": "_summary"}
    owner, name = (module, places[method]) if method in places else (convstage.Run, method)
    real, calls = getattr(owner, name), []

    def fall(*content, **named):
        calls.append(content)
        if len(calls) > (method in ("write_last", "write_config", "write_evaluation", "shifts")):
            raise Cut
        return real(*content, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fall)
        with pytest.raises(Cut):
            quick(folder, tmp_path, name="cut", **asked)
    cut = Comparison.open(tmp_path / "runs/cut")
    with pytest.raises(RunError, match=r"not through all its trainings yet\.\nGo on with: convstage compare --resume"):
        _ = cut.metrics
    assert "Not all trainings are done yet." in cut._repr_html_()
    finished = {path: path.read_bytes() for path in cut.path.glob("*-seed-0/shifts.json")}
    found = resume(cut.path)
    assert timeless(found.metrics) == timeless(whole.metrics)
    for one, other in zip(found.runs, whole.runs, strict=True):
        assert one.predictions == other.predictions
    assert found.baseline("pixels").predictions == whole.baseline("pixels").predictions
    assert {path: path.read_bytes() for path in finished} == finished


def test_resuming_what_is_done_changes_nothing_and_needs_no_images(tmp_path, make_folder):
    folder = make_folder(tmp_path / "images", {"a": 9, "b": 9}, size=8)
    found = quick(folder, tmp_path, epochs=1)

    def content():
        return {path: path.read_bytes() for path in found.path.rglob("*") if path.is_file()}

    before = content()
    folder.rename(tmp_path / "moved")
    assert resume(found.path) == found
    assert content() == before


def test_stopped_in_a_training_it_says_how_to_go_on(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("convstage.loop.stop_signals", lambda: nullcontext(Stop(15)))
    with pytest.raises(TrainingStopped) as caught:
        quick(folder, tmp_path)
    assert caught.value.signal == 15
    assert str(caught.value).endswith(f"Go on with: convstage compare --resume {tmp_path}/runs/scans-compare-1")


def test_stopped_between_two_trainings_it_says_the_same(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("convstage.comparison.train_baseline", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(TrainingStopped, match="Go on with: convstage compare --resume") as caught:
        quick(folder, tmp_path, patterns=[FLAT], baseline="hog", epochs=1)
    assert caught.value.signal == 2


@pytest.mark.parametrize(
    ("patterns", "settings", "error", "message"),
    [
        ([FLAT], {}, ConfigError, "two sides at least: give two patterns, or a pattern and a baseline."),
        ([], {"baseline": ["hog", "pixels"]}, ConfigError, "two sides at least"),
        ([FLAT, FLAT.lower()], {}, ConfigError, f"{FLAT} is there twice.\nLeave one out; for several trainings"),
        ([FLAT], {"baseline": ["hog", "hog"]}, ConfigError, "hog is there twice."),
        ([FLAT], {"baseline": "sift"}, ConfigError, "there is no baseline 'sift'.\nBaselines are hog, pixels."),
        ([FLAT, DEEP], {"pattern": FLAT}, ConfigError, "several patterns; leave out the setting pattern"),
        ([FLAT, DEEP], {"seeds": 0}, ConfigError, "seeds = 0: there can be 1 to 100, each once."),
        ([FLAT, DEEP], {"seeds": [1, 1]}, ConfigError, "seeds = [1, 1]: there can be 1 to 100, each once."),
        ([FLAT, DEEP], {"seeds": [-1]}, ConfigError, "seed = -1: input should be greater than or equal to 0"),
        ([FLAT, DEEP], {"epoch": 1}, ConfigError, "there is no setting 'epoch'."),
        ([FLAT, "INPUT -> CONF -> CLASSIFIER"], {}, PatternError, "pattern 2 of 2: unknown layer 'CONF'."),
        (
            [FLAT, "INPUT -> [POOL]*9 -> CLASSIFIER"],
            {},
            PatternError,
            "pattern 2 of 2: POOL 2×2 does not fit a 1×1 map.",
        ),
        ([FLAT, "INPUT -> [CONV]*N -> CLASSIFIER"], {}, PatternError, "pattern 2 of 2: this is a family of patterns"),
        ([FLAT, "INPUT -> [CONV]*N -> CLASSIFIER"], {}, PatternError, "Fix it (N=2)"),
        (["INPUT -> CLASSIFIER(3)", FLAT], {}, PatternError, "pattern 1 of 2: CLASSIFIER says 3"),
        (
            ["INPUT -> CLASSIFIER(3)"],
            {"baseline": "hog"},
            PatternError,
            "CLASSIFIER says 3, but the number of classes is 2",
        ),
        (
            ["INPUT(8x8x1) -> CLASSIFIER", FLAT, "INPUT(9x8x1) -> CLASSIFIER"],
            {},
            ConfigError,
            "pattern 1 says INPUT(8x8x1) but pattern 3 says INPUT(9x8x1): all must read the same images.",
        ),
        (["INPUT(8x8x2) -> CLASSIFIER", FLAT], {}, ConfigError, "INPUT has 2 channels; images are read with 1"),
    ],
)
def test_what_cannot_work_is_said_before_an_image_is_decoded(
    folder, tmp_path, monkeypatch, patterns, settings, error, message
):
    monkeypatch.setattr("convstage.comparison.prepare", lambda *_: pytest.fail("it decodes"))
    with pytest.raises(error) as caught:
        quick(folder, tmp_path, patterns=patterns, **settings)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_without_test_images_there_is_nothing_to_compare_on(folder, tmp_path):
    with pytest.raises(DataError, match=r"has no test images to compare on.\nLeave out --test 0."):
        quick(folder, tmp_path, test=0)
    assert not (tmp_path / "runs").exists()


def test_no_folder_of_a_comparison_is_refused(trained):
    with pytest.raises(RunError, match=r"it has no compare.json.\nExpected a folder that convstage compare made."):
        resume(trained.path)


def test_what_one_pattern_says_of_the_images_all_read(folder, tmp_path):
    found = quick(folder, tmp_path, patterns=[FLAT, "INPUT(8x10x3) -> CLASSIFIER"], epochs=1)
    assert [run.config["model"]["image"] for run in found.runs] == [[8, 10, 3]] * 2
    assert found.metrics["sides"][1]["over_seeds"] is None


def test_parts_that_the_data_names_are_those_of_every_seed(tmp_path, make_folder):
    for part, seed in (("train", 1), ("val", 2), ("test", 3)):
        make_folder(tmp_path / "images" / part, {"a": 6, "b": 6}, size=8, seed=seed)
    found = quick(tmp_path / "images", tmp_path, epochs=1, seeds=[5, 7])
    tested = [[row["image"] for row in run.predictions] for run in found.runs]
    assert len(tested) == 4
    assert all(images == tested[0] for images in tested)
    assert all(image.startswith("test/") for image in tested[0])
    told = found.metrics["sides"][1]["difference"]
    assert (told["images"], told["groups"]) == (24, 12)


def test_a_file_of_settings_with_a_pattern_serves_here_too(folder, tmp_path):
    (tmp_path / "run.yaml").write_text("pattern: INPUT -> CLASSIFIER\nepochs: 1\n")
    settings = {name: value for name, value in RECIPE.items() if name != "epochs"}
    file = tmp_path / "run.yaml"
    found = compare([FLAT, DEEP], folder, config=file, audit=False, out=tmp_path / "runs", **settings)
    assert [run.config["settings"]["pattern"] for run in found.runs] == [FLAT, DEEP]
    assert [len(run.history) for run in found.runs] == [1, 1]


def test_patterns_may_be_patterns_and_a_notebook_shows_the_table(tmp_path, make_folder):
    names = {"<img src=x onerror=alert(1)>": 9, "[red]‮אבג": 9}
    folder = make_folder(tmp_path / "<script>alert('data')<", names, size=8)
    found = quick(folder, tmp_path, patterns=[convstage.Pattern(FLAT), convstage.Pattern(DEEP)], epochs=1)
    html = found._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;data&#39;)&lt;" in html
    assert "CONV(4) -&gt; RELU -&gt; POOL" in html
    assert found.metrics["classes"] == list(names)
    shifts = found.metrics["sides"][0]["per_seed"][0]["shifts"]
    assert_allclose(shifts[0]["value"], found.run(1).metrics["accuracy"]["value"])

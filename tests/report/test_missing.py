"""Reports where something is missing: the images, the test part, the will."""

import shutil
from pathlib import Path

import pytest

import convstage
from convstage import DataError, RunError
from convstage.report import gather, write_report
from convstage.run import REPORT
from convstage.training import resume
from support.markup import parsed

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> CLASSIFIER"


@pytest.fixture
def quick(tmp_path, make_folder):
    """Return a training that takes no time."""
    folder = make_folder(tmp_path / "images", {"a": 14, "b": 14})
    settings = {"pattern": PATTERN, "epochs": 1, "augment": False, "audit": False, "out": tmp_path / "runs"}
    return lambda **more: convstage.train(folder, **settings | more)


def read(path: Path):
    return parsed(path.read_text(encoding="utf-8"))


def test_training_ends_with_a_report_unless_told(quick, capsys):
    run = quick()
    assert run.report == run.path / REPORT
    assert run.card.startswith("# Model card: images-1\n")
    assert "no report" not in capsys.readouterr().err
    without = quick(report=False)
    assert (without.report, without.card) == (None, None)
    assert without.has_metrics
    resume(without.path)
    assert without.report is None


def test_a_run_that_goes_on_ends_with_a_report(quick):
    run = quick()
    whole = run.report.read_bytes()
    run.report.unlink()
    resume(run.path)
    assert run.report.read_bytes() == whole


@pytest.mark.parametrize(
    "error", [DataError("a.png is missing.\nPut it back."), OSError(28, "No space left on device")]
)
def test_a_training_is_no_less_good_without(quick, monkeypatch, capsys, error):
    def fail(run, dataset):
        raise error

    monkeypatch.setattr("convstage.training.write_report", fail)
    run = quick()
    assert run.metrics["images"] == 4
    told = capsys.readouterr().err
    assert f"no report: {error}\nWrite it later: convstage report {run.path}\n" in told


def test_mistakes_of_ours_are_not_hidden(quick, monkeypatch):
    def fail(run, dataset):
        raise ZeroDivisionError

    monkeypatch.setattr("convstage.training.write_report", fail)
    with pytest.raises(ZeroDivisionError):
        quick()


def test_without_the_images_there_are_no_pictures(quick, tmp_path):
    run = quick()
    shutil.rmtree(tmp_path / "images")
    write_report(run)
    tree = read(run.report)
    assert not tree.all("img")
    assert "This report has no pictures of the images: " in tree.one("header").text
    assert str(tmp_path / "images") in tree.one("header").text
    assert len(tree.one("section", id="confusion").all("figcaption")) == 4
    assert f"{run.metrics['accuracy']['value']:.1%}".removesuffix(".0%") in tree.one("section", id="overall").text
    assert "no pictures" in run.card


def test_images_that_have_changed_are_not_shown(quick, tmp_path):
    run = quick()
    victim = tmp_path / "images" / run.split[0]["name"]
    victim.write_bytes((tmp_path / "images" / run.split[1]["name"]).read_bytes())
    write_report(run)
    assert "1 of 28 images in" in read(run.report).one("header").text


def test_without_a_test_part_the_report_is_of_the_validation_part(quick, tmp_path):
    run = quick(test=0)
    assert not run.has_metrics
    tree = read(run.report)
    assert "validation images (they also chose the epoch) of images, the network names" in tree.one("header").text
    assert "There was no test part." in tree.one("header").text
    assert "There was no test part." in run.card
    assert (run.path / "evaluations/val-part/metrics.json").exists()
    columns = tree.one("section", id="images").one("thead").all("th")
    assert [column.text for column in columns] == ["class", "training", "validation", "all"]


def test_without_test_part_and_images_there_are_no_figures(quick, tmp_path):
    run = quick(test=0)
    shutil.rmtree(tmp_path / "images")
    write_report(run)
    tree = read(run.report)
    assert "There are no figures of this network." in tree.one("header").text
    assert "The network has not been evaluated" in tree.one("header").text
    assert "There are no figures: the run has no test part, and " in tree.one("section", id="overall").text
    assert tree.one("section", id="network").all("svg")
    assert "None: the network has not been evaluated." in run.card


def test_an_evaluation_of_what_was_learned_so_far_is_enough(quick):
    run = quick(report=False)
    (run.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="its training is not through"):
        write_report(run)
    convstage.evaluate(run)
    assert write_report(run).is_file()


def test_logits_that_are_not_finite_have_no_evidence(quick, monkeypatch):
    from convstage.errors import ConfigError

    def refuse(*_):
        raise ConfigError("the logits are not finite")

    monkeypatch.setattr("convstage.report.mistakes.all_evidence", refuse)
    run = quick(report=False)
    material = gather(run)
    monkeypatch.setitem(
        material.evaluated.metrics,
        "mistakes",
        [{"image": run.predictions[0]["image"], "truth": "a", "prediction": "b", "probability": 0.9}],
    )
    from convstage.report.mistakes import mistakes

    told = mistakes(material)
    assert told["method"] is None
    assert told["rows"][0]["evidence"] is None
    assert told["rows"][0]["picture"].startswith("data:image/")

import json
import os
import shutil

import pytest

import convstage
from convstage import ConfigError, Run, RunError
from convstage.environment import environment
from convstage.run import csv_text
from convstage.training import resume
from support.markup import parsed


def test_runs_are_numbered_after_the_data(tmp_path):
    names = [Run.create(tmp_path / "runs", None, "chest x-rays (2020)").path.name for _ in range(3)]
    assert names == ["chest-x-rays-2020-1", "chest-x-rays-2020-2", "chest-x-rays-2020-3"]
    assert Run.create(tmp_path, None, "…").path.name == "run-1"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "x" * 201, "🫁" * 60, "\ud800"])
def test_names_that_are_no_folder_names_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="a run's name must be a folder's name, without slashes"):
        Run.create(tmp_path, name, "data")
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(
            RunError, match=r"no run folder can be made in .*: .* is not a folder\.\nChoose another place"
        ):
            Run.create(out, None, "data")


@pytest.mark.parametrize("out", ["a\0b", "\ud800"])
def test_a_place_that_no_disk_has_is_refused(out):
    with pytest.raises(ConfigError, match=r"^out = .*: that cannot be the name of a folder\.$"):
        Run.create(out, None, "data")


def test_a_place_with_too_long_a_name_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"^no run folder can be made in .*: File name too long\.\nChoose another place"):
        Run.create(tmp_path / ("x" * 300), None, "data")


def test_a_long_name_of_the_data_leaves_room_for_the_number(tmp_path):
    names = [Run.create(tmp_path, None, "Röntgen" * 60).path.name for _ in range(2)]
    assert [name[-2:] for name in names] == ["-1", "-2"]
    assert all(name.startswith("RöntgenRöntgen") and len(name.encode()) < 255 for name in names)


def test_a_place_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("convstage.folders.os.access", lambda *_: False)
    with pytest.raises(RunError, match=r"cannot be written to\.\nChoose another place with --out\."):
        Run.create(tmp_path / "runs", None, "data")
    assert not (tmp_path / "runs").exists()


def test_a_later_layout_is_refused(trained, tmp_path):
    config = trained.config | {"format": 99}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="has layout 99; this version of convstage reads layout 1"):
        Run.open(tmp_path)


def test_a_damaged_config_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1')
    with pytest.raises(RunError, match=r"config\.json cannot be read: "):
        Run.open(tmp_path)


@pytest.mark.parametrize("content", ["[]", "7", "null", '"text"', '[{"format": 1}]'])
def test_a_config_that_is_no_object_has_no_layout(content, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match="has layout None; this version of convstage reads layout 1"):
        Run.open(tmp_path)


@pytest.mark.parametrize("names", [["split.json"], ["split.json", "audit.json", ".writing-x.json"]])
def test_a_folder_that_was_cut_off_before_training_began_says_so(names, tmp_path):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(RunError) as caught:
        Run.open(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} was cut off before training began: there is nothing to go on with.\n"
        "Remove it, and start anew: convstage train."
    )


def test_a_path_that_no_disk_has_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"x cannot be read: File name too long\.$"):
        Run.open(tmp_path / ("x" * 300))
    for path in ("a\0b", "\ud800", tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"is no run folder: it has no config\.json\."):
            Run.open(path)


def test_the_sweep_reaches_the_folders_below(tmp_path):
    (tmp_path / "evaluations/other").mkdir(parents=True)
    kept = tmp_path / "evaluations/other/metrics.json"
    kept.touch()
    for folder in (tmp_path, kept.parent):
        (folder / ".writing-abc.json").write_text("half")
    Run(tmp_path).sweep()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def test_csv_quotes_what_needs_it():
    assert csv_text(["a", "b"], [['say "x, y"', 1]]) == 'a,b\n"say ""x, y""",1\n'


def test_the_environment_is_what_a_result_depends_on():
    facts = environment()
    assert set(facts) == {"python", "platform", "versions", "threads", "stage"}
    json.dumps(facts)


def test_a_notebook_shows_figures_and_verdict(trained, tmp_path, monkeypatch):
    run = Run(shutil.copytree(trained.path, tmp_path / "<b>run & 'one'"))
    monkeypatch.chdir(tmp_path)
    html = parsed(run._repr_html_())
    assert {element.name for element in html.all()} == {"div", "p", "b", "bdi", "table", "caption", "tr", "th", "td"}
    assert html.one("bdi").text == f"{tmp_path}/<b>run & 'one'"
    rows = {row.one("th").text: row.one("td").text for row in html.all("tr")}
    figure = run.metrics["accuracy"]
    assert rows["accuracy"] == f"100.0% ({100 * figure['low']:.1f}–100.0)"
    assert html.one("caption").text == "6 test images"
    assert run.metrics["verdict"]["words"] in html.text

    run.write_report("<!doctype html>")
    assert parsed(run._repr_html_()).one("a").attributes["href"] == "%3Cb%3Erun%20%26%20%27one%27/report.html"


def test_a_notebook_shows_a_run_without_figures(tmp_path):
    (tmp_path / "config.json").write_text('{"format": 1}')
    assert "Not evaluated yet." in parsed(Run.open(tmp_path)._repr_html_()).text


def test_a_run_has_no_report_card_or_unreadable_files_until_they_are_written(tmp_path):
    run = Run(tmp_path)
    assert (run.report, run.card, run.unreadable) == (None, None, [])
    run.write_report("<p>")
    run.write_card("# Card")
    run.write_unreadable([("a, b.png", "empty")])
    assert (run.report, run.card, run.unreadable) == (tmp_path / "report.html", "# Card", [("a, b.png", "empty")])


def test_a_damaged_card_is_refused(tmp_path):
    (tmp_path / "CARD.md").write_bytes(b"\xff\xfe")
    with pytest.raises(RunError, match=r"CARD\.md cannot be read: "):
        Run(tmp_path).card  # noqa: B018


def test_names_that_are_no_utf_8_go_through_all_of_a_run(tmp_path, make_folder):
    """They come from the disk as bytes, and are in the split, the weights, the figures and the tables."""
    folder = make_folder(tmp_path / "images", {"a": 14, "b": 14}, size=12)
    odd = os.fsdecode(b"R\xf6ntgen")
    (folder / "b").rename(folder / odd)
    run = convstage.train(folder, pattern="INPUT -> CLASSIFIER", epochs=1, audit=False, out=tmp_path / "runs")
    assert run.config["model"]["classes"] == run.read_model()[1]["classes"] == ["a", odd]
    assert run.metrics["classes"] == ["a", odd]
    assert odd in {row["class"] for row in run.split} & {row["truth"] for row in run.predictions}
    assert {row["image"] for row in run.predictions} == {row["name"] for row in run.split if row["part"] == "test"}
    assert convstage.load(run).predict(folder / odd / "0.png")[0].probabilities.keys() == {"a", odd}
    assert run.report is not None
    assert resume(run.path).has_metrics

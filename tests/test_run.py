import json
import shutil

import pytest

from convstage import Run, RunError
from convstage.run import csv_text, environment
from support.markup import parsed


def test_runs_are_numbered_after_the_data(tmp_path):
    names = [Run.create(tmp_path / "runs", None, "chest x-rays (2020)").path.name for _ in range(3)]
    assert names == ["chest-x-rays-2020-1", "chest-x-rays-2020-2", "chest-x-rays-2020-3"]
    assert Run.create(tmp_path, None, "…").path.name == "run-1"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "x" * 201])
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


def test_a_place_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("convstage.run.os.access", lambda *_: False)
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

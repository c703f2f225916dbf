import json

import pytest

from convstage import Run, RunError
from convstage.run import csv_text, environment


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

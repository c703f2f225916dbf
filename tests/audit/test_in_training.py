"""Before a training: the audit is kept with the run, told in a few lines, and changes nothing in the training."""

from __future__ import annotations

import pytest

import convstage
from convstage import Run, resume, training
from convstage.files import digest, read_tensors
from convstage.run import AUDIT, MODEL, SHORTCUT

PATTERN = "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"


@pytest.fixture
def images(make_folder, tmp_path):
    return make_folder(tmp_path / "images", {"a": 22, "b": 22})


def trained(images, tmp_path, **settings) -> Run:
    return convstage.train(images, pattern=PATTERN, epochs=1, out=tmp_path / "runs", **settings)


def test_the_run_folder_keeps_it(images, tmp_path, capsys) -> None:
    (images / "b/99.png").write_bytes(b"")
    run = trained(images, tmp_path, max_unreadable=0.1)
    assert run.audit is not None
    assert [finding["check"] for finding in run.audit["findings"]].count("unreadable") == 1
    assert run.audit["images"] == 45
    assert run.audit["probe"]["strongest"] in run.audit["probe"]["cues"]
    assert run.shortcut is not None
    assert list(run.shortcut[0]) == ["image", "p(a)", "p(b)"]
    assert [row["image"] for row in run.shortcut] == [row["name"] for row in run.split]
    told = capsys.readouterr().err
    assert "audit: " in told
    assert "  warning: 1 of 45 files cannot be read; they are left out." in told


def test_it_changes_nothing_and_can_be_left_out(images, tmp_path, capsys) -> None:
    with_it = trained(images, tmp_path)
    assert "audit" in capsys.readouterr().err
    without = trained(images, tmp_path, audit=False)
    assert "audit" not in capsys.readouterr().err
    assert (without.audit, without.shortcut) == (None, None)
    weights = [digest(read_tensors(run.path / MODEL)[0]) for run in (with_it, without)]
    assert weights[0] == weights[1]


def test_resuming_does_not_look_again(images, tmp_path, monkeypatch) -> None:
    run = trained(images, tmp_path)
    before = [(run.path / name).stat().st_mtime_ns for name in (AUDIT, SHORTCUT)]

    def fail(*_) -> None:
        raise AssertionError("audited once more")

    monkeypatch.setattr(training, "audit", fail)
    resume(run.path)
    assert [(run.path / name).stat().st_mtime_ns for name in (AUDIT, SHORTCUT)] == before


def test_with_few_images_there_is_an_audit_but_no_shortcut(make_folder, tmp_path) -> None:
    run = trained(make_folder(tmp_path / "few", {"a": 9, "b": 9}), tmp_path)
    assert run.audit is not None
    assert run.audit["probe"]["reason"].startswith("class a has 9 images")
    assert run.shortcut is None


def test_classes_that_are_not_chosen_are_not_looked_at(make_folder, tmp_path) -> None:
    images = make_folder(tmp_path / "three", {"a": 22, "b": 22, "c": 22})
    run = trained(images, tmp_path, classes=["c", "a"])
    assert run.audit is not None
    assert (run.audit["classes"], run.audit["images"]) == (["c", "a"], 44)
    assert list(run.audit["probe"]["cues"]["border"]["per_class"]) == ["c", "a"]

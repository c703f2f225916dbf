"""A run folder as a file: checked on the run's real images, or not written."""

from __future__ import annotations

import errno
import json
import shutil

import numpy as np
import onnx
import pytest

import convstage
from convstage import ConfigError, DataError, RunError, WriteError
from convstage.evaluation import evaluate
from convstage.export import BUILDERS, make, write_onnx
from convstage.export.show import words
from convstage.files import digest


@pytest.fixture(scope="module")
def made(trained, tmp_path_factory):
    return write_onnx(trained, tmp_path_factory.mktemp("onnx") / "net.onnx")


def test_it_is_compared_on_every_test_image(made, trained):
    tested = [row for row in trained.split if row["part"] == "test"]
    agreement = made.agreement
    assert (agreement.images, agreement.part, agreement.equal_decisions) == (len(tested), "test", len(tested))
    assert 0 <= agreement.largest_difference <= 1e-5
    assert made.bytes == made.path.stat().st_size
    assert f"checked against {trained.path} on its {len(tested)} test images: probabilities differ by" in words(made)
    assert words(made).endswith("at most, all decisions equal")
    assert json.loads(json.dumps(made.to_dict()))["agreement"]["images"] == len(tested)


def test_it_answers_as_the_run_does(made, trained, trained_folder):
    file, run = convstage.load(made.path), convstage.load(trained)
    images = sorted(trained_folder.rglob("*.png"))
    for said, expected in zip(file.predict(images), run.predict(images), strict=True):
        assert said.label == expected.label
        assert said.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


def test_it_holds_what_the_run_holds(made, trained):
    told = convstage.load(made.path).description
    model = trained.config["model"]
    assert {name: told[name] for name in model} == model
    assert told["card"] == trained.card
    assert told["version"] == convstage.__version__
    assert told["weights_sha256"] == digest(trained.read_model()[0])
    assert told["checked"] == made.agreement.to_dict()
    assert [path.name for path in made.path.parent.iterdir()] == ["net.onnx"]  # no second file with the numbers
    onnx.checker.check_model(str(made.path), full_check=True)


def test_the_temperature_of_a_calibrated_run_and_its_card_are_in_it(trained, tmp_path):
    run = convstage.Run.open(shutil.copytree(trained.path, tmp_path / "run"))
    run.write_calibration({"temperature": 2.5, "images": 30, "nll": {}, "calibration_error": {}})
    run.write_card("# A card\nof our own 🦴 <script>\n")
    file = convstage.load(write_onnx(run, tmp_path / "net.onnx").path)
    assert file.temperature == 2.5
    assert file.description["card"] == "# A card\nof our own 🦴 <script>\n"


def test_a_file_that_says_something_else_is_not_written(trained, tmp_path, monkeypatch):
    (tmp_path / "net.onnx").write_text("the old one")
    monkeypatch.setitem(BUILDERS, "RELU", BUILDERS["DROPOUT"])
    with pytest.raises(
        RunError, match=r"the exported network is not the run's: of \d+ test images, \d+ have .*\nWorst is"
    ):
        write_onnx(trained, tmp_path / "net.onnx")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.onnx", "the old one")]


def test_a_full_disk_leaves_the_old_file(trained, tmp_path, monkeypatch):
    (tmp_path / "net.onnx").write_text("the old one")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(WriteError, match=r"net\.onnx cannot be written: No space left"):
        patch.setattr(make.Path, "write_bytes", full)
        write_onnx(trained, tmp_path / "net.onnx")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.onnx", "the old one")]


@pytest.fixture
def moved(make_folder, tmp_path):
    """Return a run without a test part, whose images lie where they have not been."""
    folder = make_folder(tmp_path / "blobs", {"a": 6, "b": 6}, size=12)
    run = convstage.train(
        folder, pattern="INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER", epochs=1, batch_size=4, val=0.4, test=0,
        audit=False, report=False, out=tmp_path / "runs",
    )  # fmt: skip
    shutil.move(folder, tmp_path / "elsewhere")
    return run, folder, tmp_path / "elsewhere"


def test_without_the_images_nothing_is_exported_unless_it_is_said_where_they_are(moved, tmp_path):
    run, folder, elsewhere = moved
    with pytest.raises(DataError) as caught:
        write_onnx(run, tmp_path / "net.onnx")
    assert str(caught.value).startswith(
        f"{run.path} cannot be exported without the images that it was tested on, which the file is checked with: "
        f"{folder} does not exist."
    )
    assert str(caught.value).endswith("\nIf they lie elsewhere now, say where: --data PATH")
    assert not (tmp_path / "net.onnx").exists()
    made = write_onnx(run, tmp_path / "net.onnx", data=elsewhere)
    images = sum(row["part"] == "val" for row in run.split)
    assert (made.agreement.images, made.agreement.part) == (images, "val")
    assert f"on its {images} validation images (there is no test part)" in words(made)
    assert run.card is None
    assert convstage.load(made.path).description["card"] is None


def test_images_of_a_run_that_is_only_trained_are_refused(moved, tmp_path):
    run, _, elsewhere = moved
    split = json.loads((run.path / "split.json").read_text())
    for row in split["images"]:
        row["part"] = "train"
    (run.path / "split.json").write_text(json.dumps(split))
    model = run.path / "model.safetensors"
    weights, description = run.read_model()
    fresh = convstage.Run(run.path)
    fresh.write_model(weights, description)
    assert model.is_file()
    with pytest.raises(RunError, match="has neither test nor validation images to check a file with"):
        write_onnx(fresh, tmp_path / "net.onnx", data=elsewhere)


@pytest.mark.parametrize(
    ("out", "more", "error", "message"),
    [
        ("net.txt", {}, ConfigError, r"the file must end in \.onnx; got '.*net\.txt'\."),
        ("no/net.onnx", {}, WriteError, r"net\.onnx cannot be written: No such file or directory\."),
        ("net.onnx", {"images": 0}, ConfigError, r"found on at least 1 training image; got 0\."),
    ],
)
def test_what_cannot_be_asked_for(trained, tmp_path, monkeypatch, out, more, error, message):
    monkeypatch.setattr(make, "load", None)  # it is said before anything is computed
    with pytest.raises(error, match=message):
        write_onnx(trained, tmp_path / out, **more)
    assert not list(tmp_path.iterdir())


def test_what_must_be_installed(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"is not installed\.\npip install 'convstage\[export\]'"):
        write_onnx(trained, tmp_path / "net.onnx")


def test_a_file_is_no_run_folder(made):
    for ask in (evaluate, lambda path: convstage.evidence(path, "x.png")):
        with pytest.raises(RunError, match=r"net\.onnx is no run folder: it has no config\.json\."):
            ask(made.path)
    with pytest.raises(ConfigError, match=r"an ONNX file is run on the processor; got 'cuda'\."):
        convstage.load(made.path, "cuda")


def test_it_is_the_same_file_every_time(made, trained, tmp_path):
    again = write_onnx(trained, tmp_path / "again.onnx")
    assert again.path.read_bytes() == made.path.read_bytes()
    assert np.isfinite(again.agreement.largest_difference)

"""Files that run somebody else's program when they are unpickled: refused wherever a file comes in, and never woken."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convstage
from convstage import ConvstageError, Run, audit, evaluate, load, train
from convstage.data import open_source
from convstage.filters import apply
from convstage.report import write_report
from convstage.serve import make_app
from convstage.training import resume
from hostile import AWAKE, FILES
from support.asking import client_of

QUICK = {"pattern": "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER", "epochs": 1, "audit": False, "report": False}


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """Return a copy of the trained run, to spoil."""
    return Path(shutil.copytree(trained.path, tmp_path / "run"))


def in_place_of(*names: str) -> Callable[[Path, Path], None]:
    """Return what puts a file in place of some of a run folder's."""

    def put(file: Path, run: Path) -> None:
        for name in names:
            shutil.copyfile(file, run / name)

    return put


def classes(file: Path) -> Path:
    """Return a folder of two classes whose images are the file, under the names of images."""
    for label in ("a", "b"):
        (file.parent / "classes" / label).mkdir(parents=True)
        for number in range(4):
            shutil.copyfile(file, file.parent / "classes" / label / f"{number}.png")
    return file.parent / "classes"


#: Wherever a file comes in: what puts it there, if anything, and what reads it.
ENTRIES: dict[str, Callable[[Path, Path], Any]] = {
    "model.safetensors": lambda file, run: (in_place_of("model.safetensors")(file, run), load(run)),
    "last.safetensors": lambda file, run: (in_place_of("last.safetensors")(file, run), resume(run)),
    "config.json": lambda file, run: (in_place_of("config.json")(file, run), load(run)),
    "split.json": lambda file, run: (in_place_of("split.json")(file, run), evaluate(run)),
    "calibration.json": lambda file, run: (in_place_of("calibration.json")(file, run), load(run)),
    "metrics and predictions": lambda file, run: (
        in_place_of("metrics.json", "predictions.csv")(file, run),
        write_report(run),
    ),
    "load": lambda file, run: load(file),
    "resume": lambda file, run: resume(file),
    "train": lambda file, run: train(file, **QUICK, out=run / "out"),
    "train, in folders": lambda file, run: train(classes(file), **QUICK, out=run / "out"),
    "audit": lambda file, run: audit(open_source(file)[1]),
    "config": lambda file, run: train("digits", config=file, out=run / "out"),
    "split file": lambda file, run: train("digits", **QUICK, split_file=file, out=run / "out"),
    "predict": lambda file, run: load(run).predict(file),
    "evaluate": lambda file, run: evaluate(run, file),
    "filter": lambda file, run: apply(file, "sobel"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_everywhere_and_never_woken(name: str, run, trained, tmp_path) -> None:
    mark, file = tmp_path / "mark", tmp_path / name
    file.write_bytes(FILES[name](mark))
    assert not mark.exists()
    for place, (entry, read) in enumerate(ENTRIES.items()):
        at = tmp_path / f"{place}"
        at.mkdir()
        copy = Path(shutil.copyfile(file, at / name))
        spoiled = Path(shutil.copytree(run, at / "run"))
        if name == "behind.png" and entry in ("predict", "filter"):
            read(copy, spoiled)  # a whole picture, with something behind it that nobody reads
        else:
            with pytest.raises(ConvstageError) as caught:
                read(copy, spoiled)
            # It is this file that is wrong, not how it was asked for.
            words = str(caught.value)
            assert str(at) in words or (entry == "train, in folders" and "class 'a' has " in words), (entry, words)
        assert not mark.exists(), entry
        assert not list((spoiled / "out").rglob("config.json")) or name == "behind.png", entry
    with client_of(make_app(Run.open(run))) as client:
        for sent in ("image.png", name):
            answer = client.post("/api/predict", files=[("images", (sent, file.read_bytes()))])
            assert answer.status_code == (200 if name == "behind.png" else 422), sent
    assert not mark.exists()


@pytest.mark.parametrize("name", AWAKE)
def test_the_canaries_do_sing(name: str, tmp_path) -> None:
    mark, file = tmp_path / "mark", tmp_path / name
    file.write_bytes(FILES[name](mark))
    AWAKE[name](file)
    assert mark.exists()


def test_there_are_twenty_and_more() -> None:
    assert len(FILES) >= 20
    endings = {Path(name).suffix for name in FILES}
    assert {".pt", ".pth", ".pkl", ".bin", ".joblib", ".npy", ".npz", ".zip", ".yaml", ".safetensors"} <= endings


def test_a_file_that_torch_would_load_is_no_way_in_under_any_name(trained, tmp_path) -> None:
    """There is no fall-back: a run whose weights are only there as a .pt file has none."""
    run = Path(shutil.copytree(trained.path, tmp_path / "run"))
    mark = tmp_path / "mark"
    (run / "model.safetensors").unlink()
    for name in ("model.pt", "model.pth", "pytorch_model.bin", "model.safetensors.pt", "last.pt"):
        (run / name).write_bytes(FILES["weights.pt"](mark))
    with pytest.raises(convstage.RunError, match="has no finished epoch yet"):
        load(run)
    assert not mark.exists()

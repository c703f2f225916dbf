"""Full disks and failing writes: the old file stays, people are told what to do, nothing is left behind."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import convstage
from convstage import Run, RunError
from convstage.cli import main
from convstage.errors import WriteError
from convstage.files import TEMPORARY, atomic_path, digest, read_tensors, write_json, write_tensors, write_text
from convstage.run import LAST, MODEL
from convstage.training import resume
from faults import CALLS, failing, steps_told
from killing import make_images

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> DROPOUT(0.2) -> CLASSIFIER"
SETTINGS = {"pattern": PATTERN, "epochs": 3, "batch_size": 5, "save_every": 1e-9, "threads": 1}
REMEDIES = {
    errno.ENOSPC: "Make room on the disk.",
    errno.EDQUOT: "Make room on the disk.",
    errno.EIO: "The disk may be failing: look at the system's log.",
    errno.EROFS: "Choose a place that you may write to.",
    errno.EACCES: "Choose a place that you may write to.",
    errno.EFBIG: "The system limits the size of files, see ulimit -f.",
}


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def litter(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{TEMPORARY}*"))


@pytest.fixture
def folder(tmp_path, make_folder):
    return make_folder(tmp_path / "images", {"a": 14, "b": 14}, size=12)


# ------------------------------------------------------------- one file


WRITERS = {
    "file.json": lambda path, value: write_json(path, {"value": value}),
    "file.txt": lambda path, value: write_text(path, f"{value}\n" * 100),
    "file.safetensors": lambda path, value: write_tensors(path, {"a": torch.full((100,), float(value))}),
}


@pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", WRITERS)
def test_a_failing_call_keeps_the_file_and_says_what_to_do(name: str, call: str, number: int, tmp_path: Path) -> None:
    path, write = tmp_path / name, WRITERS[name]
    write(path, 2)
    new = path.read_bytes()
    write(path, 1)
    old = path.read_bytes()
    with failing(call, system(number)) as failed, pytest.raises(WriteError) as caught:
        write(path, 2)
    assert len(failed) == 1
    assert str(caught.value) == f"{path} cannot be written: {os.strerror(number)}.\n{REMEDIES[number]}"
    assert (caught.value.errno, caught.value.strerror, caught.value.filename) == (
        number,
        os.strerror(number),
        str(path),
    )
    # When the folder cannot be flushed, the new file is there already, whole.
    assert path.read_bytes() == (new if call == "fsync folder" else old)
    assert [*tmp_path.iterdir()] == [path]


def test_it_is_an_error_of_ours_and_of_the_system() -> None:
    error = WriteError("runs/a/x.json", system(errno.ENOSPC))
    assert isinstance(error, convstage.ConvstageError) and isinstance(error, OSError)


def test_a_reason_that_the_system_does_not_number_is_told_as_it_is(tmp_path: Path, monkeypatch) -> None:
    import safetensors.torch

    def fail(*_) -> None:
        raise safetensors.SafetensorError("the moon is in the way")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(WriteError, match=r"cannot be written: the moon is in the way\.$"):
        write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)})
    assert not [*tmp_path.iterdir()]


def test_what_is_raised_while_a_file_is_made_passes_as_it_is(tmp_path: Path) -> None:
    """It may be of another file, such as one that is read."""
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x.txt"):
        (tmp_path / "nowhere").read_text()
    assert not [*tmp_path.iterdir()]


def test_every_file_of_a_run_is_written_in_the_order_that_survives_a_crash(folder, tmp_path) -> None:
    """Write, flush, rename, flush the folder; for each file, and for no other path."""
    told = []
    with steps_told(lambda step, path: told.append((step, path))):
        run = convstage.train(folder, **SETTINGS | {"epochs": 1}, name="a", out=tmp_path / "runs")
    of_run = [(step, path) for step, path in told if path == Path() or path.parent == run.path]
    order = ["begun", "made", "half written", "written", "flushed", "renamed", "folder flushed"]
    renamed = [path.name for step, path in of_run if step == "renamed"]
    assert [step for step, _ in told] == order * (len(told) // len(order))
    assert {path.name for path in run.path.iterdir()} == set(renamed)
    assert renamed.count(LAST) == 5  # after every step, and after the epoch


# ------------------------------------------------------------- a training


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pixel_cache) -> Run:
    folder = make_images(tmp_path_factory.mktemp("data") / "images", (14, 14))
    return convstage.train(folder, **SETTINGS, report=False, name="whole", out=tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("call", CALLS)
def test_a_save_that_fails_keeps_the_checkpoint_and_the_run_goes_on_later(call: str, whole, tmp_path) -> None:
    path, count = tmp_path / "runs/cut", 0

    def only(file: Path) -> bool:
        """Choose a write in the middle, after the first checkpoint."""
        nonlocal count
        count += (path / LAST).exists() and (file.suffix == ".safetensors" or call == "fsync folder")
        return count == 4

    with failing(call, system(errno.ENOSPC), only) as failed, pytest.raises(WriteError) as caught:
        convstage.train(whole.config["data"], **SETTINGS, report=False, name=path.name, out=path.parent)
    assert len(failed) == 1
    assert str(caught.value).endswith(
        " cannot be written: No space left on device.\nMake room on the disk.\n"
        f"Then go on with: convstage train --resume {path}"
    )
    assert not litter(path)
    assert Run(path).read_last() is not None
    run = resume(path)
    for file in (MODEL, LAST):
        assert digest(read_tensors(run.path / file)[0]) == digest(read_tensors(whole.path / file)[0])
    assert run.predictions == whole.predictions


@pytest.mark.parametrize(
    "name", ["history.csv", MODEL, LAST, "predictions.csv", "metrics.json", "audit.json", "split.json", "config.json"]
)
def test_whatever_cannot_be_written_ends_with_code_2_and_a_way_on(name, folder, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["-p", PATTERN, "-e", "2", "-b", "5", "--threads", "1", "--no-report", "-n", "cut"]
    monkeypatch.setattr(sys, "argv", ["convstage", "train", str(folder), *flags])
    with (
        failing("rename", system(errno.ENOSPC), lambda path: path.name == name) as failed,
        pytest.raises(SystemExit) as ended,
    ):
        main()
    said = capsys.readouterr()
    assert len(failed) == 1
    assert ended.value.code == 2
    assert f"convstage: runs/cut/{name} cannot be written: No space left on device.\nMake room on the disk." in said.err
    assert "Traceback" not in said.err
    assert not litter(tmp_path)
    if (tmp_path / "runs/cut/config.json").exists():
        run = resume("runs/cut")
        assert run.has_metrics and run.audit is not None
    else:
        with pytest.raises(RunError, match=r"^runs/cut (was cut off before training began|is no run folder): "):
            resume("runs/cut")


@pytest.mark.parametrize("name", ["report.html", "CARD.md"])
def test_a_training_is_no_less_good_when_its_report_cannot_be_written(name, folder, tmp_path, capsys) -> None:
    with failing("rename", system(errno.ENOSPC), lambda path: path.name == name):
        run = convstage.train(folder, **SETTINGS | {"epochs": 1}, name="a", out=tmp_path / "runs")
    assert run.has_metrics
    told = capsys.readouterr().err
    assert f"no report: {run.path / name} cannot be written: No space left on device." in told
    assert not litter(tmp_path)


def test_a_disk_that_is_really_full(folder, tmp_path) -> None:
    """A limit on the size of files, in a process of its own, stands for the full disk: writing fails half way."""
    settings = ["-p", "INPUT -> FC(400) -> RELU -> CLASSIFIER", "-e", "2", "--threads", "1", "--no-report", "-n", "a"]
    result = subprocess.run(
        [sys.executable, "-m", "convstage", "train", folder, *settings],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        # The best weights, 230 kB, are written; weights and optimizer, three times as much, are not.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.endswith(
        "convstage: runs/a/last.safetensors cannot be written: File too large.\n"
        "The system limits the size of files, see ulimit -f.\n"
        "Then go on with: convstage train --resume runs/a\n"
    )
    assert not litter(tmp_path / "runs")
    assert convstage.load(tmp_path / "runs/a").predict(folder / "a/0.png")
    assert len(resume(tmp_path / "runs/a").history) == 2

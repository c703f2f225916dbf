"""Every command, end to end as a user runs it: in its own process, with exit code, stdout and stderr.

Two begin from nothing, in an interpreter of their own; the others are forks, see `support.forking`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convstage.stage import active

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"


def from_nothing(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "convstage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def test_from_a_folder_to_a_prediction(convstage, tmp_path, make_folder):
    folder = make_folder(tmp_path / "x rays", {"0 healthy": 14, "1 corona": 14})
    (tmp_path / "run.yaml").write_text("epochs: 12\nlearning-rate: 0.01\naugment: false\n")
    trained = from_nothing("train", folder, "-p", PATTERN, "-c", "run.yaml", "-n", "first", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert "28 images of" in trained.stderr
    assert "epoch  12/12" in trained.stderr
    assert trained.stdout.endswith("run folder: runs/first\n")
    assert "accuracy           100.0%" in trained.stdout

    evaluated = convstage("evaluate", "runs/first", "--json", cwd=tmp_path)
    assert json.loads(evaluated.stdout)["accuracy"]["value"] == 1.0

    predicted = convstage("predict", "runs/first", folder / "1 corona/0.png", "--json", cwd=tmp_path)
    assert json.loads(predicted.stdout)[0]["class"] == "1 corona"
    told = convstage("predict", "runs/first", folder / "1 corona/0.png", cwd=tmp_path)
    assert told.stdout.startswith(f"{folder}/1 corona/0.png: 1 corona ")

    table = convstage("predict", "runs/first", folder, "--csv", "out.csv", cwd=tmp_path)
    assert table.stdout == "out.csv: 28 predictions\n"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "image,prediction,probability,p(0 healthy),p(1 corona)"
    assert len(lines) == 29


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "nowhere"],
            "nowhere does not exist.\nGive a folder, a .csv or .npz file, IDX files, tar shards, or a sample",
        ),
        (["train", "empty"], "has no class folders."),
        (["train", "one"], "has one class only, 'a'.\nA classifier needs two or more to tell apart."),
        (
            ["train", "tiny"],
            "class 'b' has 1 image to train with.\n"
            "At least 3 readable ones are needed, one for each part: training, validation and test.",
        ),
        (["train", "good", "-c", "bad.yaml"], "there is no setting 'epochz' (in bad.yaml).\nDid you mean epochs?"),
        (["train", "good", "-o", "file"], "no run folder can be made in file: file is not a folder."),
        (["train", "good", "-p", "INPUT -> [CONV -> POOL]*9 -> CLASSIFIER"], "POOL 2×2 does not fit a 1×1 map."),
        (["train", "good", "--resume", "x"], "--resume goes on with the run's own settings; leave out DATA."),
        (["evaluate", "good"], "good is no run folder: it has no config.json."),
        (["predict", "good", "good"], "good is no run folder: it has no config.json."),
        (["summary", "INPUT -> CONF"], "unknown layer 'CONF'.\n  INPUT -> CONF\n           ^^^^\nDid you mean CONV?"),
        (
            ["draw", "INPUT -> CLASSIFIER", "-o", "net.gif"],
            "the picture must end in .svg, .png or .pdf; got 'net.gif'.",
        ),
    ],
)
def test_mistakes_end_with_code_2_a_message_and_nothing_half_written(
    convstage, tmp_path, make_folder, arguments, message
):
    make_folder(tmp_path / "good", {"a": 5, "b": 5})
    make_folder(tmp_path / "one", {"a": 5})
    make_folder(tmp_path / "tiny", {"a": 5, "b": 1})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "bad.yaml").write_text("epochz: 3\n")
    before = sorted(tmp_path.rglob("*"))
    result = convstage(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("convstage: ")
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_named_file_that_cannot_be_read_is_an_error_one_in_a_folder_is_listed(
    convstage, trained, tmp_path, make_folder
):
    folder = make_folder(tmp_path / "mixed", {"0-healthy": 2})
    bad = folder / "0-healthy/bad.png"
    bad.write_bytes(b"")
    named = convstage("predict", trained.path, folder / "0-healthy/0.png", bad)
    assert (named.returncode, named.stdout.count("\n")) == (2, 1)
    below = convstage("predict", trained.path, folder)
    assert (below.returncode, below.stdout.count("\n")) == (0, 2)
    assert named.stderr == below.stderr == f"convstage: {bad}: the file is empty.\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_training_saves_and_says_how_to_go_on(convstage, tmp_path, make_folder, number):
    make_folder(tmp_path / "good", {"a": 12, "b": 12})
    command = ["train", "good", "-p", PATTERN, "-e", "100000", "--patience", "100000"]
    process = convstage.start(*command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "runs/good-1/history.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, number)
    ended = process.wait()
    assert ended.returncode == 128 + number
    assert ended.stderr.endswith("convstage: stopped and saved.\nGo on with: convstage train --resume runs/good-1\n")
    assert (tmp_path / "runs/good-1/last.safetensors").exists()


def test_info_says_what_is_active(convstage):
    told = from_nothing("info")
    assert told.returncode == 0
    assert f"stage          {active().name} ({active().reason})" in told.stdout
    facts = json.loads(convstage("info", "--json").stdout)
    assert facts["threads"] >= 1


def test_draw_writes_a_picture_and_says_where(convstage, tmp_path):
    result = convstage("draw", "INPUT -> CONV -> RELU -> POOL -> CLASSIFIER", "-o", "net.svg", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "net.svg\n")
    assert (tmp_path / "net.svg").read_text().startswith("<?xml")


def test_usage_errors_of_the_flags_end_with_code_2(convstage):
    result = convstage("train")
    assert result.returncode == 2
    assert "give DATA to train on, or --resume RUN." in result.stderr
    assert convstage("train", "--epochs", "many").returncode == 2
    assert convstage("fly").returncode == 2


def test_names_that_are_no_text_are_printed_as_escapes(monkeypatch, tmp_path):
    import io

    from convstage import cli

    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(cli, "cli", lambda **_: sys.stdout.write("b\udcff → é\n") and None)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    sys.stdout.flush()
    assert written.getvalue() == b"b\\udcff -> \\xe9\n"

"""``convstage bench``: what it measures, what it prints and writes, and what it says of mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from convstage.cli import cli, main
from convstage.cli.bench import PATTERN

SMALL = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"
QUICK = ("--seconds", "1e-9", "--batch", "2")


def bench(*arguments: object) -> str:
    result = CliRunner().invoke(cli, ["bench", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr == ""
    return result.stdout


def test_without_arguments_a_usual_network_is_measured() -> None:
    shown = bench(*QUICK)
    assert shown.startswith(f"{PATTERN}\n28×28×1 images, 10 classes")
    assert all(label in shown for label in ("training step, 2 images", "inference, 2 images", "inference, one image"))
    assert "GFLOP/s" not in shown


def test_a_pattern_with_image_classes_and_stages() -> None:
    shown = bench("-p", SMALL, "--image", "9x8x3", "--classes", 4, "--stages", *QUICK)
    assert shown.startswith(f"{SMALL}\n9×8×3 images, 4 classes")
    assert "weight gradient" in shown
    assert "stage1" in shown


def test_a_run_is_measured_with_its_own_batch(trained) -> None:
    before = {path: path.read_bytes() for path in trained.path.rglob("*") if path.is_file()}
    result = json.loads(bench(trained.path, "--seconds", "1e-9", "--json", "-"))
    assert result["pattern"] == trained.config["model"]["pattern"]
    assert (result["batch"], result["classes"]) == (8, 2)
    assert {path: path.read_bytes() for path in trained.path.rglob("*") if path.is_file()} == before


def test_a_pattern_is_measured_with_the_batch_it_would_be_trained_with() -> None:
    text = "INPUT -> CONV(1, stride=8) -> RELU -> GAP -> CLASSIFIER"
    for image, batch in (("64x64x1", 64), ("65x64x1", 32)):
        result = json.loads(bench("-p", text, "--image", image, "--seconds", "1e-9", "--json", "-"))
        assert result["batch"] == batch


def test_data_goes_to_a_file_beside_the_tables(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    shown = bench("-p", SMALL, *QUICK, "--json", file)
    assert shown.endswith(f"as data: {file}\n")
    assert "training step" in shown
    result = json.loads(file.read_text())
    assert set(result["tasks"]) == {"train", "infer", "latency"}
    assert "stages" not in result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no run folder: it has no config.json."),
        (["-p", "INPUT -> CONF"], "unknown layer 'CONF'.\n  INPUT -> CONF\n           ^^^^\nDid you mean CONV?"),
        (["-p", "INPUT -> [CONV -> RELU]*N -> CLASSIFIER"], "N is a free letter.\n"),
        (["-p", SMALL, "--image", "wide"], "the image size must be"),
        (["some/run", "-p", SMALL, "--classes", "3"], "leave out --pattern, --classes, or RUN."),
        (["-p", SMALL, "--seconds", "0"], "the seconds must be more than 0; got 0."),
        (["-p", SMALL, *QUICK, "--json", "no/such/folder.json"], "no/such/folder.json cannot be written: "),
    ],
)
def test_mistakes_end_with_code_2_and_a_message(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["convstage", "bench", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("convstage: ")
    assert message in said


def test_a_batch_of_none_is_refused_by_the_flag() -> None:
    result = CliRunner().invoke(cli, ["bench", "--batch", "0"])
    assert result.exit_code == 2
    assert "--batch" in result.stderr

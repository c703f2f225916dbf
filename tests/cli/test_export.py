"""``convstage export``: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from convstage.cli import cli
from convstage.errors import ConfigError


def export(*arguments: object):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)], catch_exceptions=False)


def test_it_prints_the_file_its_input_and_the_agreement(trained, tmp_path):
    done = export(trained.path, "-o", tmp_path / "net.onnx")
    assert done.exit_code == 0
    written, image, agreement = done.stdout.splitlines()
    assert written.startswith(f"{tmp_path}/net.onnx: ")
    assert image.startswith("input: Pixels 0..255, uint8, (n, 24, 24, 1): decoded, upright, and resized to 24×24 grey ")
    assert agreement.startswith(f"checked against {trained.path} on its ")
    assert (tmp_path / "net.onnx").is_file()


def test_int8_prints_what_it_costs_and_json_is_the_same_as_data(trained, trained_folder, tmp_path):
    arguments = (trained.path, "-o", tmp_path / "net.onnx", "--int8", "--images", 8, "--seed", 1)
    told = export(*arguments).stdout
    data = json.loads(export(*arguments, "--json", "--data", trained_folder).stdout)
    assert f"int8: ranges from {data['int8']['calibrated_on']} training images (seed 1); " in told
    assert f"accuracy before  {data['int8']['accuracy_before']:.2%}\n" in told
    assert f"accuracy after   {data['int8']['accuracy_after']:.2%}\n" in told
    low, value, high = (data["int8"]["difference"]["accuracy"][name] for name in ("low", "value", "high"))
    assert f"difference       {100 * value:+.2f}% ({100 * low:+.2f} to {100 * high:+.2f})  on the same " in told
    assert data["agreement"]["largest_difference"] <= 1e-5


@pytest.mark.parametrize("more", [["--images", "3"], ["--seed", "0"]])
def test_settings_of_int8_without_it_are_refused(trained, tmp_path, more):
    with pytest.raises(ConfigError, match=r"--images and --seed choose the images for --int8\.\nAdd --int8, or leave"):
        export(trained.path, "-o", tmp_path / "net.onnx", *more)
    assert not list(tmp_path.iterdir())

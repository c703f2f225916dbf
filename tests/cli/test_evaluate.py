import json

import pytest
from click.testing import CliRunner

from convstage.cli import cli
from convstage.errors import ConfigError


def evaluated(*arguments):
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def test_figures_as_text_and_as_data(trained):
    told = evaluated(trained.path)
    assert told.exit_code == 0
    assert told.stdout.startswith("6 test images of ")
    assert "AUROC of the network" in told.stdout
    data = evaluated(trained.path, "--json")
    assert json.loads(data.stdout) == trained.metrics


def test_an_operating_point(trained):
    flags = ["--sensitivity", "0.9", "--positive", "0-healthy"]
    told = evaluated(trained.path, *flags)
    assert "Operating point: 0-healthy from a probability of " in told.stdout
    assert "Beware: the validation part has 3 positives only" in told.stdout
    point = json.loads(evaluated(trained.path, *flags, "--json").stdout)["operating_point"]
    assert point["sensitivity"]["value"] == 1


def test_mistakes_are_said(trained):
    result = evaluated(trained.path, "--sensitivity", "0.9", "--positive", "cat")
    assert isinstance(result.exception, ConfigError)
    assert "there is no class 'cat'.\nThe network knows 0-healthy, 1-corona." in str(result.exception)
    assert evaluated(trained.path, "--part", "all").exit_code == 2


@pytest.mark.parametrize("part", ["train", "val"])
def test_another_part(trained, part):
    assert json.loads(evaluated(trained.path, "--part", part, "--json").stdout)["part"] == part

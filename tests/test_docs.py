"""Every example in README.md and docs/ is run, in order, and must print what the page says."""

import doctest
import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.forking import Starter

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+(?: measured)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
#: Blocks of `sh` are not run here: they install, or are what runs these tests.
SHELL = re.compile(r"(make (demo|test)|pip install)\b")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return an empty folder that holds the image that the examples name."""
    with np.load(ROOT / "src/convstage/data/samples/digits.npz") as sample:
        Image.fromarray(sample["images"][sample["labels"] == 7][0]).save(tmp_path / "seven.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_print_what_the_page_says(page, convstage, here):
    names: dict = {}
    for number, (language, block) in enumerate(FENCE.findall(page.read_text())):
        where = f"{page.name}, block {number}"
        match language:
            case "python":
                run_python(block, names, where)
            case "console" | "console measured":
                run_console(convstage, block, where, measured=language.endswith("measured"))
            case "sh":
                assert all(SHELL.match(line) for line in block.splitlines()), f"{where}: who runs this?"
            case _:
                pytest.fail(f"{where}: blocks are python, console or sh; got {language}")


def run_python(block: str, names: dict, where: str) -> None:
    test = doctest.DocTestParser().get_doctest(block, names, where, where, 0)
    assert test.examples, f"{where} has no example"
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append, clear_globs=False)
    names.update(test.globs)
    assert not result.failed, "".join(report)


def run_console(convstage: Starter, block: str, where: str, measured: bool) -> None:
    """Run the commands; of a measured block the words must agree, the numbers are the machine's."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
        program, *arguments = shlex.split(command)
        assert program == "convstage", f"{where}: {command}"
        printed = convstage(*arguments, together=True).stdout
        if measured:
            expected, printed = loose(expected), loose(printed)
        if not doctest.OutputChecker().check_output(expected, printed, FLAGS):
            pytest.fail(f"{where}: $ {command}\n--- the page says\n{expected}\n--- it printed\n{printed}")


def loose(text: str) -> str:
    """Return a text with its numbers, rulers and best epochs taken out."""
    return re.sub(r"(?<=/s) +best", "", re.sub("─+", "─", re.sub(r"\d+(?:[.,]\d+)*", "#", text)))


def test_pages_link_to_what_exists():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    ("benchmark", "page", "table"),
    [
        ("shifts", "training.md", "table"),
        ("recipe", "training.md", "table"),
        ("step", "kernel.md", "table"),
        ("step", "kernel.md", "sides_table"),
        ("step", "kernel.md", "latency_table"),
        ("step", "kernel.md", "memory_table"),
        ("accuracy", "kernel.md", "table"),
        ("pages", "kernel.md", "table"),
        ("roofline", "kernel.md", "table"),
        ("shapes", "kernel.md", "table"),
        ("tiles", "kernel.md", "table"),
        ("intervals", "evaluation.md", "table"),
        ("audit", "audit.md", "table"),
        ("phantom", "phantom.md", "table"),
        ("phantom", "phantom.md", "networks_table"),
        ("crossval", "crossval.md", "table"),
        ("evidence", "evidence.md", "table"),
        ("evidence", "evidence.md", "choices_table"),
        ("evidence", "evidence.md", "occlusion_table"),
        ("evidence", "evidence.md", "grades_table"),
        ("evidence", "evidence.md", "times_table"),
        ("serve", "serve.md", "table"),
        ("explorer", "explorer.md", "table"),
        ("fuse", "fuse.md", "table"),
        ("ranks", "many-machines.md", "table"),
        ("scale", "scale.md", "constants_table"),
        ("scale", "scale.md", "table"),
        ("scale", "scale.md", "scaling_table"),
        ("scale", "scale.md", "fixed_table"),
        ("scale", "scale.md", "limits_table"),
    ],
)
def test_figures_are_those_of_the_measurement(monkeypatch, benchmark, page, table):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module(benchmark)
    assert getattr(module, table)(json.loads(module.RESULT.read_text())) in (ROOT / "docs" / page).read_text()


def test_the_exactness_that_is_promised_was_measured():
    stages = json.loads((ROOT / "benchmarks/results/accuracy.json").read_text())["stages"]
    assert max(ratio for stage in stages for ratio in stage["channels-last"].values()) <= 2


def test_the_changelog_names_the_version():
    import convstage

    assert f"## {convstage.__version__}" in (ROOT / "CHANGELOG.md").read_text()

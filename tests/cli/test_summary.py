"""``convstage summary``: the table, the same as data, families, and what it says of mistakes."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner, Result

from convstage import Pattern
from convstage.cli import cli, main
from convstage.errors import ConfigError, ConvstageError, PatternError

LENET = "INPUT -> [CONV -> RELU -> POOL]*2 -> FC -> RELU -> CLASSIFIER"
FAMILY = "INPUT -> [CONV(4) -> RELU -> POOL]*N -> CLASSIFIER"


def summary(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["summary", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stderr == ""
    return result.stdout


def failed(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["summary", *arguments])
    assert result.exit_code != 0
    assert result.stdout == ""
    return result


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_a_pattern_is_shown_as_its_plans_table() -> None:
    plan = Pattern(LENET).plan("32x30x3", classes=4)
    assert lines(summary(LENET, "--input", "32x30x3", "--classes", "4")) == str(plan).splitlines()


def test_what_nothing_says_is_assumed() -> None:
    assert lines(summary(LENET)) == str(Pattern(LENET).plan("28x28x1", classes=10)).splitlines()


@pytest.mark.parametrize(
    ("text", "flags", "image", "classes"),
    [
        ("INPUT(9x8x3) -> CLASSIFIER", [], (9, 8, 3), 10),
        ("INPUT -> CLASSIFIER(3)", [], (28, 28, 1), 3),
        ("INPUT(9x8x3) -> CLASSIFIER(3)", [], (9, 8, 3), 3),
        ("INPUT -> CLASSIFIER(3)", ["--input", "9x8"], (9, 8, 1), 3),
        ("INPUT(9x8x3) -> CLASSIFIER", ["--classes", "5"], (9, 8, 3), 5),
        ("INPUT(9x8x3) -> CLASSIFIER(3)", ["--input", "9x8x3", "--classes", "3"], (9, 8, 3), 3),
    ],
)
def test_only_what_neither_pattern_nor_flags_say_is_assumed(
    text: str, flags: list[str], image: tuple[int, ...], classes: int
) -> None:
    data = json.loads(summary(text, *flags, "--json"))
    assert (tuple(data["input"]), data["classes"]) == (image, classes)


def test_json_is_the_plan_as_data() -> None:
    assert json.loads(summary(LENET, "--json")) == Pattern(LENET).plan("28x28x1", 10).to_dict()


@pytest.mark.parametrize("ranges", [["-N", "1..3"], ["-N1..3"], ["-N=1..3"], ["-n", "1..3"]])
def test_a_family_is_listed_with_its_ranges_in_any_spelling(ranges: list[str]) -> None:
    members = json.loads(summary(FAMILY, *ranges, "--input", "4x5x1", "--json"))
    assert [(member["N"], member["fits"]) for member in members] == [(1, True), (2, True), (3, False)]
    assert members[1]["pattern"] == "INPUT -> [CONV(4) -> RELU -> POOL]*2 -> CLASSIFIER"
    assert members[1]["parameters"] == Pattern(members[1]["pattern"]).plan("4x5x1", 10).parameters
    assert members[2]["problem"] == "POOL 2×2 does not fit a 1×1 map."


def test_a_family_is_shown_as_a_table() -> None:
    shown = summary(FAMILY, "-N", "1..3", "--input", "4x5x1")
    assert "┃ N ┃ parameters ┃ multiply-adds ┃" in shown
    assert "│ INPUT -> [CONV(4) -> RELU -> POOL]*2 -> CLASSIFIER │" in shown
    assert "2 of 3 members fit" in shown


def test_ranges_of_several_letters_may_stand_between_the_flags() -> None:
    text = "INPUT -> [CONV(4) -> RELU]*N -> [FC(8) -> RELU]*K -> CLASSIFIER"
    members = json.loads(summary(text, "-N", "1..2", "--classes", "2", "-K", "0..1", "--json"))
    assert [(member["N"], member["K"]) for member in members] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_optional_parts_alone_are_a_family() -> None:
    members = json.loads(summary("INPUT -> [CONV -> RELU -> POOL?]*2 -> CLASSIFIER", "--json"))
    assert [member["pattern"] for member in members] == [
        "INPUT -> [CONV -> RELU -> POOL]*2 -> CLASSIFIER",
        "INPUT -> [CONV -> RELU]*2 -> CLASSIFIER",
    ]


def test_a_family_of_one_is_shown_as_a_pattern() -> None:
    member = Pattern("INPUT -> [CONV(4) -> RELU -> POOL]*2 -> CLASSIFIER").plan("28x28x1", 10)
    assert lines(summary(FAMILY, "-N", "2")) == str(member).splitlines()
    assert json.loads(summary(FAMILY, "-N", "2..2", "--json")) == member.to_dict()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ([FAMILY], PatternError, "N is a free letter.\n"),
        ([FAMILY], PatternError, "\nGive a range for N (such as N=1..3)."),
        ([FAMILY, "-M", "2"], ConfigError, f"M is not a free letter of {FAMILY}; free letters: N."),
        ([FAMILY, "-N", "3..1"], ConfigError, "the range of N must be a count such as 2 or a range such as 1..3; got"),
        ([FAMILY, "-N"], ConfigError, "the range of N must be a count such as 2 or a range such as 1..3; got ''."),
        (
            [FAMILY, "1..3"],
            ConfigError,
            "'1..3' is out of place.\nBeside the pattern there are ranges such as -N 1..3.",
        ),
        ([FAMILY, "--inptu", "9x9"], ConfigError, "'--inptu' is out of place."),
        ([FAMILY, "-N", "1..200000"], ConfigError, "the family has 200,000 members; at most 100,000 are listed."),
        ([LENET, "-N", "1..3"], ConfigError, "the pattern has no free letter N."),
        ([LENET, "--input", "28"], ConfigError, "the image size must be height x width x channels, such as 28x28x1"),
        (
            ["INPUT(9x9x1) -> CLASSIFIER", "--input", "8x8"],
            PatternError,
            "INPUT says 9x9x1, but the image size is 8x8x1.",
        ),
        (
            ["INPUT -> CLASSIFIER(3)", "--classes", "2"],
            PatternError,
            "CLASSIFIER says 3, but the number of classes is 2.",
        ),
        (["INPUT ->"], PatternError, "the pattern ends too early."),
    ],
)
def test_mistakes_are_told(arguments: list[str], kind: type[ConvstageError], message: str) -> None:
    error = failed(*arguments).exception
    assert type(error) is kind
    assert message in str(error)


@pytest.mark.parametrize("arguments", [[LENET, "--classes", "0"], [LENET, "--classes", "ten"]])
def test_what_click_refuses_ends_with_its_usage(arguments: list[str]) -> None:
    result = failed(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


# Through the program's own entry point.


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["convstage", "summary", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_the_program_prints_to_stdout_and_exits_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, LENET, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["totals"]["parameters"] == 421_642
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["INPUT -> CONV -> CLASIFIER"],
            """\
convstage: unknown layer 'CLASIFIER'.
  INPUT -> CONV -> CLASIFIER
                   ^^^^^^^^^
Did you mean CLASSIFIER?
""",
        ),
        (
            [FAMILY],
            """\
convstage: this is a family of patterns, not one: N is a free letter.
  INPUT -> [CONV(4) -> RELU -> POOL]*N -> CLASSIFIER
                                     ^
Give a range for N (such as N=1..3).
""",
        ),
        ([LENET, "-N", "2"], "convstage: the pattern has no free letter N.\n"),
        (
            ["-N", "1..2", "INPUT -> [CONF -> RELU]*N -> CLASSIFIER"],
            """\
convstage: unknown layer 'CONF'.
  INPUT -> [CONF -> RELU]*N -> CLASSIFIER
            ^^^^
Did you mean CONV?
""",
        ),
        ([], 'convstage: there is no pattern.\nWrite it in quotes: convstage summary "INPUT -> … -> CLASSIFIER"\n'),
    ],
)
def test_the_program_prints_mistakes_to_stderr_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run_main(monkeypatch, *arguments) == 2
    assert capsys.readouterr() == ("", message)

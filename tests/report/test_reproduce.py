"""The command of a report trains the same network again."""

import shlex

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import convstage
from convstage.cli import cli
from convstage.cli.train import command as train_command
from convstage.cli.train import given as named
from convstage.config import Config, make_config
from convstage.report import gather
from convstage.report.reproduce import ELSEWHERE, command, different, reproduce


def taken(line: str) -> tuple[str, Config]:
    """Return the data and the settings that the command line takes a command for."""
    program, verb, *arguments = shlex.split(line)
    assert (program, verb) == ("convstage", "train")
    flags = train_command.make_context("train", arguments).params
    data = flags.pop("data")
    for name in ("file", "run", "as_json"):
        flags.pop(name)
    return data, make_config(**named(flags))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "epochs": st.integers(1, 99),
            "learning_rate": st.floats(1e-6, 10),
            "augment": st.booleans(),
            "calibrate": st.booleans(),
            "balance": st.sampled_from(["auto", "weights", "sampling", "off"]),
            "group_regex": st.sampled_from([r"-(\d+)", "^(a|b) '\"$", "--x"]),
            "classes": st.lists(st.sampled_from(["a b", "-c", "<d>", "'e'"]), min_size=1, unique=True),
            "size": st.sampled_from(["24", "24x32"]),
            "threads": st.integers(1, 8),
            "report": st.booleans(),
            "name": st.just("mine"),
        },
    ),
    st.sampled_from(["xrays", "my x-rays", "-data", "it's"]),
)
def test_the_command_line_takes_it_for_the_same_settings(settings, data):
    stored = make_config(**settings).model_dump(mode="json")
    where, config = taken(command(data, stored))
    assert where.removeprefix("./") == data
    left_out = set(ELSEWHERE)
    assert config.model_dump(exclude=left_out) == make_config(**stored).model_dump(exclude=left_out)


def test_it_trains_the_same_network(hostile, tmp_path):
    told = reproduce(gather(hostile))
    again = CliRunner().invoke(
        cli, [*shlex.split(told["command"])[1:], "--no-report", "-o", str(tmp_path), "-n", "again"]
    )
    assert again.exit_code == 0, again.output
    run = convstage.Run.open(tmp_path / "again")
    assert reproduce(gather(run))["fingerprint"] == told["fingerprint"]
    assert run.predictions == hostile.predictions


def test_a_rate_that_was_searched_for_is_named():
    stored = make_config(find_lr=True).model_dump() | {"learning_rate": 0.004}
    assert command("x", stored) == "convstage train x --learning-rate 0.004"


@pytest.mark.parametrize("names", [["a, b", "c"], ["a", " b"]])
def test_names_that_the_command_line_cannot_take_are_given_from_python(names):
    line = command("it's", Config().model_dump(mode="json") | {"classes": names, "epochs": 3})
    called = {}

    class Convstage:
        @staticmethod
        def train(data, **settings):
            called.update(settings, data=data)

    compile_and_run(line, Convstage)
    assert called == {"data": "it's", "classes": names, "epochs": 3}


def compile_and_run(line: str, convstage: type) -> None:
    import ast

    call = ast.parse(line, mode="eval").body
    assert ast.unparse(call.func) == "convstage.train"
    convstage.train(
        *(ast.literal_eval(argument) for argument in call.args),
        **{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords},
    )


def test_settings_of_another_version_are_passed_over():
    assert different({"epochs": 30, "of_the_future": 1}) == {}


def test_all_that_a_result_depends_on_is_told(hostile):
    told = reproduce(gather(hostile))
    changed = {name: (value, default) for name, value, default in told["changed"]}
    assert changed["epochs"] == ("2", "30")
    assert changed["augment"] == ("no", "yes")
    assert changed["max_unreadable"] == ("0.1", "0.05")
    assert set(changed) | {name for name, _ in told["unchanged"]} == set(Config.model_fields) - set(ELSEWHERE)
    assert told["environment"]["torch"] == hostile.config["environment"]["versions"]["torch"]
    assert told["split"] == f"{hostile.path}/split.json"

"""``convstage train``: every field of `convstage.Config` is a flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType
from pydantic.fields import FieldInfo

from ..config import Config
from ..distributed import leads
from ..errors import ConfigError
from .completion import DATA, FILE, FOLDER, Place

#: Settings that are places, which a shell completes.
_PLACES = {"out": FOLDER, "split_file": FILE}
_SHORT = {"pattern": "-p", "epochs": "-e", "batch_size": "-b", "name": "-n", "out": "-o"}


class Listed(StringParamType):
    """One or more of some names, separated by commas; `convstage.config` says which of them are none."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        before, comma, begun = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in self.names if name.startswith(begun)]


def _joined(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str | None:  # noqa: ARG001
    """Return what several flags have given as one text; None when there was none."""
    return ",".join(value) or None


def _option(name: str, field: FieldInfo) -> click.Option:
    """Return the flag for a field; left out, it stays None and the config file or the default decides."""
    flag = f"--{name.replace('_', '-')}"
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    help_text = f"{field.description}" + (
        "" if field.default in (None, ()) or isinstance(field.default, bool) else f" [{field.default}]"
    )
    if get_origin(field.annotation) is tuple:
        # Two spellings: torchrun takes --log for the beginning of its own --log-dir, wherever it stands.
        spellings = [flag, f"{flag}-to", name]
        names = Listed(get_args(kinds[0]))
        return click.Option(spellings, type=names, multiple=True, callback=_joined, metavar="NAME", help=help_text)
    if kinds[0] is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help_text)
    if get_origin(field.annotation) is Literal:
        return click.Option([flag, name], type=click.Choice(kinds), default=None, help=help_text)
    metavar = {int: "N", float: "X", str: "TEXT"}[kinds[0]]
    spellings = [flag, name, *([_SHORT[name]] if name in _SHORT else [])]
    kind: Place | type = _PLACES.get(name, kinds[0])
    return click.Option(spellings, type=kind, default=None, metavar=metavar, help=help_text)


def options(*without: str) -> list[click.Parameter]:
    """Return the flags of all settings but some."""
    return [_option(name, field) for name, field in Config.model_fields.items() if name not in without]


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the command line names."""
    return {name: value for name, value in flags.items() if value is not None}


def refuse_with_resume(data: str | None, file: str | None, settings: dict[str, Any]) -> None:
    """Refuse whatever would change the settings of what is resumed."""
    named = ["DATA"] * bool(data) + ["--config"] * bool(file) + [f"--{name.replace('_', '-')}" for name in settings]
    if named:
        raise ConfigError(f"--resume goes on with the run's own settings; leave out {', '.join(named)}.")


@click.command(params=options())
@click.argument("data", required=False, type=DATA)
@click.option("-c", "--config", "file", metavar="FILE", type=FILE, help="YAML file of settings; flags overrule it.")
@click.option("--resume", "run", metavar="RUN", type=FOLDER, help="Go on with an interrupted run.")
@click.option("--json", "as_json", is_flag=True, help="Print the run folder and its figures as data.")
def command(data: str | None, file: str | None, run: str | None, as_json: bool, **flags: Any) -> None:
    """Train a network on DATA, then evaluate it on the images set aside.

    DATA is a folder with one folder of images for each class (or with train, val and test
    folders that have them), a .csv file of paths and labels, a .npz file, MNIST's IDX
    files, tar shards such as 'data/{000..999}.tar', or the name of an embedded sample: digits.

    Under torchrun its processes train one network together.
    """
    settings = given(flags)
    if run is not None:
        refuse_with_resume(data, file, settings)
    elif data is None:
        raise click.UsageError("give DATA to train on, or --resume RUN.")

    from ..show import show_metrics
    from ..terminal import show_json
    from ..training import resume, train

    result = resume(run) if run is not None else train(str(data), config=file, **settings)
    if not leads():
        return  # the first of several processes says it
    metrics = result.metrics if result.has_metrics else None
    if as_json:
        show_json({"run": str(result.path), "metrics": metrics})
        return
    if metrics:
        show_metrics(metrics)
    if result.report:
        click.echo(f"report: {result.report}")
    click.echo(f"run folder: {result.path}")

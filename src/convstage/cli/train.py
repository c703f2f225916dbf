"""``convstage train``: every field of `convstage.Config` is a flag."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from ..config import Config
from ..distributed import leads
from ..errors import ConfigError

_SHORT = {"pattern": "-p", "epochs": "-e", "batch_size": "-b", "name": "-n", "out": "-o"}


def _option(name: str, field: FieldInfo) -> click.Option:
    """Return the flag for a field; left out, it stays None and the config file or the default decides."""
    flag = f"--{name.replace('_', '-')}"
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    help_text = f"{field.description}" + (
        "" if field.default is None or isinstance(field.default, bool) else f" [{field.default}]"
    )
    if kinds[0] is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}", name], default=None, help=help_text)
    if get_origin(field.annotation) is Literal:
        return click.Option([flag, name], type=click.Choice(kinds), default=None, help=help_text)
    metavar = {int: "N", float: "X", str: "TEXT"}[kinds[0]]
    names = [flag, name, *([_SHORT[name]] if name in _SHORT else [])]
    return click.Option(names, type=kinds[0], default=None, metavar=metavar, help=help_text)


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
@click.argument("data", required=False)
@click.option("-c", "--config", "file", metavar="FILE", help="YAML file of settings; flags overrule it.")
@click.option("--resume", "run", metavar="RUN", help="Go on with an interrupted run.")
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
    from ..training import resume, train

    result = resume(run) if run is not None else train(str(data), config=file, **settings)
    if not leads():
        return  # the first of several processes says it
    metrics = result.metrics if result.has_metrics else None
    if as_json:
        click.echo(json.dumps({"run": str(result.path), "metrics": metrics}, indent=1, ensure_ascii=False))
        return
    if metrics:
        show_metrics(metrics)
    if result.report:
        click.echo(f"report: {result.report}")
    click.echo(f"run folder: {result.path}")

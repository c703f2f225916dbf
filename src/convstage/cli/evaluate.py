"""``convstage evaluate``: figures with intervals."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("run")
@click.argument("data", required=False)
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(run: str, data: str | None, as_json: bool) -> None:
    """Evaluate RUN on its own test images, or on DATA, whose classes must be among the run's.

    The figures and every prediction are also written into the run folder.
    """
    from ..evaluation import evaluate
    from ..show import show_metrics

    metrics = evaluate(run, data)
    if as_json:
        click.echo(json.dumps(metrics, indent=1, ensure_ascii=False))
    else:
        show_metrics(metrics)

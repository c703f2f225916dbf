"""``convstage compare``: several patterns, and hand-made features, on the same images."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigError
from .completion import DATA, FILE, FOLDER
from .train import given, options, refuse_with_resume


@click.command(params=options("pattern", "report"))
@click.argument("patterns", nargs=-1, metavar="PATTERN…")
@click.option(
    "-d",
    "--data",
    metavar="DATA",
    type=DATA,
    help="What all are trained on: a folder, a file or a sample, as in train.",
)
@click.option(
    "--baseline", "baselines", multiple=True, metavar="NAME", help="Hand-made features beside them: hog or pixels."
)
@click.option("--seeds", type=int, metavar="N", help="Train each N times, with other weights and another split. [1]")
@click.option("-c", "--config", "file", metavar="FILE", type=FILE, help="YAML file of settings; flags overrule it.")
@click.option("--resume", "folder", metavar="FOLDER", type=FOLDER, help="Go on with an interrupted comparison.")
@click.option("--json", "as_json", is_flag=True, help="Print the folder and the figures as data.")
def command(
    patterns: tuple[str, ...],
    data: str | None,
    baselines: tuple[str, ...],
    seeds: int | None,
    file: str | None,
    folder: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Train several patterns with the same recipe on the same images, and compare them in one table.

    Parameters, multiply-adds, test accuracy with its interval, accuracy when the test images
    are shifted by 1 to 4 pixels, training time; and which are better than the first. All
    settings of convstage train apply.

    \b
    convstage compare "INPUT -> FC -> CLASSIFIER" "INPUT -> CONV -> RELU -> CLASSIFIER" --data digits
    convstage compare "INPUT -> CONV -> RELU -> CLASSIFIER" --baseline hog --data digits --seeds 3
    """
    settings = given(flags)
    if folder is not None:
        if patterns:
            raise ConfigError("--resume goes on with the comparison's own patterns; leave out PATTERN.")
        own = {"data": data, "baseline": baselines or None, "seeds": seeds}
        refuse_with_resume(None, file, settings | given(own))
    elif not patterns or data is None:
        raise click.UsageError("give patterns and --data DATA to train on, or --resume FOLDER.")

    from ..comparison import compare, resume
    from ..show_comparison import show_comparison
    from ..terminal import show_json

    if folder is not None:
        result = resume(folder)
    else:
        result = compare(
            patterns, str(data), baseline=baselines, seeds=1 if seeds is None else seeds, config=file, **settings
        )
    if as_json:
        show_json({"folder": str(result.path), **result.metrics})
        return
    show_comparison(result.metrics)
    click.echo(f"folder: {result.path}")

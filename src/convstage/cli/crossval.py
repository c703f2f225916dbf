"""``convstage crossval``: every image tested once, by a network that has not seen it."""

from __future__ import annotations

from typing import Any

import click

from .completion import DATA, FILE, FOLDER
from .train import given, options, refuse_with_resume


@click.command(params=options("test", "split_file", "report"))
@click.argument("data", required=False, type=DATA)
@click.option("-k", "--folds", type=int, metavar="N", help="How many turns, each with other images for the test. [5]")
@click.option("-c", "--config", "file", metavar="FILE", type=FILE, help="YAML file of settings; flags overrule it.")
@click.option("--resume", "folder", metavar="FOLDER", type=FOLDER, help="Go on with an interrupted cross-validation.")
@click.option("--json", "as_json", is_flag=True, help="Print the folder and the figures as data.")
def command(
    data: str | None, folds: int | None, file: str | None, folder: str | None, as_json: bool, **flags: Any
) -> None:
    """Train and test a network in turns on DATA, so that every image is tested once.

    In each turn one fold of the images is set aside for the test; images of one group stay
    together. All settings of convstage train apply. Figures of each fold, their spread, and
    the figures of all predictions together, which are written to predictions.csv.
    """
    settings = given(flags)
    if folder is not None:
        refuse_with_resume(data, file, settings | ({} if folds is None else {"folds": folds}))
    elif data is None:
        raise click.UsageError("give DATA to train on, or --resume FOLDER.")

    from ..cross_validation import crossval, resume
    from ..show_folds import show_folds
    from ..terminal import show_json

    if folder is not None:
        result = resume(folder)
    else:
        result = crossval(str(data), folds=5 if folds is None else folds, config=file, **settings)
    if as_json:
        show_json({"folder": str(result.path), **result.metrics})
        return
    show_folds(result.metrics)
    click.echo(f"folder: {result.path}")

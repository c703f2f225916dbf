"""``convstage evaluate``: figures with intervals."""

from __future__ import annotations

import click

from .completion import DATA, FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.argument("data", required=False, type=DATA)
@click.option("--part", type=click.Choice(["train", "val", "test"]), help="Which part of the images. [test]")
@click.option("--classes", metavar="NAMES", help="These classes of DATA only, separated by commas.")
@click.option("--group-regex", metavar="REGEX", help="What of the names in DATA is an image's group.")
@click.option("--calibrate", is_flag=True, help="Fit a temperature to the validation part first, and keep it.")
@click.option("--sensitivity", type=float, metavar="X", help="Choose the threshold for it on the validation part.")
@click.option("--specificity", type=float, metavar="X", help="The same for a specificity.")
@click.option("--positive", metavar="CLASS", help="What is looked for. [the last class of two]")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(
    run: str,
    data: str | None,
    part: str | None,
    classes: str | None,
    group_regex: str | None,
    calibrate: bool,
    sensitivity: float | None,
    specificity: float | None,
    positive: str | None,
    as_json: bool,
) -> None:
    """Evaluate RUN on its own test images, or on DATA, whose classes must be among the run's.

    The figures and every prediction are also written into the run folder. What --calibrate
    finds is used by convstage predict, too.
    """
    from ..evaluation import evaluate
    from ..show import show_metrics
    from ..terminal import show_json
    from ..text import names

    metrics = evaluate(
        run,
        data,
        part=part,
        classes=None if classes is None else names(classes),
        group_regex=group_regex,
        calibrate=calibrate,
        sensitivity=sensitivity,
        specificity=specificity,
        positive=positive,
    )
    if as_json:
        show_json(metrics)
    else:
        show_metrics(metrics)

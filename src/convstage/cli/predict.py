"""``convstage predict``: class names and probabilities."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import DataError
from .completion import FILE


@click.command()
@click.argument("run", type=FILE)
@click.argument("images", nargs=-1, required=True, metavar="FILE|DIR…", type=FILE)
@click.option("--csv", "csv_file", metavar="FILE", type=FILE, help="Write a table instead; - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
@click.option("--device", default="cpu", metavar="TEXT", help="Where to compute. [cpu]")
def command(run: str, images: tuple[str, ...], csv_file: str | None, as_json: bool, device: str) -> None:
    """Print what the network of RUN, a run folder or an ONNX file made from one, says of each image.

    Of a folder, all images are taken; files in it that cannot be read are listed and passed
    over. A file that is named and cannot be read is an error.
    """
    from ..files import csv_text, write_text
    from ..predict import load, predict_files
    from ..terminal import show_json

    named = [Path(image) for image in images]
    classifier = load(run, device)
    found, unreadable = predict_files(classifier, named)
    for path, reason in unreadable:
        click.echo(f"convstage: {path}: {reason}", err=True)
    if as_json:
        rows = [
            {"image": str(path), "class": p.label, "probability": p.probability, "probabilities": p.probabilities}
            for path, p in found
        ]
        show_json(rows)
    elif csv_file:
        header = ["image", "prediction", "probability", *(f"p({name})" for name in classifier.classes)]
        table = [[path, p.label, p.probability, *p.probabilities.values()] for path, p in found]
        text = csv_text(header, [[f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row] for row in table])
        if csv_file == "-":
            click.echo(text, nl=False)
        else:
            try:
                write_text(csv_file, text)
            except OSError as error:
                raise DataError(f"{csv_file} cannot be written: {error.strerror}.") from None
            click.echo(f"{csv_file}: {len(found)} predictions")
    else:
        for path, prediction in found:
            ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
            others = ", ".join(f"{name} {probability:.1%}" for name, probability in ranked[1:4])
            click.echo(f"{path}: {prediction.label} {prediction.probability:.1%}  ({others})")
    if not found or any(path in named for path, _ in unreadable):
        sys.exit(2)

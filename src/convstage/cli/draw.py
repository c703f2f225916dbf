"""``convstage draw``: the architecture as a picture."""

from __future__ import annotations

import click

from ..pattern import Pattern
from .completion import FILE
from .summary import planned


@click.command()
@click.argument("pattern")
@click.option("-o", "--output", required=True, metavar="FILE", type=FILE, help="Where to: .svg, .png or .pdf.")
@click.option("--input", "image", metavar="HxWxC", help="Image size.")
@click.option("--classes", type=click.IntRange(1), help="Number of classes.")
def command(pattern: str, output: str, image: str | None, classes: int | None) -> None:
    """Draw the architecture of PATTERN: volumes that shrink and deepen, labelled."""
    from ..pattern.draw import draw

    click.echo(draw(planned(Pattern(pattern), image, classes), output))

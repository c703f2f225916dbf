"""``convstage report``: a run as one page, for people who were not there."""

from __future__ import annotations

import click

from ..errors import DataError
from .completion import FILE, FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.option(
    "-o", "--output", metavar="FILE", type=FILE, help="Write the page there, and no model card. [report.html in RUN]"
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def command(run: str, output: str | None, show: bool) -> None:
    """Write the report of RUN anew: report.html, one page that needs no other file, and CARD.md, a model card.

    Training does the same at its end. The page has the figures of the last evaluation, so that
    after convstage evaluate RUN --calibrate it is worth another turn. A model card that was
    edited is kept as it is.

    \b
    convstage report runs/xrays-1 --open
    convstage report runs/xrays-1 -o xrays.html
    """
    from ..report import edited, write_report
    from ..run import CARD, Run

    opened = Run.open(run)
    kept = output is None and edited(opened)
    try:
        page = write_report(opened, out=output)
    except OSError as error:
        raise DataError(
            f"{output or opened.path} cannot be written: {error.strerror}.\nChoose another place with -o FILE."
        ) from None
    click.echo(f"report: {page}")
    if output is None:
        told = " was edited, and is kept as it is; without it, it is written anew" if kept else ""
        click.echo(f"model card: {opened.path / CARD}{told}")
    if show and click.launch(str(page)):
        raise DataError(f"no browser could be opened.\nOpen {page} yourself.")

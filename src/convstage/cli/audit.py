"""``convstage audit``: what may mislead in a folder of images."""

from __future__ import annotations

import sys

import click

from ..errors import DataError
from .completion import DATA, FILE


@click.command()
@click.argument("data", type=DATA)
@click.option("--classes", metavar="TEXT", help="These classes only, separated by commas.")
@click.option("--group-regex", metavar="TEXT", help="Regular expression for what of an image's name is its group.")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
@click.option("--out", metavar="FILE", type=FILE, help="Write it as data, with all files, too.")
@click.option("--strict", is_flag=True, help="End with code 1 when there is an error among the findings.")
def command(
    data: str, classes: str | None, group_regex: str | None, as_json: bool, out: str | None, strict: bool
) -> None:
    """Look for what may mislead in DATA: duplicates, leaks between its parts, blank or odd images, shortcuts.

    The same is done before every training, with the parts that are drawn for it.
    """
    from ..audit import audit
    from ..audit.show import show_audit
    from ..data import open_source
    from ..files import write_json
    from ..shell import FOUND
    from ..terminal import show_json
    from ..text import names

    chosen = None if classes is None else names(classes)
    name, source = open_source(data, classes=chosen, group_regex=group_regex)
    result = audit(source, data=name)
    if as_json:
        show_json(result.to_dict())
    else:
        show_audit(result)
    if out is not None:
        try:
            write_json(out, result.to_dict())
        except OSError as error:
            raise DataError(f"{out} cannot be written: {error.strerror}.") from None
        click.echo(f"as data: {out}", err=as_json)
    if strict and result.errors:
        sys.exit(FOUND)

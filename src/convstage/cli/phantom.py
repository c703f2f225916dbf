"""``convstage phantom``: synthetic chest radiographs."""

from __future__ import annotations

import click

from .completion import FOLDER

#: As in `phantom.SHORTCUTS`, which is not imported for the help.
_SHORTCUTS = ["border", "size", "compression", "marker"]


@click.command()
@click.argument("out", type=FOLDER)
@click.option("--images", type=click.IntRange(2), default=2000, show_default=True, help="How many.")
@click.option("--size", type=click.IntRange(16, 2048), default=128, show_default=True, help="Side in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other patients.")
@click.option("--classes", type=click.IntRange(2, 3), default=2, show_default=True, help="3: with pneumonia.")
@click.option("--views", type=click.IntRange(1), default=1, show_default=True, help="Images of each patient.")
@click.option(
    "--shortcut",
    type=click.Choice(_SHORTCUTS),
    is_flag=False,
    flag_value=_SHORTCUTS[0],
    help="Plant an artefact that gives corona away; which one, border if none is named.",
)
@click.option("--format", "kind", type=click.Choice(["png", "jpeg"]), help="Of the files [png].")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as data.")
def command(
    out: str,
    images: int,
    size: int,
    seed: int,
    classes: int,
    views: int,
    shortcut: str | None,
    kind: str | None,
    as_json: bool,
) -> None:
    """Synthetic chest radiographs, healthy and not, in a new folder OUT, with the mask of every lesion beside it.

    The same seed gives the same images. Train on them with: convstage train OUT.
    """
    from ..phantom import write
    from ..terminal import show_json

    done = write(out, images, seed, size, classes=classes, views=views, shortcut=shortcut, format=kind)  # type: ignore[arg-type]
    if as_json:
        made = {"images": done.images, "lesions": done.lesions}
        show_json({"folder": str(done.path), "masks": str(done.masks), **made})
        return
    click.echo(f"{done.path}: {done.images:,} synthetic radiographs")
    click.echo(f"{done.masks}: masks of their {done.lesions:,} lesions")

"""``convstage features``: what the filters of a trained network answer to."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, RunError
from .completion import FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--part",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="Whose images are looked at.",
)
@click.option("--filters", metavar="N|all", default="16", show_default=True, help="How many filters of each layer.")
@click.option("--patches", type=click.IntRange(1), default=9, show_default=True, help="Images of each filter.")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="This layer only; may be given again. [all]")
@click.option("--no-synthesis", is_flag=True, help="Make no images that excite the filters.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the noise that these begin as.")
@click.option("-o", "--out", metavar="FOLDER", type=FOLDER, help="Where the files go. [RUN/features]")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(
    run: str,
    part: str,
    filters: str,
    patches: int,
    layers: tuple[str, ...],
    no_synthesis: bool,
    seed: int,
    out: str | None,
    as_json: bool,
) -> None:
    """Show what the filters of RUN have learned to see, from small patterns to whole objects.

    For every convolution: its filters, the parts of images that excite each of them most,
    and an image made to excite it; for every class the images that are surest of it. Written
    as a page, features.html, as sheets, one PNG file for each layer, and as data, features.json.

    \b
    convstage features runs/xrays-1
    convstage features runs/xrays-1 --layer stage3 --filters all --part test
    """
    number = _number(filters)

    from ..files import write_json
    from ..learned import features
    from ..learned.show import show_features
    from ..terminal import show_json

    found = features(
        run,
        part=part,
        filters=number,
        patches=patches,
        layers=layers or None,
        synthesise=not no_synthesis,
        seed=seed,
    )
    folder = found.run / "features" if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = found.save_html(folder / "features.html")
        sheets = found.save_pngs(folder)
        write_json(folder / "features.json", found.to_dict())
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror}.\nGive another folder with --out.") from None
    if as_json:
        show_json(found.to_dict())
    else:
        show_features(found)
        click.echo(f"page: {page}")
        click.echo(f"sheets: {folder}/{{{','.join(sheet.stem for sheet in sheets)}}}.png")


def _number(text: str) -> int | None:
    """Return how many filters are asked for; None for all."""
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--filters {text}: expected a number of at least 1, or all.")
    return int(text)

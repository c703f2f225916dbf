"""``convstage shard``: labelled images as tar shards, for data that is larger than one disk."""

from __future__ import annotations

import click

from ..errors import ConfigError
from .completion import DATA, FILE, FOLDER


@click.command()
@click.argument("data", type=DATA)
@click.option("-o", "--out", required=True, type=FOLDER, help="A new folder for the shards.")
@click.option("--size", metavar="SIZE", help="Bytes of a shard at most, such as 100MB or 1GB. [256MB]")
@click.option("--images", type=click.IntRange(1), metavar="N", help="Images of a shard, instead.")
@click.option("--val", type=float, default=0.15, show_default=True, help="Share of the images for validation.")
@click.option("--test", type=float, default=0.15, show_default=True, help="Share of the images for the final test.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Fixes parts and order.")
@click.option("--classes", metavar="TEXT", help="These classes only, in this order, separated by commas.")
@click.option("--group-regex", metavar="TEXT", help="Regular expression for what of an image's name is its group.")
@click.option("--split-file", type=FILE, help="File that names the parts, as in convstage train.")
@click.option(
    "--max-unreadable", type=float, default=0.05, show_default=True, help="Share of the files that may be unreadable."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was made as data.")
def command(
    data: str,
    out: str,
    size: str | None,
    images: int | None,
    val: float,
    test: float,
    seed: int,
    classes: str | None,
    group_regex: str | None,
    split_file: str | None,
    max_unreadable: float,
    as_json: bool,
) -> None:
    """Put the images of DATA into tar shards in a new folder OUT, divided into parts and shuffled.

    Every image is decoded once, so that none turns out to be unreadable in the middle of a
    training. The same data and settings give the same bytes.

    \b
    convstage shard xrays -o shards --size 1GB
    convstage train 'shards/{000..099}.tar'
    """
    from ..data.shards.make import DEFAULT_SIZE, make_shards
    from ..terminal import show_json
    from ..text import memory, names

    if size is not None and images is not None:
        raise ConfigError("--size and --images both say how large a shard is.\nLeave one of them out.")
    check_shares(val, test, max_unreadable)
    made = make_shards(
        data,
        out,
        size=size or DEFAULT_SIZE,
        images=images,
        val=val,
        test=test,
        seed=seed,
        classes=None if classes is None else names(classes),
        group_regex=group_regex,
        split_file=split_file,
        max_unreadable=max_unreadable,
    )
    if as_json:
        counts = {"shards": made.shards, "images": made.images, "bytes": made.bytes, "parts": made.parts}
        left_out = [{"file": file, "reason": reason} for file, reason in made.unreadable]
        show_json({"folder": str(made.path), **counts, "notes": made.notes, "unreadable": left_out})
        return
    parts = ", ".join(f"{part} {count:,}" for part, count in made.parts.items())
    click.echo(f"{made.path}: {made.images:,} images in {made.shards:,} shards, {memory(made.bytes)}")
    click.echo(parts)
    for note in made.notes:
        click.echo(note)
    if made.unreadable:
        listed = f"cannot be read, see {made.path}/unreadable.csv"
        click.echo(
            f"left out: {len(made.unreadable):,} {'file' if len(made.unreadable) == 1 else 'files'} that {listed}"
        )
    click.echo(f"train on them: convstage train {made.path}")


def check_shares(val: float, test: float, max_unreadable: float) -> None:
    """Refuse shares that a training would refuse."""
    from ..config import make_config

    make_config(val=val, test=test, max_unreadable=max_unreadable)

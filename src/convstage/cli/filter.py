"""``convstage filter``: a filter at work on an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigError
from .completion import FILE, PICTURE


def numbers(*words: str, both: bool = False) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return what reads an option: a number, or one for each direction (``2``, ``2x3``, ``2,3``), or one of some words.

    Parameters
    ----------
    *words : str
        Taken as they are.
    both : bool
        Whether it must be two numbers.
    """

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        if value is None or value in words:
            return value
        match = re.fullmatch(r"([0-9]{1,6})(?:[x×,]([0-9]{1,6}))?", value.replace(" ", ""))
        if not match or (both and match[2] is None):
            wanted = [*words, *([] if both else ["a number such as 2"]), "two such as 2,1"]
            raise click.BadParameter(f"{value!r} is none of: {', '.join(wanted)}.", ctx, param)
        return int(match[1]) if match[2] is None else (int(match[1]), int(match[2]))

    return read


@click.command()
@click.argument("image", type=PICTURE)
@click.option(
    "-k", "--kernel", "kernels", multiple=True, metavar="FILTER", help="A name or rows of numbers; repeatable."
)
@click.option("--gallery", is_flag=True, help="All named filters on one sheet.")
@click.option(
    "--stride", metavar="N", default="1", callback=numbers(), help="Rows and columns from one patch to the next. [1]"
)
@click.option(
    "--padding",
    metavar="N",
    callback=numbers("valid", "same"),
    default="valid",
    help="Zeros around the image: valid (none), same, or how many. [valid]",
)
@click.option("--flip", is_flag=True, help="Convolution, with the filter turned, beside cross-correlation.")
@click.option("--relu", is_flag=True, help="Then ReLU: what is negative becomes 0.")
@click.option(
    "--pool", type=click.Choice(["max", "avg"]), help="Then pooling: the largest of every window, or the mean."
)
@click.option("--pool-size", metavar="N", default="2", callback=numbers(), help="Height and width of its window. [2]")
@click.option("--pool-stride", metavar="N", callback=numbers(), help="From one window to the next. [its size]")
@click.option("--levels", type=click.Choice(["plain", "signed"]), help="Black to white is 0 to 1, or -1 to 1. [plain]")
@click.option("--size", metavar="HxW", help="Bring the image to this size first.")
@click.option(
    "--cell",
    metavar="ROW,COLUMN",
    callback=numbers(both=True),
    help="How this cell of the last map came about; from 0.",
)
@click.option("--matrix", is_flag=True, help="The convolution written out as the matrix that it is.")
@click.option(
    "-o", "--output", metavar="FILE", type=FILE, help="Where to draw it: .png, .svg or .pdf. [here, IMAGE-FILTER.png]"
)
@click.option("--json", "as_json", is_flag=True, help="The same as data; drawn only with -o.")
def command(
    image: str,
    kernels: tuple[str, ...],
    gallery: bool,
    flip: bool,
    levels: Any,
    size: str | None,
    cell: Any,
    matrix: bool,
    output: str | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Show a filter at work: IMAGE, the filter, and the map that comes of it.

    IMAGE is a file, or nine or nine-shifted, the lecture's digit. Colours become grey. A FILTER is
    a name (loopy, vertical, diagonal, sobel, sharpen, blur, …) or rows of numbers. Small images are
    printed as numbers, with the arithmetic of a cell.

    \b
    convstage filter nine -k loopy --relu --pool max --pool-stride 1
    convstage filter nine -k loopy --matrix
    convstage filter photo.jpg -k sobel --flip
    convstage filter photo.jpg -k '0 1 0; 1 -4 1; 0 1 0' --padding same
    convstage filter photo.jpg --gallery
    """
    from ..data import parse_size
    from ..filters import KERNELS, apply, prove, read_values
    from ..filters.draw import draw
    from ..filters.show import show
    from ..filters.values import MAX_PIXELS
    from ..terminal import show_json

    chosen = [*kernels, *(KERNELS if gallery else ())]
    if not chosen:
        raise ConfigError(f"there is no filter.\nGive one, such as -k sobel; there are {', '.join(KERNELS)}.")
    if len(chosen) > 1 and (flip or matrix or cell is not None):
        raise ConfigError("--flip, --matrix and --cell are for one filter.\nGive -k once, and no --gallery.")
    if output is not None and Path(output).resolve() == Path(image).resolve():
        raise ConfigError(f"{output} is the image itself.\nDraw into another file.")

    resize = parse_size(size) if size else None
    values = read_values(image, levels=levels, resize=resize, most=MAX_PIXELS // len(chosen))
    filtered = [apply(values, kernel, **settings) for kernel in chosen]
    turned = apply(values, chosen[0], flip=True, **settings) if flip else None
    proof = prove(turned or filtered[0]) if matrix else None
    # Drawn before anything is printed: a file that cannot be written is told at once.
    path = draw(filtered, turned, proof, cell, path=output) if output is not None or not as_json else None
    if as_json:
        data = {"filters": [one.to_dict() for one in [*filtered, turned] if one is not None]}
        show_json(data | ({"matrix": proof.to_dict()} if proof else {}))
    else:
        show(filtered, turned, proof, cell)
    if path is not None:
        click.echo(f"picture: {path}", err=as_json)

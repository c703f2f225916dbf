"""``convstage export``: a run as an ONNX file."""

from __future__ import annotations

import click

from .completion import DATA, FILE, FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.option("-o", "--output", required=True, metavar="FILE", type=FILE, help="Where to: a name that ends in .onnx.")
@click.option("--int8", is_flag=True, help="Weights and maps in eight bits: a quarter of the size.")
@click.option("--images", type=int, metavar="N", help="Of --int8: find ranges on so many training images. [256]")
@click.option("--seed", type=int, metavar="N", help="Of --int8: draws these images. [0]")
@click.option("--data", metavar="PATH", type=DATA, help="Where the images of RUN lie now, if they have been moved.")
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(
    run: str, output: str, int8: bool, images: int | None, seed: int | None, data: str | None, as_json: bool
) -> None:
    """Export the network of RUN as one ONNX file, with its preprocessing, and check that it answers as RUN does.

    What goes in is an image as pixels, decoded and resized; all that follows, to the probabilities, is in the
    file, and so are the names of the classes and the model card. It is checked on all test images,
    and not written when it disagrees. Of --int8 the accuracy before and after is told.

    \b
    convstage export runs/xrays-1 -o net.onnx
    convstage export runs/xrays-1 -o small.onnx --int8
    convstage predict net.onnx patient.png      needs ONNX Runtime, and no torch
    """
    from ..errors import ConfigError

    if not int8 and not (images is None and seed is None):
        raise ConfigError("--images and --seed choose the images for --int8.\nAdd --int8, or leave them out.")
    from ..export import write_onnx
    from ..export.quantise import IMAGES, SEED
    from ..export.show import words
    from ..terminal import show_json

    made = write_onnx(
        run,
        output,
        int8=int8,
        images=IMAGES if images is None else images,
        seed=SEED if seed is None else seed,
        data=data,
    )
    if as_json:
        show_json(made.to_dict())
    else:
        click.echo(words(made))

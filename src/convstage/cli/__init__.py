"""The command line: arguments in, calls out. One file per command, imported when it is asked for."""

from __future__ import annotations

import io
import sys
from importlib import import_module

import click

from ..distributed.place import refuse_several
from ..errors import ConvstageError, TrainingStopped

#: Command -> one line for `convstage --help`, which imports none of them.
COMMANDS = {
    "train": "Train a network on labelled images.",
    "crossval": "Train and test in turns, so that every image is tested once.",
    "compare": "Train several patterns on the same images, and compare them in one table.",
    "search": "Search a family of patterns and the settings of their training, by any number of workers.",
    "evaluate": "Figures with intervals, on the run's test images or on others.",
    "explain": "Walk one image through every stage: filters, maps, receipts, evidence.",
    "features": "What the filters of a trained network have learned to see.",
    "serve": "The explorer: a page in the browser, and the HTTP API behind it.",
    "report": "A run as one page for people who were not there, and its model card.",
    "predict": "Class names and probabilities for images.",
    "audit": "What may mislead in labelled images: duplicates, leaks, shortcuts.",
    "phantom": "Synthetic chest radiographs, with the mask of every lesion.",
    "shard": "Labelled images as tar shards, for data that is larger than one disk.",
    "filter": "A filter at work on an image: convolution, ReLU, pooling, as numbers and colours.",
    "summary": "Account for every layer of a pattern, or list a family.",
    "draw": "Draw the architecture of a pattern as a picture.",
    "bench": "How fast a network is on this machine, against plain torch.",
    "info": "Versions, threads, and which implementation of the stage is active.",
}


class Commands(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        if cmd_name != "train":
            refuse_several(cmd_name)  # only training shares its work among processes
        command: click.Command = import_module(f".{cmd_name}", __name__).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="convstage", message="%(prog)s %(version)s")
def cli() -> None:
    """Convolutional networks on your own images, on the machine you have.

    \b
    convstage train FOLDER          one folder of images for each class
    convstage evaluate RUN          how good it is, with intervals
    convstage predict RUN IMAGE…    what it says of other images
    """


def main() -> None:
    """Run the command line; our own errors are printed without a traceback, with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files and classes need not be text that a terminal can show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="convstage")
    except TrainingStopped as stopped:
        click.echo(f"convstage: {stopped}", err=True)
        sys.exit(128 + stopped.signal)
    except ConvstageError as error:
        click.echo(f"convstage: {error}", err=True)
        sys.exit(2)

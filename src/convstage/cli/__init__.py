"""The command line: arguments in, calls out. One file per command, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from ..distributed.place import refuse_several
from ..shell import read_by_somebody, run

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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
    "export": "A run as one ONNX file with its preprocessing, checked against the run.",
    "predict": "Class names and probabilities for images.",
    "audit": "What may mislead in labelled images: duplicates, leaks, shortcuts.",
    "phantom": "Synthetic chest radiographs, with the mask of every lesion.",
    "shard": "Labelled images as tar shards, for data that is larger than one disk.",
    "filter": "A filter at work on an image: convolution, ReLU, pooling, as numbers and colours.",
    "summary": "Account for every layer of a pattern, or list a family.",
    "draw": "Draw the architecture of a pattern as a picture.",
    "bench": "How fast a network is on this machine, against plain torch.",
    "completion": "What a shell needs to complete commands, options and paths.",
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        # Imports none of them either: a shell asks at every press of the key.
        named = [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with read_by_somebody():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with read_by_somebody():
            return super().invoke(ctx)

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
    run(cli)

"""``convstage completion``: what a shell needs to complete commands, options, choices and paths."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class
from click.types import StringParamType

SHELLS = ("bash", "zsh", "fish")
#: The variable by which the shell asks, and which click reads; it follows from the program's name.
VARIABLE = "_CONVSTAGE_COMPLETE"


class Place(StringParamType):
    """A text that stands for a place: completed as a path, and else taken as it is; nothing is looked for.

    Parameters
    ----------
    kind : str
        ``file`` or ``dir``.
    *words : str
        What it may be, too.
    """

    def __init__(self, kind: str, *words: str) -> None:
        self.kind, self.words = kind, words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        words = [CompletionItem(word) for word in self.words if word.startswith(incomplete)]
        return [CompletionItem(incomplete, type=self.kind), *words]


#: A run folder, or another folder; a file; labelled images; a picture.
FOLDER, FILE = Place("dir"), Place("file")
DATA, PICTURE = Place("file", "digits"), Place("file", "nine", "nine-shifted")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what SHELL needs to complete the commands and options of convstage, the values of options, and paths.

    Put it where the shell reads it, once, and open a new shell:

    \b
    convstage completion bash > ~/.local/share/bash-completion/completions/convstage
    convstage completion zsh > "${fpath[1]}/_convstage"
    convstage completion fish > ~/.config/fish/completions/convstage.fish
    """
    from . import cli

    kind = get_completion_class(shell)
    assert kind is not None
    # As bytes: on Windows a text would get line ends that no shell takes.
    click.echo(kind(cli, {}, "convstage", VARIABLE).source().encode(), nl=False)

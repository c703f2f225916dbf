"""The reference of the command line, from the commands themselves: a hook of MkDocs.

Where reference/command-line.md has the line `<!-- commands -->`, every command gets a
heading, its description, its usage and a table of its options, in click's own words.
"""

import html
import inspect
import re
from collections.abc import Iterator

import click

MARKER = "<!-- commands -->"
#: click leaves a paragraph that begins with this as it is.
VERBATIM = "\b"


def on_page_markdown(markdown: str, **_) -> str:
    """Put the commands where the page wants them."""
    if MARKER not in markdown:
        return markdown
    from convstage.cli import cli

    return markdown.replace(MARKER, "\n".join(group(cli, "convstage")))


def group(commands: click.Group, name: str) -> Iterator[str]:
    """Yield the lines about all commands of a group."""
    context = commands.make_context(name, [], resilient_parsing=True)
    yield from options(commands, context)
    for key in commands.list_commands(context):
        command = commands.get_command(context, key)
        assert command is not None
        if not command.hidden:
            yield from section(command, click.Context(command, parent=context, info_name=key))


def section(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the lines about one command, and those of its own commands."""
    path = context.command_path
    yield from ("", f"## {path} {{ #{path.replace(' ', '-')} data-toc-label='{context.info_name}' }}", "")
    yield from description(command.help or "")
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    yield from ("", "```text", usage, "```", "")
    yield from options(command, context)
    if isinstance(command, click.Group):
        for key in command.list_commands(context):
            below = command.get_command(context, key)
            assert below is not None
            yield from section(below, click.Context(below, parent=context, info_name=key))


def description(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; what click would not wrap becomes a block of text."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text).partition("\f")[0]):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == VERBATIM:
            yield from ("```text", *lines[1:], "```", "")
        else:
            yield from (plain(paragraph), "")


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a table of the options, as `--help` words them."""
    records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    if records:
        yield from ("| option | meaning |", "|---|---|")
        # A phone breaks lines at spaces only: each spelling of an option is one piece.
        for names, meaning in records:
            yield f"| {' '.join(f'<code>{plain(name)}</code>' for name in names.split(', '))} | {plain(meaning)} |"
    yield ""


def plain(text: str) -> str:
    """Return a text that Markdown, HTML and tables leave as it is."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#])", lambda match: f"&#{ord(match[1])};", escaped)

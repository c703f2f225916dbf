"""``convstage serve``: the explorer in the browser, and the HTTP API."""

from __future__ import annotations

import click

from .completion import FOLDER


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, metavar="N", help="0 takes a free one. [8000]")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="The address to listen on. [127.0.0.1]")
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="NAME",
    help="A name that the server may be asked by, beside localhost; repeatable.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def command(run: str, port: int, host: str, allow_hosts: tuple[str, ...], opens: bool) -> None:
    """Serve the network of RUN: the explorer, a page in the browser, and the HTTP API behind it.

    Only this machine can reach it, unless --host says otherwise. Ctrl-C or SIGTERM stops it, after it
    has answered what it had accepted.

    \b
    convstage serve runs/digits-1 --open
    convstage serve runs/digits-1 --port 8080
    """
    from ..serve.run import serve

    serve(run, host=host, port=port, open_browser=opens, allow_hosts=allow_hosts)

"""``convstage info``: what a result may depend on."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The same as data.")
def command(as_json: bool) -> None:
    """Versions, threads, and which implementation of the stage is active."""
    from ..data.cache import cache_folder
    from ..environment import environment
    from ..stage import active
    from ..terminal import show_json

    facts = environment()
    facts["stage_reason"] = active().reason
    facts["cache"] = str(cache_folder())
    if as_json:
        show_json(facts)
        return
    versions = facts.pop("versions")
    for name, value in {**versions, **facts}.items():
        if name != "stage_reason":
            click.echo(f"{name:<14} {value}" + (f" ({facts['stage_reason']})" if name == "stage" else ""))

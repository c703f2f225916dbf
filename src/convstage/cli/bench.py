"""``convstage bench``: how fast a network is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..errors import ConfigError, DataError
from .completion import FILE, FOLDER

if TYPE_CHECKING:
    from ..network import Network

#: What is measured when nothing is named: two stages, as they are usual for small images.
PATTERN = "INPUT -> [CONV(32|64) -> RELU -> POOL]*2 -> FC(128) -> RELU -> CLASSIFIER"


@click.command()
@click.argument("run", required=False, type=FOLDER)
@click.option("-p", "--pattern", help=f"A pattern instead of a run's network. [{PATTERN}]")
@click.option("--image", metavar="HxWxC", help="Image size, where the pattern does not say it. [28x28x1]")
@click.option("--classes", type=click.IntRange(1), help="Number of classes, where the pattern does not say it. [10]")
@click.option(
    "-b", "--batch", type=click.IntRange(1), help="Images per step. [the run's; 64 for small images, else 32]"
)
@click.option("--seconds", default=2.0, metavar="X", help="About how long each side works at each task. [2]")
@click.option("--stages", is_flag=True, help="Every stage by itself, too.")
@click.option(
    "--json", "json_file", is_flag=False, flag_value="-", metavar="[FILE]", type=FILE,
    help="Print it as data instead of tables, or write it into FILE, too.",
)  # fmt: skip
def command(
    run: str | None,
    pattern: str | None,
    image: str | None,
    classes: int | None,
    batch: int | None,
    seconds: float,
    stages: bool,
    json_file: str | None,
) -> None:
    """Measure how fast a network is on this machine: the network of RUN, of a pattern, or a usual one.

    Training step, inference and one image at a time, with the compiled stage operator and
    layer by layer in plain torch. The two take turns.
    """
    from ..bench import bench
    from ..files import write_json
    from ..show_bench import show_bench
    from ..terminal import show_json

    given = {"--pattern": pattern, "--image": image, "--classes": classes}
    if run is not None:
        if any(given.values()):
            named = ", ".join(flag for flag, value in given.items() if value)
            raise ConfigError(f"a run has a network of its own; leave out {named}, or RUN.")
        network, usual = _of_run(run)
    else:
        network, usual = _of_pattern(pattern or PATTERN, image, classes)
    result = bench(network, batch or usual, seconds, stages)
    if json_file == "-":
        show_json(result)
        return
    show_bench(result)
    if json_file:
        try:
            write_json(json_file, result)
        except OSError as error:
            raise DataError(f"{json_file} cannot be written: {error.strerror}.") from None
        click.echo(f"as data: {json_file}")


def _of_run(run: str) -> tuple[Network, int]:
    """Return the network of a run folder, and the batch that it was trained with."""
    from ..predict import load
    from ..run import Run

    folder = Run.open(run)
    return load(folder).network, int(folder.config["settings"]["batch_size"])


def _of_pattern(pattern: str, image: str | None, classes: int | None) -> tuple[Network, int]:
    """Return the network of a pattern, and the batch that it would be trained with."""
    from ..pattern import Pattern
    from ..recipe import default_batch
    from .summary import planned

    plan = planned(Pattern(pattern), image, classes)
    return plan.build(seed=0), default_batch(*plan.image[:2])

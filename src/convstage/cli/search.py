"""``convstage search``: a family of patterns and the settings of their training, by any number of workers."""

from __future__ import annotations

import re
from typing import Any

import click

from ..errors import ConfigError
from .completion import FILE, FOLDER
from .summary import words_and_ranges
from .train import given, options, refuse_with_resume

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
#: What a worker may say when it goes on; all else is the search's.
_OWN = ("trials", "workers", "timeout", "heartbeat", "storage", "threads")


@click.command(params=options("pattern", "find_lr"), context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[DATA] [-N 1..3] [-M 1..4]…")
@click.option(
    "-f", "--family", metavar="PATTERN", help="Pattern with free letters and optional parts. [default pattern]"
)
@click.option("--letter", "letters", multiple=True, metavar="N=1..3", help="The same as -N 1..3, for any letter.")
@click.option(
    "--search", "searched", multiple=True, metavar="NAME=RANGE",
    help="Search a setting: learning_rate=1e-4..1e-2, batch_size=16,32,64, augment=on,off, filters=8,16,32, …",
)  # fmt: skip
@click.option(
    "--fix", "fixed", multiple=True, metavar="NAME=VALUE",
    help="Do not search a setting, filters or dropout; all: search what --search names, and nothing else.",
)  # fmt: skip
@click.option("-t", "--trials", type=int, metavar="N", help="Trainings in all, the default recipe among them. [30]")
@click.option("--sampler", type=click.Choice(["tpe", "random", "grid"]), help="How trials are chosen. [tpe]")
@click.option("--pruner", type=click.Choice(["median", "hyperband", "none"]), help="How trials are cut short. [median]")
@click.option("--max-parameters", metavar="N", help="Networks with more are never tried: 100000, 100k, 2M.")
@click.option("--max-madds", metavar="N", help="Networks with more multiply-adds per image are never tried.")
@click.option("--default/--no-default", "default", default=None, help="Train the default recipe first. [yes]")
@click.option("--timeout", metavar="TIME", help="Begin no trial after this time: 90 (seconds), 30m, 2h.")
@click.option("--workers", type=int, metavar="N", help="Processes on this machine, which share its cores. [1]")
@click.option(
    "--storage", envvar="CONVSTAGE_STORAGE", metavar="URL",
    help="Data base that workers share: postgresql://USER@HOST/NAME, sqlite:///FILE. [a file in the search's folder]",
)  # fmt: skip
@click.option("--heartbeat", type=int, metavar="S", help="Seconds between two signs of life of a worker. [30]")
@click.option("-c", "--config", "file", metavar="FILE", type=FILE, help="YAML file of settings; flags overrule it.")
@click.option(
    "--resume", "folder", metavar="FOLDER", type=FOLDER, help="Go on with a search, or join it on its machine."
)
@click.option(
    "--show", "shown", metavar="FOLDER|URL", type=FOLDER, help="Print the leaderboard as it stands, and train nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the folder and the leaderboard as data.")
def command(
    words: tuple[str, ...],
    file: str | None,
    folder: str | None,
    shown: str | None,
    as_json: bool,
    letters: tuple[str, ...],
    searched: tuple[str, ...],
    fixed: tuple[str, ...],
    **flags: Any,
) -> None:
    """Search a family of patterns, and the settings of their training, for the best validation figure.

    Every trial is a training of its own. Those that lag behind are cut short; the winner is an ordinary
    run, evaluated once on the test images. Run the same command with the same --name again, on this
    machine or with the same --storage on another, and it joins. All settings of convstage train apply;
    those that are given are not searched.

    \b
    convstage search DATA --family "INPUT -> [CONV -> RELU -> POOL]*M -> [FC -> RELU]*K -> CLASSIFIER" -M 1..4 -K 0..2
    convstage search DATA --storage postgresql://lab@db/searches --name lungs     on each machine
    convstage search --show runs/lungs                                           the leaderboard
    """
    data, ranges = _data_and_ranges(words)
    ranges |= _named(letters, "--letter")
    search_own = {name: flags.pop(name) for name in ("family", "sampler", "pruner", "default")}
    limits = {name: _limit(name, flags.pop(name)) for name in ("max_parameters", "max_madds")}
    own = given({name: flags.pop(name) for name in _OWN if name != "threads"})
    if "timeout" in own:
        own["timeout"] = _time(own["timeout"])
    settings = given(flags)
    if shown is not None:
        _show(shown, settings.pop("name", None), own.get("storage"), as_json)
        return

    if folder is not None:
        asked = given(search_own | limits) | ({"letter": ranges} if ranges else {})
        asked |= {name: value for name, value in (("search", searched), ("fix", fixed)) if value}
        threads = {"threads": settings.pop("threads")} if "threads" in settings else {}
        refuse_with_resume(data, file, settings | asked)
        from ..search import resume

        result = resume(folder, **own, **threads)
    elif data is None:
        raise click.UsageError("give DATA to search on, or --resume FOLDER, or --show FOLDER.")
    else:
        from ..search import search

        result = search(
            data,
            letters=ranges,
            searched=_named(searched, "--search", optional=True),
            fixed=_values(fixed),
            max_parameters=limits["max_parameters"],
            max_multiply_adds=limits["max_madds"],
            config=file,
            **given(search_own),
            **own,
            **settings,
        )
    _tell(result.path, own.get("storage"), as_json)


def _tell(path: Any, storage: str | None, as_json: bool) -> None:
    """Print what stands in a folder."""
    from ..search.look import look
    from ..terminal import show_json

    found = look(path, storage)
    if as_json:
        show_json(found)
        return
    from ..search.show import show_leaderboard

    show_leaderboard(found)
    for what in ("best", "leaderboard"):
        if found.get(what):
            click.echo(f"{what}: {found[what]}")
    click.echo(f"folder: {found['folder']}")


def _show(where: str, name: str | None, storage: str | None, as_json: bool) -> None:
    """Print the leaderboard of a folder, or of a data base."""
    if "://" not in where:
        _tell(where, storage, as_json)
        return
    from ..search.look import look_into
    from ..terminal import show_json

    found = look_into(where, name)
    if as_json:
        show_json(found)
        return
    from ..search.show import show_leaderboard

    show_leaderboard(found)


def _data_and_ranges(words: tuple[str, ...]) -> tuple[str | None, dict[str, str]]:
    """Tell DATA from the ranges of the family's letters."""
    others, ranges = words_and_ranges(words)
    for place, word in enumerate(others):
        if word.startswith("-") and len(word) > 1:
            raise click.UsageError(f"No such option: {word.partition('=')[0]}")
        if place:
            raise ConfigError(f"{word!r} is out of place.\nBeside DATA there are ranges such as -N 1..3.")
    return (others[0] if others else None), ranges


def _named(given: tuple[str, ...], flag: str, optional: bool = False) -> dict[str, str]:
    """Read ``NAME=VALUE`` pairs."""
    named = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name.strip() or not (equals or optional):
            raise ConfigError(f"{flag} {text}: write NAME=VALUE.")
        named[name.strip()] = value.strip()
    return named


def _values(fixed: tuple[str, ...]) -> dict[str, Any]:
    """Read what is fixed; ``all`` stands alone."""
    named = _named(tuple(text for text in fixed if text.strip() != "all"), "--fix")
    from ..search.choices import read_value

    values: dict[str, Any] = {name.replace("-", "_"): read_value(name, text) for name, text in named.items()}
    return values | ({"all": True} if any(text.strip() == "all" for text in fixed) else {})


def _limit(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kMG]?)", text.strip())
    most = round(float(match[1]) * _UNITS[match[2]]) if match else 0
    if most < 1:
        raise ConfigError(f"--{name.replace('_', '-')} {text}: a number such as 100000, 100k or 2M.")
    return most


def _time(text: str) -> float:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|min|m|h|d|)", text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not seconds:
        raise ConfigError(f"--timeout {text}: a time such as 90 (seconds), 30m or 2h.")
    return seconds

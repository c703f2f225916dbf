"""What a comparison compares, and by which seeds: checked before an image is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .baseline import find_baseline
from .config import Config, make_config
from .data import choose_geometry, open_source
from .errors import ConfigError, PatternError
from .pattern import Pattern, Plan
from .training import wanted_geometry

#: More seeds, or patterns, than this take longer than anyone waits.
MOST = 100


def parse_all(patterns: Sequence[str | Pattern]) -> list[Pattern]:
    """Read patterns.

    Raises
    ------
    PatternError
        A mistake; it says in which of them.
    """
    parsed = []
    for number, pattern in enumerate(patterns, 1):
        with _says_which(number, len(patterns)):
            parsed.append(pattern if isinstance(pattern, Pattern) else Pattern(pattern))
    return parsed


def check_sides(patterns: Sequence[str], baselines: Sequence[str]) -> None:
    """Refuse what is no comparison, or would take forever."""
    for name in baselines:
        find_baseline(name)
    sides = [*patterns, *baselines]
    if not patterns or len(sides) < 2:
        raise ConfigError("a comparison has two sides at least: give two patterns, or a pattern and a baseline.")
    if len(sides) > MOST:
        raise ConfigError(f"there are {len(sides)} patterns and baselines; {MOST} can be compared at most.")
    twice = next((side for place, side in enumerate(sides) if side in sides[:place]), None)
    if twice is not None:
        raise ConfigError(f"{twice} is there twice.\nLeave one out; for several trainings of each, ask for seeds.")


def choose_seeds(seeds: int | Sequence[int], config: Config) -> list[int]:
    """Return the seeds: those that are named, or so many from the configured one on."""
    numbers = list(range(config.seed, config.seed + seeds)) if isinstance(seeds, int) else list(seeds)
    if not 1 <= len(numbers) <= MOST or len(set(numbers)) < len(numbers):
        raise ConfigError(f"seeds = {seeds}: there can be 1 to {MOST}, each once.")
    for number in numbers:
        make_config(seed=number)  # says what a seed can be
    return numbers


def plan_all(patterns: Sequence[Pattern], data: str | Path, config: Config) -> tuple[Config, list[Plan]]:
    """Plan every pattern for the same images.

    Parameters
    ----------
    patterns : sequence of Pattern
        What one of them says of its INPUT, all read.
    data : path or str
        As for `convstage.train`.
    config : Config
        Its size and channels come before those that a pattern says.

    Returns
    -------
    config : Config
        With the first pattern, and with size and channels as the images will be read.
    plans : list of Plan

    Raises
    ------
    PatternError
        A family, or a pattern that does not fit the images; it says which.
    ConfigError, DataError
        Patterns of different images; nothing there that can be read.
    """
    saying = [(number, pattern) for number, pattern in enumerate(patterns, 1) if pattern.image]
    for number, pattern in saying[1:]:
        if pattern.image != saying[0][1].image:
            said = " but ".join(
                f"pattern {place} says INPUT({'x'.join(map(str, of.image or ()))})"
                for place, of in (saying[0], (number, pattern))
            )
            raise ConfigError(
                f"{said}: all must read the same images.\n"
                "Write INPUT alone, and give the size beside the patterns (--size)."
            )
    _, source = open_source(data, classes=config.classes, group_regex=config.group_regex)
    geometry = choose_geometry(source, **wanted_geometry(config, saying[0][1] if saying else patterns[0]))
    plans = []
    for number, pattern in enumerate(patterns, 1):
        with _says_which(number, len(patterns)):
            plans.append(pattern.plan(geometry.shape, len(source.classes)))
    size = f"{geometry.height}x{geometry.width}"
    read_as = {"pattern": str(patterns[0]), "size": size, "channels": geometry.channels}
    return config.model_copy(update=read_as), plans


@contextmanager
def _says_which(number: int, count: int) -> Iterator[None]:
    """Let an error say which of the patterns it is about."""
    try:
        yield
    except PatternError as error:
        problem = f"pattern {number} of {count}: {error.problem}" if count > 1 else error.problem
        raise PatternError(problem, error.text, error.start, error.end, error.hint) from None

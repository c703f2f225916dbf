"""A search from its settings to its winner; joined by any number of workers, and gone on with after any end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config import Config, make_config
from ..data import choose_geometry, open_source, restore_dataset
from ..errors import ConfigError
from ..pattern import Pattern
from ..pattern.pattern import Range
from ..recipe import default_pattern
from ..terminal import console
from ..training import prepare, wanted_geometry
from .choices import DROPOUT, FILTERS, Choice, check, read_all
from .folder import Search
from .going import Here, go_on, introduce_search
from .setup import Setup, describe_images, get, settings_of
from .space import Limits, make_space, searchable
from .storage import HEARTBEAT, need_optuna

#: Trials when nobody says how many, and the most that make sense.
MANY, MOST = 30, 100_000
#: By name; see `sampling`, which imports Optuna.
SAMPLERS, PRUNERS = ("tpe", "random", "grid"), ("median", "hyperband", "none")


def search(
    data: str | Path,
    family: str | Pattern | None = None,
    letters: Mapping[str, Range] | None = None,
    *,
    searched: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    trials: int | None = None,
    sampler: str = "tpe",
    pruner: str = "median",
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
    default: bool = True,
    storage: str | None = None,
    workers: int = 1,
    timeout: float | None = None,
    heartbeat: int = HEARTBEAT,
    config: str | Path | None = None,
    **settings: Any,
) -> Search:
    """Search a family of patterns, and the settings of their training, for the best validation figure.

    Called again with the same `name` (and `storage`) it joins: any number of workers share a search.

    Parameters
    ----------
    data : path or str
        As for `convstage.train`.
    family : str or Pattern, optional
        With free letters and optional parts; the default pattern when not given, so that only settings are searched.
    letters : mapping, optional
        For each free letter the counts it runs through: ``{"N": "1..3"}``.
    searched : mapping of str to str, optional
        Settings and their ranges, ``{"learning_rate": "1e-4..1e-2"}``, beside those that are searched anyway, see
        `convstage.search.choices.DEFAULTS`.
    fixed : mapping, optional
        Values for ``filters`` and ``dropout``, or for a setting; ``{"all": True}`` fixes all that is not in `searched`.
    trials : int, optional
        How many, with the default recipe; 30 when not given. A worker that joins may raise it.
    sampler : {"tpe", "random", "grid"}
        Bergstra et al. (2011) and (2012); a grid takes all of a list, and the ends and the middle of a range.
    pruner : {"median", "hyperband", "none"}
        Golovin et al. (2017), Li et al. (2018).
    max_parameters, max_multiply_adds : int, optional
        Networks above are never proposed.
    default : bool
        Whether the default recipe is the first trial, to measure the others by.
    storage : str, optional
        Address of the data base that workers share; a file in the search's folder when not given.
    workers : int
        Processes on this machine; they share its cores.
    timeout : float, optional
        Seconds after which this worker begins no trial.
    heartbeat : int
        Seconds between two signs of life; a worker without four of them counts as dead.
    config : path, optional
        A YAML file of settings.
    **settings
        Any field of `convstage.Config` but `pattern`; what is given here is not searched.

    Returns
    -------
    Search
        The folder: ``result.leaderboard``, ``result.best``.

    Raises
    ------
    ConfigError, PatternError, DataError
        Before anything is written; of a family that does not fit, before an image is decoded.
    RunError
        The storage cannot be reached.
    TrainingStopped
        Somebody wants it to stop; it says how to go on.
    """
    need_optuna()
    check_numbers(trials, workers, timeout, heartbeat)
    _check_names(sampler, pruner)
    fixed, searched = _plain(fixed), _plain(searched)
    parts = {name: fixed[name] for name in (FILTERS, DROPOUT) if name in fixed}
    base = _base(config, {name: value for name, value in fixed.items() if name not in (*parts, "all")} | settings)
    from .joining import address, begun, check_place, fill, joined

    there = check_place(base, storage)
    choices = read_all(searched, set(fixed) | base.model_fields_set)
    choices += tuple(_single(name, value) for name, value in parts.items())
    limits = Limits(max_parameters, max_multiply_adds)

    # Before anything is decoded: a family that does not fit costs nothing.
    _, source = open_source(data, classes=base.classes, group_regex=base.group_regex)
    said = None if family is None else family if isinstance(family, Pattern) else Pattern(family)
    geometry = choose_geometry(source, **wanted_geometry(base, said))
    plain = Pattern(default_pattern(*geometry.size))
    usable = searchable(choices, said or plain, [*searched, *parts])
    space = make_space(said or plain, letters or {}, usable, limits, geometry.shape, len(source.classes))
    first = plain.plan(geometry.shape, len(source.classes))
    if default and not limits.allow(first.parameters, first.multiply_adds):
        told = f"the default recipe is above {limits}, and is no trial: {first.pattern}"
        console.print(told, highlight=False, markup=False, soft_wrap=True)
        default = False

    read_as = {"size": f"{geometry.height}x{geometry.width}", "channels": geometry.channels}
    ready = prepare(data, base.model_copy(update={**read_as, "pattern": space.members[0].pattern}))
    setup = Setup(
        family=str(said or plain),
        letters={letter: list(counts) for letter, counts in (said or plain).family(**(letters or {})).ranges.items()},
        searched={choice.name: choice for choice in usable},
        limits=limits,
        sampler=sampler,
        pruner=pruner,
        default=default,
        settings=settings_of(ready.config),
        images=describe_images(ready.dataset),
    )
    made = None
    while there is None and made is None:
        there = check_place(base, storage)  # decoding takes a while; another worker may have been faster
        if there is None:
            made = begun(ready, setup, space, storage, heartbeat, MANY if trials is None else trials)
    if made is not None:
        found, study, url = made
        introduce_search(found, ready, space)
    else:
        assert there is not None
        url = address(there, storage)
        found, study = there, joined(there, setup, space, url, heartbeat)
    if trials is not None:
        fill(study, setup, space, trials)
    here = Here(url, workers, timeout, heartbeat)
    return go_on(found, study, setup, space, ready.dataset, ready.config, here)


def resume(
    path: str | Path,
    *,
    storage: str | None = None,
    trials: int | None = None,
    workers: int = 1,
    timeout: float | None = None,
    heartbeat: int | None = None,
    threads: int | None = None,
    should_stop: Callable[[], int] = lambda: 0,
    finishes: bool = True,
) -> Search:
    """Go on with a search in its folder, with its own settings; trials that are done are not repeated.

    Parameters
    ----------
    path : path
        The folder.
    storage : str, optional
        The address of its data base, where a password belongs to it: passwords are not kept.
    trials : int, optional
        How many there are to be in all, where there are to be more or fewer.
    workers, timeout, heartbeat
        As in `search`.
    threads : int, optional
        Processor threads; those of the search when not given.
    should_stop : callable
        Asked after epochs: a signal's number when this worker is to stop, else 0.
    finishes : bool
        Whether this worker evaluates the winner when all trials are done.

    Raises
    ------
    RunError, DataError
        No folder of a search, a storage that cannot be reached, or images that are no longer the same.
    """
    need_optuna()
    heartbeat = HEARTBEAT if heartbeat is None else heartbeat
    check_numbers(trials, workers, timeout, heartbeat)
    from .joining import address, fill, opened

    found = Search.open(path)
    kept = found.setup
    url = address(found, storage)
    study = opened(found, url, heartbeat)
    setup = get(study)
    model = kept["model"]
    dataset = restore_dataset(kept["data"], kept["images"], model, setup.settings.get("stream"))
    own = kept["here"] | ({} if threads is None else {"threads": threads})
    base = make_config(**setup.settings | own)
    space = make_space(
        Pattern(setup.family),
        setup.letters,
        list(setup.searched.values()),
        setup.limits,
        tuple(model["image"]),
        len(model["classes"]),
    )
    if trials is not None:
        fill(study, setup, space, trials)
    here = Here(url, workers, timeout, heartbeat, should_stop, finishes)
    return go_on(found, study, setup, space, dataset, base, here)


def check_numbers(trials: int | None, workers: int, timeout: float | None, heartbeat: int) -> None:
    """Refuse numbers that make no sense, before any work is done.

    Raises
    ------
    ConfigError
        One that does not.
    """
    if trials is not None and not 1 <= trials <= MOST:
        raise ConfigError(f"trials = {trials}: there can be 1 to {MOST:,}.")
    if not 1 <= workers <= 1024:
        raise ConfigError(f"workers = {workers}: there can be 1 to 1,024 on a machine.")
    if timeout is not None and not 0 < timeout < float("inf"):
        raise ConfigError(f"timeout = {timeout:g}: a time is above 0 seconds.")
    if not 1 <= heartbeat <= 86_400:
        raise ConfigError(f"heartbeat = {heartbeat}: whole seconds, 1 to 86,400.")


def _check_names(sampler: str, pruner: str) -> None:
    for what, name, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise ConfigError(f"there is no {what} {name!r}; there are {', '.join(known)}.")


def _base(file: str | Path | None, settings: Mapping[str, Any]) -> Config:
    """Return the settings that all trials have in common."""
    if "pattern" in settings:
        raise ConfigError("a search has a family instead of a pattern; give it as the family.")
    chosen = make_config(file, **settings)
    if chosen.pattern is not None:
        raise ConfigError("a search has a family instead of a pattern; leave out the setting pattern.")
    if chosen.find_lr:
        raise ConfigError("a search tries learning rates itself, in every trial; leave out find_lr.")
    return chosen


def _single(name: str, value: Any) -> Choice:
    """Return the one value that filters or dropout are fixed to."""
    check(name, value)
    return Choice(name, (float(value) if name == DROPOUT else value,))


def _plain(named: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name.strip().replace("-", "_"): value for name, value in (named or {}).items()}

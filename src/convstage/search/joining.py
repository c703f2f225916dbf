"""A study is made once, by the worker that comes first; the others join it, when they want the same."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Config
from ..errors import ConfigError, RunError
from ..files import TEMPORARY, write_json
from ..predict import describe_model
from ..run import UNREADABLE, Run, check_new
from ..terminal import console
from ..training import Ready
from .folder import STUDY, Search
from .objective import IS_DEFAULT
from .sampling import PRUNERS, make_sampler
from .setup import PATIENCE, READY, SETUP, TRIALS, Setup, check_same, get
from .space import Space
from .storage import HEARTBEAT, load_study, open_storage, quiet_optuna, shown_url, study_names, url_without_password
from .worker import take_up_again

if TYPE_CHECKING:
    from optuna import Study

#: Settings of a worker that its folder keeps, for when it goes on.
KEPT = ("threads", "device", "save_every", "report")


def check_place(config: Config, storage: str | None) -> Search | None:
    """Return the search that a name means, None where it is a new one; before any work is done.

    Raises
    ------
    ConfigError, RunError
        A storage without a name, or a folder of something else.
    """
    if config.name is None:
        if storage is not None:
            raise ConfigError(
                "a storage is shared by name.\nGive the search a name (--name NAME), by which other workers join it."
            )
        check_new(config.out, None)
        return None
    place = Path(config.out) / config.name
    until = time.monotonic() + PATIENCE
    while _is_cut_off(place):  # or another worker is making it just now
        if time.monotonic() > until:
            shutil.rmtree(place)
        time.sleep(0.2)
    if (place / Search.SETUP).is_file():
        return Search.open(place)
    check_new(config.out, config.name)
    return None


def _is_cut_off(place: Path) -> bool:
    """Return whether a folder is one of a search that was ended before it held all that is needed to go on."""
    if not place.is_dir() or (place / Search.SETUP).is_file():
        return False
    return all(file.name.startswith((STUDY, UNREADABLE, TEMPORARY)) for file in place.iterdir())


def own_file(search: Search) -> str:
    """Return the address of the data base in the folder itself."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str((search.path / STUDY).resolve())).render_as_string(hide_password=False)


def address(search: Search, storage: str | None) -> str:
    """Return the address of a folder's data base, with its password where one was given now.

    Raises
    ------
    ConfigError
        Another one than the folder's own was given.
    """
    kept = search.setup["storage"]
    if storage is None:
        return str(kept) if kept else own_file(search)
    here = url_without_password(storage)
    if here != (kept or url_without_password(own_file(search))):
        raise ConfigError(
            f"{search.path} has its trials in {kept or own_file(search)}, not in {shown_url(storage)}.\n"
            "Leave out --storage, or take another --name."
        )
    return storage


def opened(search: Search, url: str, heartbeat: int = HEARTBEAT) -> Study:
    """Return the study of a folder.

    Raises
    ------
    RunError
        Its data base cannot be reached, or has no such study.
    """
    if search.setup["storage"] is None and not (search.path / STUDY).is_file():
        raise RunError(f"{search.path} has lost its {STUDY}, where its trials are.\nRestore it from a copy.")
    name = search.setup["study"]
    study = load_study(open_storage(url, heartbeat, take_up_again), name)
    if study is None:
        raise RunError(f"the storage {shown_url(url)} has no study {name!r}.\nIs it the right one?")
    return study


def joined(search: Search, setup: Setup, space: Space, url: str, heartbeat: int) -> Study:
    """Return the study of a folder that is there, if it is the same search."""
    study = opened(search, url, heartbeat)
    check_same(get(study), setup, study.study_name)
    _complete(study, setup, space)
    return study


def begun(
    ready: Ready, setup: Setup, space: Space, storage: str | None, heartbeat: int, trials: int
) -> tuple[Search, Study, str] | None:
    """Make the folder of a search, and its study, or join the one that the storage has under that name.

    None when another worker has made the folder a moment before: it is to be joined.

    Returns
    -------
    search, study
        What was made, or is there.
    url : str
        The address of the data base.
    """
    import optuna

    config = ready.config
    study = None
    if storage is not None:  # before a folder is made: it may be of another search, or not be there
        data_base = open_storage(storage, heartbeat, take_up_again)
        study = load_study(data_base, str(config.name))
        if study is not None:
            check_same(get(study), setup, study.study_name)
    try:
        found = Search(Run.create(config.out, config.name, f"{ready.dataset.stem}-search").path)
    except RunError:
        if config.name is not None and (Path(config.out) / config.name).is_dir():
            return None
        raise
    url = storage or own_file(found)
    if study is None:
        data_base = open_storage(url, heartbeat, take_up_again) if storage is None else data_base
        directions = optuna.study.StudyDirection
        direction = directions.MINIMIZE if config.monitor == "loss" else directions.MAXIMIZE
        name = found.path.name
        try:
            with quiet_optuna():
                study = optuna.create_study(storage=data_base, study_name=name, direction=direction)
        except optuna.exceptions.DuplicatedStudyError:  # another worker was a moment faster
            study = optuna.load_study(storage=data_base, study_name=name)
            check_same(get(study), setup, name)
        else:
            study.set_user_attr(SETUP, setup.to_dict())
            fill(study, setup, space, trials)
    _complete(study, setup, space)
    _write(found, ready, study.study_name, None if storage is None else url_without_password(storage))
    return found, study, url


def fill(study: Study, setup: Setup, space: Space, trials: int) -> None:
    """Say how many trials there are to be, and enqueue those that are known: the default recipe, and a grid's points.

    Doing it again changes nothing; with more trials, a grid gets more points.
    """
    every = study.get_trials(deepcopy=False)
    if setup.default and not any(one.user_attrs.get(IS_DEFAULT) for one in every):
        held = {
            choice.name: setup.settings[choice.name]
            for choice in space.choices
            if choice.name in setup.settings and choice.holds(setup.settings[choice.name])
        }
        study.enqueue_trial(held, user_attrs={IS_DEFAULT: True})
    if setup.sampler == "grid":
        points = space.grid(trials - setup.default, setup.settings["seed"])
        known = [one.system_attrs.get("fixed_params") for one in every if not one.user_attrs.get(IS_DEFAULT)]
        for point in points:
            if point not in known:
                study.enqueue_trial(point)
        trials = min(trials, len(points) + setup.default)
    study.set_user_attr(TRIALS, trials)
    study.set_user_attr(READY, True)


def equip(study: Study, setup: Setup) -> None:
    """Give a study its sampler and its pruner, which are no part of the storage."""
    study.sampler = make_sampler(setup.sampler, setup.settings["seed"])
    study.pruner = PRUNERS[setup.pruner](setup.settings["epochs"])


def chosen_study(url: str, name: str | None) -> Study:
    """Return a study of a data base by name; without one, the only one that there is.

    Raises
    ------
    RunError, ConfigError
        None of that name; several, and no name.
    """
    data_base = open_storage(url)
    names = study_names(data_base)
    if name is None and len(names) == 1:
        name = names[0]
    study = None if name is None else load_study(data_base, name)
    if study is None:
        known = ", ".join(names) or "none"
        asked = "which one?" if name is None else f"no study {name!r} there."
        raise ConfigError(f"{shown_url(url)}: {asked}\nIts studies: {known}. Choose one with --name.")
    return study


def _complete(study: Study, setup: Setup, space: Space) -> None:
    """Wait until the worker that makes a study has enqueued the first trials; if it was ended meanwhile, do it."""
    until = time.monotonic() + PATIENCE
    while READY not in study.user_attrs:
        if time.monotonic() > until:
            told = "the worker that made this study did not come to its end; its first trials are enqueued now"
            console.print(told, highlight=False)
            fill(study, setup, space, int(study.user_attrs.get(TRIALS, len(space.members))))
            return
        time.sleep(0.2)


def _write(search: Search, ready: Ready, study: str, storage: str | None) -> None:
    """Write what the folder needs to go on."""
    dataset = ready.dataset
    Run(search.path).write_unreadable(dataset.unreadable)
    content: dict[str, Any] = {
        "format": search.LAYOUT,
        "study": study,
        "storage": storage,
        "data": dataset.source,
        "here": {name: getattr(ready.config, name) for name in KEPT},
        "model": describe_model(ready.plan, dataset.classes, dataset.geometry, dataset.standardisation),
        "images": dataset.split_rows(),
    }
    write_json(search.path / search.SETUP, content)

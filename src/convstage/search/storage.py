"""Where the trials of a search are kept: a data base that any number of workers share.

Optuna keeps names, numbers and JSON in tables; nothing in them is unpickled. SQLite is a file,
for the workers of one machine; PostgreSQL is for workers on many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, RunError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial
    from sqlalchemy import URL

    Stale = Callable[[Study, FrozenTrial], None]

#: Seconds that a worker waits for another one's turn at a file of SQLite.
BUSY = 60
#: Seconds between two signs of life of a worker; after so many of them without one, its trial is taken up by another.
HEARTBEAT, MISSED = 30, 4
#: A trial that has ended its worker so many times is given up.
MOST_TRIES = 3
#: Data bases that keep the trials.
DRIVERS = {"postgresql": "pip install 'psycopg[binary]'", "mysql": "pip install pymysql, and mysql+pymysql://…"}
#: How often a start is tried again, when two workers make the tables at once.
_STARTS = 5


def need_optuna() -> None:
    """Say how Optuna is installed, where it is not.

    Raises
    ------
    ConfigError
        It is not there.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError("a search needs Optuna, which is not installed.\npip install 'convstage[search]'") from None


def shown_url(url: str) -> str:
    """Return a storage's address without its password.

    Examples
    --------
    >>> shown_url("postgresql://me:secret@db.example/searches")
    'postgresql://me:***@db.example/searches'
    """
    return _parsed(url).render_as_string(hide_password=True)


def url_without_password(url: str) -> str:
    """Return a storage's address as it may be written into a file: without its password."""
    parsed = _parsed(url)
    return parsed._replace(password=None).render_as_string(hide_password=False)


def open_storage(url: str, heartbeat: int = HEARTBEAT, stale: Stale | None = None) -> RDBStorage:
    """Return the data base behind an address, with its tables.

    Parameters
    ----------
    url : str
        ``sqlite:///path/study.db``, ``postgresql://user@host/name``.
    heartbeat : int
        Seconds between two signs of life.
    stale : callable, optional
        Told the study and a trial that has failed because its worker has given none for too long.

    Raises
    ------
    ConfigError
        No address, or one of a data base whose driver is not there.
    RunError
        It cannot be reached, or is none of Optuna's.
    """
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    parsed = _parsed(url)
    is_file = parsed.get_backend_name() == "sqlite"
    engine: dict[str, Any] = {"connect_args": {"timeout": BUSY}} if is_file else {"pool_pre_ping": True}
    for start in range(_STARTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that signs of life are experimental
                storage = RDBStorage(
                    url,
                    engine,
                    heartbeat_interval=heartbeat,
                    grace_period=MISSED * heartbeat,
                    heartbeat_stale_trial_callback=stale,
                )
            break
        except (ImportError, NoSuchModuleError) as error:
            way = DRIVERS.get(parsed.get_backend_name(), "Use sqlite:///… or postgresql://….")
            raise ConfigError(
                f"there is no driver for the storage {shown_url(url)}: {_line(error.__cause__ or error)}.\n{way}"
            ) from None
        except ArgumentError as error:
            raise ConfigError(f"the storage {shown_url(url)} cannot be used: {_line(error)}.") from None
        except (SQLAlchemyError, StorageInternalError) as error:
            # Two workers that make the tables at once: one of them comes too late, and finds them the next time.
            if start == _STARTS - 1 or not _clash(error):
                raise unreachable(url, error) from None
        except RuntimeError as error:  # tables of another version of Optuna
            raise RunError(f"the storage {shown_url(url)} cannot be used: {_line(error)}") from None
    if is_file:
        _begin_at_once(storage)
    return storage


def unreachable(url: str, error: BaseException) -> RunError:
    """Return the error of a data base that does not answer."""
    return RunError(
        f"the storage {shown_url(url)} cannot be reached: {_line(error)}.\n"
        "Is the address right, is the server up, and does the folder exist?"
    )


@contextmanager
def reachable(url: str, go_on: str) -> Iterator[None]:
    """Turn the errors of a data base that goes away meanwhile into ours; `go_on` is the command that goes on."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise RunError(
            f"the storage {shown_url(url)} does not answer any more: {_line(error)}.\n"
            f"What is trained is kept; go on with: {go_on}"
        ) from None


def load_study(storage: RDBStorage, name: str) -> Study | None:
    """Return a study of a data base, None where there is none of that name."""
    import optuna

    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return None


def study_names(storage: RDBStorage) -> list[str]:
    """Return the names of all studies of a data base, in order."""
    import optuna

    return sorted(optuna.get_all_study_names(storage))


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Leave what is said to us: Optuna logs every trial that is cut off with its traceback."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _parsed(url: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the storage is no address of a data base.\n"
            "Write sqlite:///FILE for one machine, postgresql://USER@HOST/NAME for several."
        ) from None


def _begin_at_once(storage: RDBStorage) -> None:
    """Let every transaction begin by taking the file: else two workers could both read that a trial is free."""
    from sqlalchemy import event

    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "connect", connected)
    event.listen(storage.engine, "begin", begun)
    storage.engine.dispose()  # connections from before know nothing of it


def _clash(error: BaseException) -> bool:
    return any(said in str(error).lower() for said in ("already exists", "unique", "duplicate", "locked"))


def _line(error: BaseException) -> str:
    """Return the first line of an error, without what SQLAlchemy puts around that of the driver."""
    cause = getattr(error, "orig", None) or (error.__cause__ and getattr(error.__cause__, "orig", None)) or error
    lines = str(cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(cause).__name__

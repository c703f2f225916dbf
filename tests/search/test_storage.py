"""The data base that workers share: addresses, errors, and who gets which trial."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import optuna
import pytest
from sqlalchemy import create_engine, text

from convstage import ConfigError, RunError
from convstage.search import Search
from convstage.search.joining import chosen_study, own_file
from convstage.search.storage import (
    need_optuna,
    open_storage,
    quiet_optuna,
    shown_url,
    study_names,
    url_without_password,
)


def test_passwords_are_not_shown_and_not_kept() -> None:
    url = "postgresql://me:se%40cret@db.example:5433/searches?sslmode=require"
    assert shown_url(url) == "postgresql://me:***@db.example:5433/searches?sslmode=require"
    assert url_without_password(url) == "postgresql://me@db.example:5433/searches?sslmode=require"


def test_the_file_of_a_folder_with_an_odd_name_is_found_again(tmp_path: Path) -> None:
    search = Search(tmp_path / "50% of it? #1 ü")
    search.path.mkdir()
    open_storage(own_file(search)).engine.dispose()
    assert (search.path / "study.db").is_file()


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        (
            "runs/study.db",
            ConfigError,
            "the storage is no address of a data base.\nWrite sqlite:///FILE for one machine",
        ),
        ("oracle+nothing://x/y", ConfigError, "there is no driver for the storage oracle+nothing://x/y: "),
        ("postgresql+pg8000://me:secret@x/y", ConfigError, "pip install 'psycopg[binary]'"),
        ("sqlite:////nowhere/at/all.db", RunError, "cannot be reached: unable to open database file."),
    ],
)
def test_a_storage_that_cannot_be_used_is_explained(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        open_storage(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_data_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a data base " * 100)
    with pytest.raises(RunError, match="file is not a database"):
        open_storage(f"sqlite:///{tmp_path}/study.db")


def test_tables_of_another_version_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    open_storage(url).engine.dispose()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE version_info SET schema_version = 1"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'v0.9.0.a'"))
    engine.dispose()
    with pytest.raises(RunError, match=r"cannot be used: The runtime optuna version .* is no longer compatible"):
        open_storage(url)


def test_without_optuna_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"needs Optuna, which is not installed.\npip install 'convstage\[search\]'"):
        need_optuna()


def test_a_study_is_chosen_by_its_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with quiet_optuna():
        for name in ("lungs", "digits"):
            optuna.create_study(storage=open_storage(url), study_name=name)
    assert study_names(open_storage(url)) == ["digits", "lungs"]
    assert chosen_study(url, "lungs").study_name == "lungs"
    with pytest.raises(ConfigError, match=r"which one\?\nIts studies: digits, lungs. Choose one with --name."):
        chosen_study(url, None)
    with pytest.raises(ConfigError, match=r"no study 'lung' there.\nIts studies: digits, lungs."):
        chosen_study(url, "lung")


def test_two_workers_at_one_file_never_get_the_same_trial(tmp_path: Path) -> None:
    """SQLite has no locks on rows: without taking the file first, both read that a trial waits, and both take it."""
    url = f"sqlite:///{tmp_path}/study.db"
    with quiet_optuna():
        study = optuna.create_study(storage=open_storage(url), study_name="s")
    for number in range(30):
        study.enqueue_trial({"x": number})
    taken: list[int] = []
    begin = threading.Barrier(2)

    def take_all() -> None:
        own = optuna.load_study(study_name="s", storage=open_storage(url))
        begin.wait(timeout=60)
        while (number := own._pop_waiting_trial_id()) is not None:
            taken.append(number)

    workers = [threading.Thread(target=take_all) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(1, 31))

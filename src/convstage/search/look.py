"""Looking at a search without working on it: from its folder, or from its data base alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .folder import BEST, PAGE, Search
from .result import result, write_tables
from .setup import get
from .storage import need_optuna, shown_url


def look(path: str | Path, storage: str | None = None) -> dict[str, Any]:
    """Return what stands in a folder now, and bring its leaderboard files up to date.

    Parameters
    ----------
    path : path
        The folder.
    storage : str, optional
        The address of its data base, where a password belongs to it.

    Returns
    -------
    dict
        As `convstage.search.result.result`; ``folder``, and ``best`` and ``leaderboard``, files of it, where they
        are there.
    """
    need_optuna()
    from .joining import address, opened

    found = Search.open(path)
    study = opened(found, address(found, storage))
    setup = get(study)
    told = write_tables(found, study, setup)
    whole = found.last_result or {}
    fresh = whole.get("winner") is not None and whole["winner"]["trial"] == _first(told)
    extra = {name: whole[name] for name in ("winner", "default", "difference", "elsewhere", "looks")} if fresh else {}
    best = found.path / BEST
    return {
        **told,
        **extra,
        "folder": str(found.path),
        "best": str(best) if fresh and best.is_dir() else None,
        "leaderboard": str(found.path / PAGE),
    }


def look_into(url: str, name: str | None = None) -> dict[str, Any]:
    """Return what stands in a data base; `name` chooses among its studies."""
    need_optuna()
    from .joining import chosen_study

    study = chosen_study(url, name)
    return {**result(study, get(study)), "storage": shown_url(url)}


def _first(found: dict[str, Any]) -> int | None:
    return next((row["trial"] for row in found["trials"] if row["rank"] == 1), None)

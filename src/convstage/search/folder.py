"""The folder of a search: what one worker, or several on one machine, keep of it.

search.json          the study and its storage, the images and their parts
study.db             the storage, when no other was named
trial-0007/ …        an ordinary run folder for each trial; of pruned ones, too
best/, default/      the winner and the default recipe as runs that were evaluated on the test part
leaderboard.csv      all trials, best first
leaderboard.html     the same as a page, with a plot of cost against accuracy
leaderboard.json     the same as data, with the figures of the winner; written when all trials are done
audit.json, shortcut.csv  what may mislead in the data, as in a run folder
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..run import Run
from ..series import Series
from .records import LeaderboardRecord, SearchRecord

#: Files of the folder that a series does not know.
TABLE, PAGE, STUDY = "leaderboard.csv", "leaderboard.html", "study.db"
BEST, DEFAULT = "best", "default"


@dataclass(frozen=True)
class Search(Series):
    """The folder of a search; shows itself as a table in Jupyter.

    Attributes
    ----------
    path : Path
        The folder.
    """

    LAYOUT = 1
    SETUP = "search.json"
    RESULT = "leaderboard.json"
    SETUP_SHAPE = SearchRecord
    RESULT_SHAPE = LeaderboardRecord
    WHAT = "search"
    PARTS = "trials"
    COMMAND = "search"

    def trial(self, number: int) -> Run:
        """Return the run of a trial; it need not be on this machine."""
        return Run(self.path / f"trial-{number:04d}")

    @property
    def best(self) -> Run:
        """The winner as a run: its weights, and its figures on the test part."""
        return Run.open(self.path / BEST)

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """All trials, best first."""
        return list(self.metrics["trials"])

    @property
    def last_result(self) -> dict[str, Any] | None:
        """The result as far as one was written; None before."""
        return self.metrics if self.is_done else None

    def _repr_html_(self) -> str:
        from .show import as_html

        return as_html(self.metrics if self.is_done else None, self.path)

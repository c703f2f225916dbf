"""What became of many cases: counted, printed as a table, and stored with the machine beside it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcome import store
from watched import MEMORY, SECONDS, Outcome

#: Reasons and failures that are listed.
SHOWN = 12


class Tally:
    """What became of the cases, counted."""

    def __init__(self) -> None:
        self.cases = self.accepted = 0
        self.reasons: Counter[str] = Counter()
        self.slowest, self.memory = 0.0, 0
        self.failures: list[dict[str, Any]] = []

    def add(self, outcome: Outcome, name: str) -> None:
        """Count an outcome; `name` says what the case was."""
        self.cases += 1
        self.slowest, self.memory = max(self.slowest, outcome.seconds), max(self.memory, outcome.memory)
        if outcome.failure:
            self.failures.append({"case": name, "failure": outcome.failure})
        elif outcome.reason:
            self.reasons[_kind_of(outcome.reason)] += 1
        else:
            self.accepted += 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "cases": self.cases,
            "accepted": self.accepted,
            "refused": sum(self.reasons.values()),
            "failed": len(self.failures),
            "slowest seconds": round(self.slowest, 2),
            "largest memory MiB": round(self.memory / 2**20),
            "reasons": dict(self.reasons.most_common(SHOWN)),
        }


def _kind_of(reason: str) -> str:
    """Return a reason without its numbers and its file, so that those of one kind are counted together."""
    words = [word for word in reason.split() if "/" not in word] or [reason]
    return "".join("#" if character.isdigit() else character for character in " ".join(words))[:70]


def show(tallies: Mapping[str, Tally]) -> None:
    """Print a table of Markdown, and what failed."""
    print("| files | cases | accepted | refused | failed | slowest s | memory MiB |\n|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        print(
            f"| {name} | {tally.cases:,} | {tally.accepted:,} | {sum(tally.reasons.values()):,} | "
            f"{len(tally.failures)} | {tally.slowest:.2f} | {tally.memory / 2**20:,.0f} |"
        )
    for tally in tallies.values():
        for failure in tally.failures:
            print(f"\nfailed: {failure['case']}: {failure['failure']}")


def finish(path: Path, what: str, tallies: Mapping[str, Tally], **more: Any) -> None:
    """Store the figures; end with 1 when anything failed."""
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    figures = {name: tally.to_dict() for name, tally in tallies.items()}
    limits = {"seconds": SECONDS, "memory MiB": MEMORY >> 20}
    store(path, what, {"limits": limits, **figures, "failures": failures[:100], **more})
    if failures:
        sys.exit(1)

"""The processes that watch over cases blame the right one, whatever it does, and go on with the others."""

from __future__ import annotations

import pytest

import watched
from support.misbehaving import CRASHES, FAILS, FILLS, FINE, HANGS, PRINTS, RAISES, REFUSED, misbehave
from tally import Tally


def test_every_misbehaviour_is_seen_and_blamed_on_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "PATIENCE", 0.4)
    outcomes = {outcome.number: outcome for outcome in watched.watch(misbehave, range(FINE + 1), 1)}
    failures = {number: outcome.failure for number, outcome in outcomes.items()}
    assert failures[CRASHES] == "the process ends with -11"
    assert failures[HANGS] == "the process hangs for 2 s"
    assert failures[RAISES] == "KeyError: 'of no use'"
    assert failures[PRINTS] == "prints: words of a library"
    assert failures[FAILS] == "it says so itself"
    assert failures[REFUSED] == failures[FINE] == failures[FILLS] == ""
    assert outcomes[FILLS].memory > 200 << 20
    assert outcomes[REFUSED].reason == "a reason"
    tally = Tally()
    for outcome in outcomes.values():
        tally.add(outcome, str(outcome.number))
    assert (tally.cases, tally.accepted, len(tally.failures)) == (8, 2, 5)
    assert tally.reasons == {"a reason": 1}


@pytest.mark.parametrize("processes", [1, 3])
def test_every_case_is_done_once(processes: int) -> None:
    outcomes = list(watched.watch(misbehave, [FINE, REFUSED, FINE + 1], processes))
    assert sorted(outcome.number for outcome in outcomes) == [REFUSED, FINE, FINE + 1]

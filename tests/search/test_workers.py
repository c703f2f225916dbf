"""Workers that are killed, stopped, or silent: no trial is lost, and none is counted twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from optuna import Study
from optuna.trial import TrialState
from sqlalchemy import text

from convstage import RunError, TrainingStopped
from convstage.search import Search, resume
from convstage.search import objective as objective_module
from convstage.search.crew import Crew
from convstage.search.hand import main
from convstage.search.joining import opened, own_file
from convstage.search.look import look
from convstage.search.setup import TRIALS
from convstage.search.worker import MOST_TRIES, Worker, counted, give_up
from convstage.search.worker_id import is_gone, machine_name, me

#: Nothing that a trial chooses depends on the other trials.
FREE_OF_OTHERS = {"sampler": "random", "pruner": "none", "trials": 4}


def study_of(search: Search) -> Study:
    return opened(search, own_file(search), heartbeat=1)


def plain(search: Search) -> list[dict]:
    own = ("seconds_per_epoch", "run", "machine")
    return [{key: value for key, value in row.items() if key not in own} for row in search.leaderboard]


def begin_trial(study: Study, worker: object = None) -> int:
    """Take a trial as a worker does, and leave it running."""
    trial_id = study._storage.create_new_trial(study._study_id)
    if worker is not None:
        study._storage.set_trial_user_attr(trial_id, "worker", worker)
    return trial_id


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_worker_of_this_machine_is_known_to_be_gone() -> None:
    assert not is_gone(me())
    assert is_gone(me() | {"pid": ended_process()})
    assert is_gone(me() | {"began": "0"})  # its number has been given to another process
    assert not is_gone(me() | {"pid": ended_process(), "host": "elsewhere#1"})
    assert not any(map(is_gone, (None, {}, {"host": me()["host"]}, "x")))
    assert machine_name({"host": "lab#3#77"}) == "lab#3"


def test_a_killed_worker_among_two_costs_nothing(quick) -> None:
    """One is killed in its first trial; the other takes it up from its checkpoint, to the identical result."""
    whole = quick(**FREE_OF_OTHERS, name="whole", epochs=30)
    killed, done = [], threading.Event()

    def kill_one() -> None:
        place = whole.path.parent / "crew"
        while not (place / "search.json").is_file() and not done.wait(0.02):
            pass
        study = study_of(Search(place))  # opened once: a trial of few epochs is over before it is opened again
        while not killed and not done.wait(0.01):
            for path in sorted(place.glob("trial-*/history.csv")):
                trial = study.trials[int(path.parent.name[-4:])]
                if "worker" in trial.user_attrs and trial.state == TrialState.RUNNING:
                    os.kill(trial.user_attrs["worker"]["pid"], signal.SIGKILL)
                    killed.append(trial.number)
                    break

    thread = threading.Thread(target=kill_one, daemon=True)
    thread.start()
    found = quick(**FREE_OF_OTHERS, name="crew", epochs=30, workers=2, heartbeat=1)
    done.set()  # a thread that went on would be in the way of other tests
    thread.join(timeout=60)
    assert killed
    assert plain(found) == plain(whole)
    assert found.best.predictions == whole.best.predictions
    assert sum(trial.state == TrialState.FAIL for trial in study_of(found).trials) == 1
    log = "".join(path.read_text() for path in found.path.glob("worker-*.log"))
    assert f"trial {killed[0]}: its worker is gone; it is taken up again" in log


def test_a_silent_worker_of_another_machine_counts_as_dead(small) -> None:
    study = study_of(small)
    trial_id = begin_trial(study, {"host": "elsewhere#1", "pid": 1})
    study._storage.record_heartbeat(trial_id)
    assert counted(study)["running"] == 1
    with study._storage._backend.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')"))
    rows = resume(small.path, trials=2, heartbeat=1).leaderboard
    assert sorted((row["trial"], row["state"]) for row in rows) == [(0, "done"), (1, "done")]


def test_a_worker_that_was_ended_before_its_first_sign_of_life_is_noticed(small, monkeypatch) -> None:
    monkeypatch.setattr("convstage.search.worker.MISSED", 0.01)
    monkeypatch.setattr("convstage.search.worker.LOOK", 0.05)
    begin_trial(study_of(small))
    rows = resume(small.path, trials=2, heartbeat=1).leaderboard
    assert [row["state"] for row in rows] == ["done", "done"]


def test_a_trial_that_ends_its_workers_is_given_up(small) -> None:
    study = study_of(small)
    begin_trial(study, me() | {"pid": ended_process()})
    for turn in range(MOST_TRIES):
        running = study.get_trials(states=(TrialState.RUNNING,))[0]
        assert give_up(study, running)
        assert not give_up(study, running)  # another worker, a moment later
        if turn < MOST_TRIES - 1:
            study._pop_waiting_trial_id()
    assert counted(study) == {"running": 0, "waiting": 0, "complete": 1, "pruned": 0, "fail": 1}
    rows = resume(small.path, trials=3, heartbeat=1).leaderboard
    assert [(row["trial"], row["state"]) for row in rows][-1] == (1, "given up")
    assert sorted(row["trial"] for row in rows) == [0, 1, 2]


def test_a_trial_that_was_taken_away_is_left_to_the_other_worker(quick, monkeypatch, capsys) -> None:
    """A worker that was asleep wakes up: its trial is another's; it neither fails nor spoils it."""
    honest, taken = objective_module.Pruning.__call__, []

    def sleepy(self, row):
        if not taken:
            taken.append(self.trial.number)
            study = self.trial.study
            study._storage.set_trial_state_values(self.trial._trial_id, TrialState.FAIL)
        honest(self, row)

    monkeypatch.setattr(objective_module.Pruning, "__call__", sleepy)
    found = quick(trials=2, epochs=1, default=False)
    assert "taken up by another worker, which had not heard of this one" in capsys.readouterr().err.replace("\n", " ")
    assert [row["state"] for row in found.leaderboard] == ["done", "done"]


def test_of_two_last_trials_the_later_is_too_many(small) -> None:
    study = study_of(small)
    worker = Worker(study, None)
    begin_trial(study, me())
    begin_trial(study, me())
    study.set_user_attr(TRIALS, 2)
    assert [worker.is_surplus(trial) for trial in study.trials] == [False, False, True]


def test_a_worker_whose_parent_is_gone_stops_and_its_trial_waits(small) -> None:
    told = []

    def gone_after_an_epoch() -> int:
        told.append(1)
        return signal.SIGTERM if len(told) > 1 else 0

    with pytest.raises(TrainingStopped, match=f"convstage search --resume {small.path}"):
        resume(small.path, trials=2, should_stop=gone_after_an_epoch, finishes=False)
    assert counted(study_of(small))["waiting"] == 1
    assert look(small.path)["counts"] == {"trials": 2, "done": 1, "waiting": 1}
    assert main([str(small.path), "--parent", "1", "--heartbeat", "1", "--threads", "1"]) == 0
    assert counted(study_of(small))["waiting"] == 1
    assert main([str(small.path), "--heartbeat", "1"]) == 0
    assert counted(study_of(small))["complete"] == 2
    assert main([str(small.path.parent)]) == 2


def test_a_crew_that_cannot_work_says_what_its_first_worker_said(small, monkeypatch, tmp_path: Path) -> None:
    study = study_of(small)
    study.set_user_attr(TRIALS, 2)
    (tmp_path / "python").write_text("#!/bin/sh\necho no luck today; exit 3\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(RunError) as caught:
        Crew(small, study, own_file(small), workers=2, threads=1).work()
    assert str(caught.value) == (
        "all workers have ended before the search was done.\n  no luck today\n"
        f"Go on with: convstage search --resume {small.path}"
    )

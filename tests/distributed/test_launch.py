"""How the processes of a launch find one another and part, with threads for processes; and what they remember."""

import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from torch.distributed import HashStore, PrefixStore, TCPStore

from convstage import ConfigError, DataError, RunError, TrainingError, TrainingStopped
from convstage.config import make_config
from convstage.distributed import launch as launches
from convstage.distributed import watch as watching
from convstage.distributed.launch import Launch, LostError, launched
from convstage.distributed.place import Place
from convstage.distributed.watch import SILENCE, Watch
from convstage.run import CONFIG, Run
from convstage.work import begun_before, new_run


@pytest.fixture
def server():
    """Return a launcher's store, as torchrun has one, which outlives its processes."""
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=30))


def place(server, rank=0, size=1, **other) -> Place:
    return Place(rank, size, rank, size, "127.0.0.1", server.port, serves=False, launch="test", restarts=0, **other)


def agreed(server, size: int) -> list[str]:
    """Let some processes start, the leading one last, and return the name that each has found for the start."""
    made = [Launch(place(server, rank, size), 1) for rank in range(size)]
    names = [""] * size
    threads = [threading.Thread(target=lambda r=rank: names.__setitem__(r, made[r]._agree())) for rank in range(size)]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join(30)
    return names


def test_processes_of_one_start_agree_on_it_and_those_of_another_start_do_not_meet_them(server):
    first, second = agreed(server, 3), agreed(server, 3)
    assert len(set(first)) == len(set(second)) == 1
    assert "" != first[0] != second[0]


def test_who_is_alone_gives_up(server, monkeypatch):
    monkeypatch.setattr(launches, "START", 0.3)
    for rank in (0, 1):
        with pytest.raises(LostError, match=f"rank {rank} of 2: not all processes have started within 0 s."):
            Launch(place(server, rank, 2), 1)._agree()


def test_a_launch_remembers_its_run_over_a_restart_and_not_for_another_training(server, tmp_path, capsys):
    config = make_config(out=str(tmp_path), name="mine")
    first = Launch(place(server), 1)
    assert begun_before(first, config) is None
    run = new_run(config, "data", first)
    assert begun_before(Launch(place(server), 1), config) is None  # cut off before its settings were written
    again = new_run(config, "data", Launch(place(server), 1))
    assert again.path == run.path
    (run.path / CONFIG).write_text("{}")
    assert begun_before(Launch(place(server), 1), config) == run.path
    assert "started again: goes on with" in capsys.readouterr().err
    assert begun_before(Launch(place(server), 2), config) is None


def test_where_the_launcher_keeps_nothing_the_name_says_what_to_go_on_with(server, tmp_path):
    config = make_config(out=str(tmp_path), name="mine")
    run = Run.create(tmp_path, "mine", "")
    (run.path / CONFIG).write_text("{}")
    assert begun_before(Launch(place(server), 1), config) is None
    restarted = Launch(replace(place(server), restarts=1), 1)
    assert begun_before(restarted, config) == run.path


def test_a_run_on_another_machine_is_said(server, tmp_path):
    launch = Launch(place(server), 1)
    launch.remember(str(tmp_path / "elsewhere/runs/mine"))
    with pytest.raises(RunError, match=r"which this launch has begun, is not on this machine\.\nWhere processes may"):
        begun_before(launch, make_config())


def enter(monkeypatch, server, rank: int, size: int = 1):
    """Make this process one of a launch."""
    known = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": server.port}
    for name, value in known.items() | {"TORCHELASTIC_RUN_ID": "test", "TORCHELASTIC_USE_AGENT_STORE": "True"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(launches, "_trainings", 0)


def test_an_error_ends_the_launch_and_another_start_says_so(monkeypatch, server, capsys):
    enter(monkeypatch, server, 0)
    with pytest.raises(ConfigError, match="that cannot be"), launched():
        raise ConfigError("that cannot be.\nDo this.")
    monkeypatch.setattr(launches, "_trainings", 0)
    with pytest.raises(SystemExit) as caught, launched():
        pytest.fail("nothing must be started")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "convstage: not started again, for nothing would change: that cannot be.\n"


def test_who_was_stopped_or_has_lost_the_others_may_be_started_again(monkeypatch, server, tmp_path):
    for error in (TrainingStopped(tmp_path, signal.SIGTERM), RuntimeError("[/third_party/gloo/pair.cc:1] reset. Help")):
        enter(monkeypatch, server, 0)
        with suppress(TrainingStopped, LostError), launched():
            raise error
    enter(monkeypatch, server, 0)
    with launched() as launch:
        assert launch.world.alone


def test_lost_connections_are_said_with_the_way_out(monkeypatch, server):
    enter(monkeypatch, server, 0)
    with pytest.raises(LostError) as caught, launched() as launch:
        launch.run = "runs/mine"
        raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [10.0.0.2]")
    assert str(caught.value) == (
        "rank 0 of 1 has lost the others: Connection closed by peer [10.0.0.2].\n"
        "Go on with: torchrun … -m convstage train --resume runs/mine; torchrun --max-restarts=3 does so by itself."
    )


def test_errors_of_the_program_stay_what_they_are(monkeypatch, server):
    enter(monkeypatch, server, 0)
    with pytest.raises(RuntimeError, match="shapes do not fit"), launched():
        raise RuntimeError("shapes do not fit")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DataError("no images."), DataError("rank 1 of 2: no images.")),
        (TrainingError("not finite."), SystemExit(2)),
        (ConfigError("impossible."), SystemExit(2)),
        (TrainingStopped("runs/a", signal.SIGTERM), SystemExit(143)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_all_run_into_is_said_by_the_leading_process(monkeypatch, server, error, expected):
    monkeypatch.setattr(launches.time, "sleep", lambda seconds: None)
    found = launches._said_once(error, place(server, 1, 2))
    assert type(found) is type(expected)
    assert found.args == expected.args
    assert launches._said_once(error, place(server, 0, 2)) is error


class Left(Exception):
    """A process has left."""


@pytest.fixture
def leave(monkeypatch):
    """Return what processes said when they left."""

    def left(message, code):
        raise Left(message, code)

    monkeypatch.setattr(watching, "_leave", left)


def test_a_process_that_shows_no_life_is_given_up_and_one_that_does_is_not(leave):
    store = HashStore()
    watch = Watch(store, 1, 3, "over", None)
    for _ in range(3 * SILENCE):
        store.add("alive/2", 1)
        watch._look()
    assert store.add("alive/1", 0) == 3 * SILENCE
    with pytest.raises(Left) as caught:
        for _ in range(SILENCE + 2):
            watch._look()
    assert caught.value.args == (f"rank 2 of 3 has shown no life for {SILENCE} s; rank 1 leaves.", 1)


def test_the_last_rank_watches_the_first_and_who_is_alone_nobody(leave):
    last = Watch(HashStore(), 1, 2, "over", None)
    with pytest.raises(Left, match="rank 0 of 2 has shown no life"):
        for _ in range(SILENCE + 2):
            last._look()
    alone = Watch(HashStore(), 0, 1, "over", None)
    for _ in range(2 * SILENCE):
        alone._look()


def test_when_the_launch_is_over_a_process_leaves_in_silence(leave):
    store = PrefixStore("start", HashStore())
    watch = Watch(store, 0, 2, "over", None)
    watch._look()
    store.set("over", "no images")
    with pytest.raises(Left) as caught:
        watch._look()
    assert caught.value.args == ("", 2)


def test_an_orphan_asks_itself_to_stop_and_leaves_if_it_does_not(leave, monkeypatch, capsys):
    sent = []
    monkeypatch.setattr(watching.os, "kill", lambda process, number: sent.append((process, number)))
    watch = Watch(HashStore(), 0, 2, "over", parent=os.getppid() + 1)
    with pytest.raises(Left):
        for _ in range(SILENCE + 2):
            watch._look()
    assert sent == [(os.getpid(), signal.SIGTERM)]
    assert capsys.readouterr().err == "convstage: the launcher is gone; rank 0 stops.\n"


def test_the_thread_ends_when_it_is_told_to():
    watch = Watch(HashStore(), 0, 1, "over", None)
    watch.start()
    watch.stop()
    assert not watch.is_alive()

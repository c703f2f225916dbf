import os
import signal
import threading
from pathlib import Path

import pytest

from convstage import TrainingStopped
from convstage.stopping import stop_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_wish_and_the_second_has_its_usual_effect(number: int) -> None:
    usual = []
    before = signal.signal(number, lambda *_: usual.append("usual"))
    try:
        with stop_signals() as stop:
            stop.check(Path("runs/a"))
            os.kill(os.getpid(), number)
            with pytest.raises(TrainingStopped) as caught:
                stop.check(Path("runs/a"))
            assert not usual
            os.kill(os.getpid(), number)
        assert usual == ["usual"]
    finally:
        signal.signal(number, before)
    assert caught.value.signal == number
    assert str(caught.value) == "stopped and saved.\nGo on with: convstage train --resume runs/a"


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_may_train_too() -> None:
    failures = []

    def work() -> None:
        try:
            with stop_signals() as stop:
                stop.check(Path("runs/a"))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures

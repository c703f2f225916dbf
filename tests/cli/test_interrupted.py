"""Ctrl-C before there is a run to save: a clean end, no traceback, nothing half made."""

import os
import signal
import sys

import pytest

from convstage.cli import main
from convstage.data import cache
from convstage.files import TEMPORARY


@pytest.fixture(autouse=True)
def interrupts():
    """Have Ctrl-C do what it does in a shell: of a program that was started in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("where", ["decoding", "audit"])
def test_ctrl_c_before_the_run_exists_ends_cleanly(where, tmp_path, make_folder, monkeypatch, capsys, pixel_cache):
    folder = make_folder(tmp_path / f"never seen before, {where}", {"a": 12, "b": 12}, size=13)
    calls = []

    def interrupt(*arguments, **options):
        calls.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        return honest(*arguments, **options)

    owner, name = (cache, "to_pixels") if where == "decoding" else (sys.modules["convstage.training"], "audit")
    honest = getattr(owner, name)
    monkeypatch.setattr(owner, name, interrupt)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convstage", "train", str(folder), "-p", "INPUT -> CLASSIFIER"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert calls
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "Aborted!"
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert not list(pixel_cache.rglob(f"{TEMPORARY}*"))

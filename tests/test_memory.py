import os
import subprocess
import sys

import pytest

from convstage.memory import keep_memory

#: Prints by how many MB the process has grown after a block of 64 MB was made and freed.
SCRIPT = """
import pathlib, torch
from convstage.memory import keep_memory
print(keep_memory())
def megabytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * 4096 >> 20
before = megabytes()
block = torch.empty(16 << 20)
del block
print(megabytes() - before)
"""


def growth(**environment: str) -> tuple[str, int]:
    command = [sys.executable, "-c", SCRIPT]
    told, megabytes = subprocess.check_output(command, env=os.environ | environment, text=True).split()
    return told, int(megabytes)


@pytest.mark.skipif(sys.platform != "linux", reason="the options are glibc's")
def test_a_freed_block_stays_with_the_process():
    told, kept = growth()
    assert told == "True"
    assert kept >= 64


@pytest.mark.skipif(sys.platform != "linux", reason="the options are glibc's")
def test_it_can_be_switched_off():
    told, kept = growth(CONVSTAGE_MALLOC="off")
    assert told == "False"
    assert kept < 64


@pytest.mark.skipif(sys.platform != "linux", reason="the options are glibc's")
def test_a_preloaded_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libtcmalloc_minimal.so.4")
    assert keep_memory.__wrapped__() is False

"""Trainings that are killed with SIGKILL: the short form of ``reliability/kill_training.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from faults import STEPS

SCRIPT = Path(__file__).parent.parent / "reliability/kill_training.py"


def test_killed_anywhere_a_training_ends_as_if_nothing_had_been(tmp_path) -> None:
    """At every step of a save, in the middle of epochs, and at random moments, again and again."""
    result = tmp_path / "result.json"
    command = [sys.executable, SCRIPT, "--kills", "16", "--in-save", "7", "--kinds", "2", "--result", result]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    told = json.loads(result.read_text())
    assert told["problems"] == []
    assert told["kills"] >= 16
    assert told["trainings compared"] >= 2
    assert set(told["by step"]) == set(STEPS)
    assert all(count >= 1 for count in told["by step"].values())

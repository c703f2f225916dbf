"""Runs that reports are made of: an ordinary one, and one of images whose names are as bad as names can be."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convstage
from convstage import Run
from support.names import HOSTILE

PATTERN = "INPUT -> CONV(4) -> RELU -> POOL -> FC(8) -> RELU -> CLASSIFIER"
SETTINGS = {"pattern": PATTERN, "epochs": 2, "batch_size": 16, "augment": False, "report": False}


@pytest.fixture
def run(trained, tmp_path) -> Run:
    """Return a copy of the trained run, to write into."""
    return Run(Path(shutil.copytree(trained.path, tmp_path / "run")))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory, pixel_cache) -> Run:
    """Return a run of images that teach nothing, so that many are mistaken, with names of all kinds."""
    folder = tmp_path_factory.mktemp("hostile") / "<b>data & 'more' \"קבצים\""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for place, name in enumerate(HOSTILE):
        for number in range(25):
            file = f'<i>{number}\' onload="x" {place}& ‮.png'
            Image.fromarray(random.integers(0, 256, (12, 12), dtype=np.uint8)).save(folder / file)
            rows.append((file, name))
    (folder / "<svg onload=alert(3)>.png").write_bytes(b"no image")
    rows.append(("<svg onload=alert(3)>.png", HOSTILE[0]))
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("path", "label"), *rows])
    return convstage.train(
        folder / "labels.csv", **SETTINGS, name="run <u>&'\"", out=folder.parent, max_unreadable=0.1, classes=HOSTILE
    )

"""Turned bits, cuts and boasting headers of tensor files: the short form of ``reliability/flips.py``."""

from __future__ import annotations

import shutil
from random import Random

import pytest

from convstage import RunError
from convstage.files import read_tensors
from flips import Tally, boasting, cut, flip, header_size, memory


@pytest.mark.parametrize("name", ["model.safetensors", "last.safetensors"])
def test_every_turned_bit_and_every_cut_of_a_runs_files_is_noticed(name: str, trained, tmp_path) -> None:
    tally, random = Tally(), Random(0)
    flip(trained.path / name, tmp_path / name, 600, random, tally, lambda: True)
    cut(trained.path / name, tmp_path / name, 60, random, tally, lambda: True)
    assert (tally.flips, tally.of_header, tally.cuts) == (600, 300, 60)
    assert tally.problems == []
    assert read_tensors(shutil.copyfile(trained.path / name, tmp_path / name))


def test_what_is_not_noticed_is_counted(trained, tmp_path, monkeypatch) -> None:
    """The measurement itself: a reader that believes everything fails it."""
    tally = Tally()
    monkeypatch.setattr("flips.read_tensors", lambda path: None)
    flip(trained.path / "model.safetensors", tmp_path / "x", 3, Random(0), tally, lambda: True)
    assert len(tally.problems) == 3 and tally.problems[0].endswith(": not noticed")


def test_every_bit_of_what_the_header_says_of_the_network_is_noticed(trained, tmp_path) -> None:
    path = shutil.copyfile(trained.path / "model.safetensors", tmp_path / "model.safetensors")
    whole = path.read_bytes()
    start = whole.index(b"__metadata__")
    assert start < header_size(whole)
    for bit in range(0, 8 * 400, 3):
        damaged = bytearray(whole)
        damaged[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(RunError):
            read_tensors(path)


def test_boasting_headers_are_refused(tmp_path) -> None:
    for what, path in boasting(tmp_path).items():
        with pytest.raises(RunError, match="is damaged or no safetensors file: ") as caught:
            read_tensors(path)
        assert str(caught.value).startswith(f"{path} "), what


def test_reading_takes_less_than_twice_the_files_size_and_boasting_files_none(tmp_path) -> None:
    problems = []
    figures = memory(tmp_path, 32, problems)
    assert problems == []
    assert 0.5 < figures["reading 32 MiB, growth in file sizes"] <= 2

"""The folder of the caches stays within its limit, and loses nothing that is not ours."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from convstage.data.cache import decode
from convstage.data.cache_folder import cache_limit, make_room, mark_used
from convstage.errors import ConfigError
from support.caches import GEOMETRY, Numbered, decoded, files

pytestmark = pytest.mark.usefixtures("folder")


def fill(folder: Path, sizes: dict[str, int]) -> None:
    """Make files of so many bytes, each used a little later than the one before."""
    folder.mkdir(exist_ok=True)
    for number, (name, size) in enumerate(sizes.items()):
        (folder / name).write_bytes(bytes(size))
        os.utime(folder / name, (1e9 + number, 1e9 + number))


@pytest.mark.parametrize(
    ("text", "size"),
    [("20 GB", 20e9), ("500MB", 5e8), ("7", 7), ("1.5 kB", 1500), ("2T", 2e12), ("0", 0), (" 3 G ", 3e9), ("", 20e9)],
)
def test_limits(text: str, size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", text)
    assert cache_limit() == size


@pytest.mark.parametrize("text", ["much", "-5 GB", "5 XB", "1,5 GB"])
def test_what_is_no_limit(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", text)
    with pytest.raises(ConfigError) as caught:
        cache_limit()
    assert str(caught.value) == (f"CONVSTAGE_CACHE_LIMIT = {text!r} is no size.\nExpected one such as 20 GB or 500 MB.")


@pytest.mark.parametrize(("room", "left"), [(0, "abc"), (70, "abc"), (71, "bc"), (90, "bc"), (91, "c"), (1000, "")])
def test_what_was_used_longest_ago_goes_first(room: int, left: str, folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "130")
    a, b, c = (letter * 32 for letter in "abc")
    fill(folder, {f"{a}.pixels": 15, f"{a}.json": 5, f"{b}.facts": 10, f"{c}.pixels": 30})
    make_room(room)
    assert "".join(sorted({name[0] for name in files(folder)})) == left


def test_what_is_used_stays(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "50")
    a, b = (letter * 32 for letter in "ab")
    fill(folder, {f"{a}.pixels": 30, f"{a}.json": 5, f"{b}.pixels": 10})
    mark_used(folder / f"{a}.json")
    mark_used(folder / "gone.json")
    make_room(10)
    assert files(folder) == {f"{a}.pixels", f"{a}.json"}


def test_files_of_others_stay(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "0")
    others = {"thesis.pixels": 10, f"{'a' * 31}.json": 10, f"{'g' * 32}.pixels": 10, f"{'a' * 32}.png": 10}
    fill(folder, {**others, f"{'a' * 32}.pixels": 10})
    make_room(100)
    assert files(folder) == set(others)


def test_decoding_keeps_the_limit_and_what_is_mapped(data: Path, folder: Path, monkeypatch) -> None:
    first = decoded(data)
    expected = np.array(first.pixels)
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    decoded(data)  # which uses it
    assert max(path.stat().st_mtime for path in folder.iterdir()) > 1e9
    monkeypatch.setenv("CONVSTAGE_CACHE_LIMIT", "1 kB")
    before = files(folder)
    decode(Numbered(30), GEOMETRY)
    assert len(files(folder)) == 2
    assert not before & files(folder)
    assert_array_equal(first.pixels, expected)  # the file has gone, what is mapped is there

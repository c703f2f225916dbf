"""Where shards lie: patterns, folders, several places, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstage import DataError
from convstage.data import open_source
from convstage.data.shards.places import absolute, expand, find_shards, is_pattern, is_shards, stem
from support.tars import write_tar


def empty(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [write_tar(folder / name, {}) for name in names]


@given(st.integers(0, 2000), st.integers(0, 40), st.integers(1, 6))
def test_a_range_is_its_numbers_with_its_digits(first: int, more: int, digits: int) -> None:
    names = expand(f"x/{{{first:0{digits}d}..{first + more}}}.tar")
    assert [int(name[2:-4]) for name in names] == list(range(first, first + more + 1))
    assert all(len(name[2:-4]) >= digits for name in names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/{0..3.tar", "a brace is left open"),
        ("a/0..3}.tar", "a brace is left open"),
        ("a/{3..1}.tar", "{3..1} counts down.\nExpected the smaller number first."),
        ("a/{x..z}.tar", "{x..z} is neither numbers nor a choice.\nExpected {000..999}, or {a,b}."),
        ("a/{0..999999999}.tar", "stands for more than 1,000,000 shards."),
        ("{0..9999}/{0..9999}.tar", "stands for more than 1,000,000 shards."),
    ],
)
def test_patterns_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        expand(text)
    assert repr(text) in str(caught.value)
    assert message in str(caught.value)


def test_several_places_each_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = empty(tmp_path / "a", "0.tar", "1.tar"), empty(tmp_path / "b", "10.tar", "9.tar")
    monkeypatch.chdir(tmp_path)
    assert find_shards(Path(absolute("a/{0..1}.tar::b"))) == [*a, b[1], b[0]]
    assert find_shards(Path(absolute("b/9.tar::a/1.tar"))) == [b[1], a[1]]
    monkeypatch.chdir("/")
    assert find_shards(Path(f"{tmp_path}/a/{{0,1}}.tar")) == a


def test_a_path_that_is_there_is_no_pattern(tmp_path: Path) -> None:
    (shard,) = empty(tmp_path, "{0..3}.tar")
    assert not is_pattern(str(shard))
    assert find_shards(shard) == [shard]


def test_shards_are_told_from_folders_of_classes(tmp_path: Path) -> None:
    empty(tmp_path / "shards", "0.tar")
    (tmp_path / "shards/0.index.json").write_text("{}")
    (tmp_path / "shards/.git").mkdir()
    empty(tmp_path / "classes", "backup.tar")
    (tmp_path / "classes/healthy").mkdir()
    assert is_shards(tmp_path / "shards")
    assert is_shards(tmp_path / "shards/0.tar")
    assert not is_shards(tmp_path / "classes")
    assert not is_shards(tmp_path / "nowhere")


def test_missing_and_repeated_shards_are_named(tmp_path: Path) -> None:
    empty(tmp_path, "0.tar", "2.tar")
    with pytest.raises(DataError, match=r"^2 of 4 shards of .* are not there: .*/1\.tar, .*/3\.tar\.\nPut them back"):
        find_shards(Path(f"{tmp_path}/{{0..3}}.tar"))
    with pytest.raises(DataError, match=r"names shards twice: .*/0\.tar\."):
        find_shards(Path(f"{tmp_path}/0.tar::{tmp_path}/{{0,2}}.tar"))


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/{000..999}.tar",
        "pipe:touch canary; cat {0..1}.tar",
        "s3://bucket/{0..1}.tar",
        "a/{0..1}.tar::file:///etc/{0..1}.tar",
    ],
)
def test_addresses_and_commands_are_refused_and_not_run(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="is no path: shards are read from files, never from an address or a command"):
        open_source(text)
    assert not list(tmp_path.iterdir())


def test_an_empty_place_is_refused() -> None:
    with pytest.raises(DataError, match=r"has an empty place\.\nExpected shards between two ::\."):
        open_source("a.tar::")


def test_what_data_is_called_for_short() -> None:
    assert stem("/x/study/{0..1}.tar::/y/{2..3}.tar") == "study"
    assert stem("/x/{a,b}/0.tar") == "0"
    assert stem("/{0..1}.tar") == "shards"

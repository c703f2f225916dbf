"""The pixel cache when something goes wrong: nothing wrong is believed, nothing is left behind."""

from pathlib import Path

import pytest

from convstage import DataError
from convstage.data import Geometry, cache
from convstage.data.cache import decode
from support.caches import GEOMETRY, Numbered, check, decoded, files

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        *(("*.json", lambda data, n=n: data[:n]) for n in (0, 1, 20, 60, -3)),
        *(
            ("*.json", lambda data, text=text: text)
            for text in (b"[]", b"{}", b"null", b"7", b'{"unreadable": 3}', b'{"unreadable": [[0]]}', b"\xff\xfe")
        ),
        ("*.json", lambda data: b'{"unreadable": [["a", "b"]]}'),
        ("*.json", lambda data: b'{"unreadable": []}'),
        ("*.json", lambda data: b'{"unreadable": [[1, "x"], [6, "y"], [7, "z"]]}'),
        ("*.json", lambda data: b'{"unreadable": [[1, "x"], [99, "y"]]}'),
        ("*.json", None),
        *(("*.pixels", lambda data, n=n: data[:n]) for n in (0, 1, 100, -1)),
        ("*.pixels", lambda data: data + b"\x00"),
        ("*.pixels", None),
    ],
)
def test_a_damaged_cache_is_made_anew(pattern: str, damage, data: Path, folder: Path) -> None:
    first = decoded(data)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (path,) = folder.glob(pattern)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
        assert path.read_bytes() != whole[path.name]
    again = decoded(data)
    check(again, data)
    assert again.unreadable == first.unreadable
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_interrupted_cache_leaves_nothing_behind(interrupt, data: Path, folder: Path, monkeypatch) -> None:
    original = cache.to_pixels
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) >= 4:
            raise interrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "to_pixels", stop)
        with pytest.raises(interrupt):
            decoded(data)
    assert files(folder) == set()
    check(decoded(data), data)


def test_pixels_without_their_list_are_not_believed(data: Path, folder: Path, monkeypatch) -> None:
    def fail(*_) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_json", fail)
        with pytest.raises(KeyboardInterrupt):
            decoded(data)
    (pixels,) = folder.iterdir()
    pixels.write_bytes(bytes(pixels.stat().st_size))
    check(decoded(data), data)


def test_a_full_disk_is_named_and_leaves_nothing_behind(data: Path, folder: Path) -> None:
    """A limit on the size of files stands for the full disk: both fail when writing."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(DataError) as caught:
            decoded(data, Geometry(100, 100, "grey"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value) == (
        "the pixel cache cannot be written: [Errno 27] File too large.\n"
        "Set CONVSTAGE_CACHE to a folder with space for it."
    )
    assert files(folder) == set()
    assert decoded(data, Geometry(100, 100, "grey")).pixels.shape == (6, 100, 100, 1)


def test_a_place_that_cannot_be_a_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("a file")
    for place, reason in (("file", "[Errno 17] File exists"), ("file/below", "[Errno 20] Not a directory")):
        monkeypatch.setenv("CONVSTAGE_CACHE", str(tmp_path / place))
        with pytest.raises(DataError) as caught:
            decoded(data)
        assert str(caught.value) == (
            f"the pixel cache cannot be written: {reason}: '{tmp_path / place}'.\n"
            "Set CONVSTAGE_CACHE to a folder with space for it."
        )


def test_a_file_that_changes_meanwhile_is_not_taken_for_what_it_was(folder: Path) -> None:
    class Changing(Numbered):
        content = 2

        def read(self, index: int) -> bytes:
            self.content += index == 2
            return bytes([self.content if index == 2 else index])

    with pytest.raises(DataError) as caught:
        decode(Changing(4), GEOMETRY)
    assert str(caught.value) == "2 changed while the images were being read.\nStart again."
    assert files(folder) == set()


def test_a_file_that_cannot_be_read_for_a_moment_is_not_unreadable_for_ever(folder: Path) -> None:
    class Shaky(Numbered):
        reads = 0

        def read(self, index: int) -> bytes:
            self.reads += index == 2
            if index == 2 and self.reads == 2:
                raise OSError(5, "Input/output error")
            return super().read(index)

    with pytest.raises(DataError, match=r"^2 changed while"):
        decode(Shaky(4), GEOMETRY)
    assert decode(Numbered(4), GEOMETRY).unreadable == []

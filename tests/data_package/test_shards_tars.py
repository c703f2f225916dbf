"""Archives that mean no good: each is refused by name, and nothing is ever unpacked."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convstage import DataError
from convstage.data.shards.tars import BLOCK, fits, members
from support.tars import header, write_tar

CONTENT = {"a.png": b"first" * 300, "a.cls": b"0", "ö/b.png": b"", "ö/b.cls": b"1"}


def listed(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    return {member.name: data[member.offset : member.offset + member.length] for member in members(path)}


def refusal(path: Path) -> str:
    before = set(path.parent.rglob("*"))
    with pytest.raises(DataError) as caught:
        list(members(path))
    assert set(path.parent.rglob("*")) == before
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_are_found_where_they_lie(layout: int, tmp_path: Path) -> None:
    for name, content in CONTENT.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    long = "long/" * 15 + "x" * 90 + ".png"
    with tarfile.open(tmp_path / "0.tar", "w", format=layout) as archive:
        archive.add(tmp_path / "in/ö", "ö")  # a folder, and what is in it
        archive.add(tmp_path / "in/a.png", "a.png")
        archive.add(tmp_path / "in/a.cls", "a.cls")
        archive.add(tmp_path / "in/a.png", long)
    assert listed(tmp_path / "0.tar") == CONTENT | {long: CONTENT["a.png"]}


def test_an_archive_without_files(tmp_path: Path) -> None:
    assert listed(write_tar(tmp_path / "0.tar", {})) == {}


def kind(value: bytes, target: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = value, target, 0

    return change


def named(name: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.name = name

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (kind(tarfile.SYMTYPE, "/etc/passwd"), "'a.png' is a symbolic link."),
        (kind(tarfile.LNKTYPE, "../../secret"), "'a.png' is a hard link."),
        (kind(tarfile.CHRTYPE), "'a.png' is a device."),
        (kind(tarfile.BLKTYPE), "'a.png' is a device."),
        (kind(tarfile.FIFOTYPE), "'a.png' is a pipe."),
        (named("/etc/cron.d/a.png"), "'/etc/cron.d/a.png' is a name that leads out of the archive"),
        (named("x/../../a.png"), "'x/../../a.png' is a name that leads out of the archive"),
        (named("x\\..\\a.png"), "is a name that leads out of the archive"),
        (named("a\n.png"), "is a name that leads out of the archive, or cannot be one"),
        (lambda info: info.pax_headers.update({"GNU.sparse.size": "9"}), "'a.png' is a sparse file."),
    ],
)
def test_what_is_no_ordinary_file_is_refused(
    change: Callable[[tarfile.TarInfo], None], said: str, tmp_path: Path
) -> None:
    message = refusal(write_tar(tmp_path / "0.tar", {"a.png": b"x"}, change))
    assert said in message
    assert message.endswith("Expected ordinary files, with relative names; nothing was unpacked.")


END = bytes(2 * BLOCK)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            header("a.png", 10**12) + END,
            "'a.png' says that it has 1,000,000,000,000 bytes from byte 512 on; the archive",
        ),
        (header("a.png", 2**70) + END, "ends at 1,536"),
        (header("a.png", -(2**40)) + END, "a header that points backwards"),
        (header("x", 8 * 1024**3, tarfile.XHDTYPE) + END, "a header of more than 1,048,576 bytes"),
        (header("x", 8 * 1024**3, tarfile.GNUTYPE_LONGNAME) + END, "a header of more than 1,048,576 bytes"),
        (header("x", -(2**40), tarfile.XHDTYPE) + END, "a header of more than"),
        (header("x", 0, tarfile.XHDTYPE) * 3000 + END, "is no tar archive that can be read"),
        (header("a.png", 512, tarfile.GNUTYPE_SPARSE) + END, "'a.png' is a sparse file."),
        (header("a.png", 0, b"Z") + END, "'a.png' is of type b'Z'."),
        (b"", "is no tar archive that can be read: empty file"),
        (b"no archive" * 100, "is no tar archive that can be read"),
        (gzip.compress(header("a.png", 0) + END, mtime=0), "Expected an archive that is not packed"),
        (header("a.png", 0), "is cut off or damaged at byte 512 of 512."),
        (header("a.png", 0) + b"\1" * BLOCK + END, "is cut off or damaged at byte 512 of 2,048."),
    ],
)
def test_headers_that_lie(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(data)
    assert said in refusal(tmp_path / "0.tar")


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "0.tar", CONTENT)
    data = whole.read_bytes()
    end = max(member.offset + member.length for member in members(whole))
    cut = tmp_path / "1.tar"
    for length in [*range(0, end, 97), end, (end + BLOCK - 1) // BLOCK * BLOCK]:
        cut.write_bytes(data[:length])
        refusal(cut)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_changed_only_our_error_comes_out(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("mutants")
    content = bytearray(write_tar(folder / "0.tar", CONTENT).read_bytes()[: 8 * BLOCK] + END)
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1)
    ):
        content[place] = value
    if data.draw(st.booleans()):  # a checksum that is right again
        total = sum(content[:148]) + 8 * 32 + sum(content[156:BLOCK])
        content[148:156] = b"%06o\0 " % total
    (folder / "1.tar").write_bytes(content)
    try:
        found = list(members(folder / "1.tar"))
    except DataError as error:
        assert str(folder / "1.tar") in str(error)
    else:
        assert all(member.offset >= 0 and member.offset + member.length <= len(content) for member in found)
    assert {path.name for path in folder.iterdir()} == {"0.tar", "1.tar"}


def test_a_header_is_compared_with_what_the_index_says() -> None:
    block = header("00000007.png", 300)
    assert fits(block, "00000007.png", 300)
    assert not fits(block, "00000008.png", 300)
    assert not fits(block, "00000007.png", 301)
    assert not fits(bytes(BLOCK), "00000007.png", 300)
    assert not fits(block[:100], "00000007.png", 300)
    assert not fits(header("00000007.png", 300, tarfile.SYMTYPE), "00000007.png", 300)

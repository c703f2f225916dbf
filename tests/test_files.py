"""Files that are whole or not there, and tensors in which every turned bit is noticed."""

import errno
import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from convstage import RunError
from convstage.errors import WriteError
from convstage.files import (
    TEMPORARY,
    atomic_path,
    csv_text,
    digest,
    read_csv,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------- whole or not at all


def test_written_then_flushed_then_renamed_then_the_folder_flushed(tmp_path: Path, monkeypatch) -> None:
    """The one order in which a crash leaves the old file or the new one; it must never get lost."""
    steps = []
    fsync, replace = os.fsync, os.replace
    (tmp_path / "file.txt").write_text("old")

    def record_fsync(descriptor: int) -> None:
        kind = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(kind.st_mode)
        steps.append(("fsync folder", kind.st_ino) if is_folder else ("fsync file", kind.st_ino, kind.st_size))
        fsync(descriptor)

    def record_replace(source, target) -> None:
        assert (tmp_path / "file.txt").read_text() == "old"
        steps.append(("rename", Path(source).stat().st_ino, Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    write_text(tmp_path / "file.txt", "new and longer")
    inode = (tmp_path / "file.txt").stat().st_ino
    assert steps == [
        ("fsync file", inode, len("new and longer")),
        ("rename", inode, tmp_path / "file.txt"),
        ("fsync folder", tmp_path.stat().st_ino),
    ]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
@pytest.mark.parametrize("where", ["body", "fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(where: str, error, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(*_) -> None:
        raise error

    if where != "body":
        monkeypatch.setattr(os, where, fail)
    # What the system says of our own calls becomes an error for people.
    expected = WriteError if isinstance(error, OSError) and where != "body" else type(error)
    with pytest.raises(expected), atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        if where == "body":
            fail()
    assert names(tmp_path) == ["file.txt"]
    assert path.read_text() == "old"


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: both fail when writing."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "file.safetensors"
    write_tensors(path, {"a": torch.ones(3)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        for write in (
            lambda: write_text(path, "x" * 100_000),
            lambda: write_tensors(path, {"a": torch.ones(100_000)}),
        ):
            with pytest.raises(WriteError) as caught:
                write()
            assert caught.value.errno == errno.EFBIG
            assert str(caught.value).startswith(f"{path} cannot be written: File too large.\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == ["file.safetensors"]
    assert torch.equal(read_tensors(path)[0]["a"], torch.ones(3))


def test_the_temporary_file_lies_beside_and_has_the_same_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "file.npy") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npy"
        assert temporary.name.startswith(TEMPORARY)
        assert not (tmp_path / "file.npy").exists()
    assert names(tmp_path) == ["file.npy"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o000, 0o666)])
def test_permissions_are_the_users(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "file.txt", "x")
        assert os.umask(umask) == umask  # and the mask itself stays
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == mode


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as caught:
        write_text(tmp_path / "nowhere" / "file.txt", "x")
    assert str(caught.value) == (
        f"{tmp_path}/nowhere/file.txt cannot be written: No such file or directory.\n"
        "Its folder is not there (any more)."
    )


# ------------------------------------------------------------- text and JSON


def test_json_comes_back_as_it_was(tmp_path: Path) -> None:
    data = {"name": "Röntgen 🫁", "list": [1, 2.5, None, True], "nested": {"a": 'b\n"c"'}}
    write_json(tmp_path / "file.json", data)
    assert read_json(tmp_path / "file.json") == data
    assert "Röntgen 🫁" in (tmp_path / "file.json").read_text(encoding="utf-8")  # people read it too


def test_file_names_that_are_no_utf_8_come_back_and_the_file_is_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"R\xf6ntgen.png")
    write_json(tmp_path / "file.json", {"name": name})
    assert read_json(tmp_path / "file.json") == {"name": name}
    assert (tmp_path / "file.json").read_bytes().decode("utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_refuses_what_is_not_finite(value: float, tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"loss": [1.0, {"deep": value}]})
    assert read_json(tmp_path / "file.json") == {"loss": 1.0}
    assert names(tmp_path) == ["file.json"]


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(RunError) as caught:
        read_json(path)
    assert str(caught.value) == f"{path} is missing."
    for content in (b"", b"{", b'{"a": 1', b"\xff", b"[1,]", b"9" * 5000):
        path.write_bytes(content)
        with pytest.raises(RunError) as caught:
            read_json(path)
        assert str(caught.value).startswith(f"{path} cannot be read: ")
    with pytest.raises(RunError) as caught:
        read_json(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path} cannot be read: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": NaN}', "NaN is no number that JSON has"),
        (b"[Infinity]", "Infinity is no number that JSON has"),
        (b"[-Infinity]", "-Infinity is no number that JSON has"),
        (b'{"a": 1, "b": {"c": 2, "c": 2}}', "'c' is there twice"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it is nested too deeply"),
    ],
)
def test_json_that_could_mean_anything_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_json(path)
    assert str(caught.value) == f"{path} cannot be read: {reason}."


# ------------------------------------------------------------- CSV


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    rows = [['say "x, y"', "1.5"], ["two\nlines", "-2"]]
    write_text(tmp_path / "table.csv", csv_text(("name", "value"), rows))
    read = read_csv(tmp_path / "table.csv", ("value",), "value")
    assert read == [dict(zip(("name", "value"), row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is damaged: it has no column 'name'"),
        (b"name\na\n", "is damaged: it has no column 'value'"),
        (b"name,value,value\n", "is damaged: it has two columns of one name"),
        (b"name,value\na,1\nb\n", "is damaged: row 2 has 1 values, and the header 2"),
        (b"name,value\na,1,2\n", "is damaged: row 1 has 3 values, and the header 2"),
        (b"name,value\na,\n", "is damaged: row 1 has '' for 'value', which should be a number"),
        (b"name,value\na,nan\n", "is damaged: row 1 has 'nan' for 'value', which should be a number"),
        (b"name,value\na,1e999\n", "is damaged: row 1 has '1e999' for 'value', which should be a number"),
        (b"name,value\n\xff,1\n", "cannot be read: 'utf-8' codec can't decode byte 0xff"),
        (b'name,value\n"a,1\n', "cannot be read: unexpected end of data"),
        (b"name,value\n" + b"x" * 200_000 + b",1\n", "cannot be read: field larger than field limit"),
    ],
)
def test_a_damaged_table_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_csv(path, ("name", "value"), "value", "Make it anew.")
    assert str(caught.value).startswith(f"{path} {problem}")
    assert str(caught.value).endswith("\nMake it anew.") == ("is damaged" in problem)


def test_a_table_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere\.csv is missing\.$"):
        read_csv(tmp_path / "nowhere.csv")
    with pytest.raises(RunError, match=r"cannot be read: Is a directory\.$"):
        read_csv(tmp_path)


# ------------------------------------------------------------- tensors

TENSORS = {
    "float": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
    "special": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
    "long": torch.tensor([-(2**62), 0, 2**62]),
    "bool": torch.tensor([[True, False], [False, True]]),
    "scalar": torch.tensor(2.5),
    "step": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "channels.last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "Gewicht 🫁": torch.ones(1),
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    weights = {"b.weight": torch.arange(24.0).reshape(2, 3, 4), "a.count": torch.tensor(7)}
    write_tensors(path, weights, {"convstage": '{"classes": ["0-healthy", "1-corona", "Röntgen"]}', "other": "x"})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        read_tensors(path)
    return str(caught.value)


def test_tensors_and_metadata_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    metadata = {"position": json.dumps({"epoch": 3}), "note": "Röntgen 🫁\n"}
    write_tensors(path, TENSORS, metadata)
    tensors, found = read_tensors(path)
    assert found == metadata
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert torch.equal(tensors[name].nan_to_num(123), tensor.nan_to_num(123)), name


def test_tensors_with_gradients_and_without_metadata(tmp_path: Path) -> None:
    write_tensors(tmp_path / "file.safetensors", {"w": torch.nn.Parameter(torch.ones(2))})
    tensors, metadata = read_tensors(tmp_path / "file.safetensors")
    assert metadata == {}
    assert torch.equal(tensors["w"], torch.ones(2))
    assert not tensors["w"].requires_grad


def test_what_was_read_does_not_change_with_the_file(saved: Path) -> None:
    tensors, _ = read_tensors(saved)
    before = tensors["b.weight"].clone()
    tensors["b.weight"] += 1
    assert torch.equal(read_tensors(saved)[0]["b.weight"], before)


def test_the_digest_is_of_names_types_shapes_values_and_metadata_but_not_of_their_order() -> None:
    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    base = digest({"a": a, "b": b}, {"x": "1", "y": "2"})
    assert base == digest({"b": b, "a": a}, {"y": "2", "x": "1"})
    others = [
        digest({"a": b, "b": a}, {"x": "1", "y": "2"}),
        digest({"a": a, "c": b}, {"x": "1", "y": "2"}),
        digest({"a": a}, {"x": "1", "y": "2"}),
        digest({"a": a, "b": b.double()}, {"x": "1", "y": "2"}),
        digest({"a": a.view(torch.int32), "b": b}, {"x": "1", "y": "2"}),
        digest({"a": a.reshape(1, 2), "b": b}, {"x": "1", "y": "2"}),
        digest({"a": a, "b": b}, {"x": "2", "y": "1"}),
        digest({"a": a, "b": b}, {"x": "1"}),
        digest({"a": a, "b": b}),
    ]
    assert len({base, *others}) == 1 + len(others)


def test_every_turned_bit_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    random = np.random.default_rng(0)
    # All of the length in front, and many places in the header and in the values.
    places = {*range(8), *random.integers(8, header, 200), *random.integers(header, len(whole), 100)}
    for place in sorted(map(int, places)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.integers(8)
        saved.write_bytes(damaged)
        assert refusal(saved).startswith(f"{saved} "), place
    saved.write_bytes(whole)
    read_tensors(saved)


def test_a_value_that_changed_is_told_from_a_file_that_is_none(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    assert refusal(saved) == (f"{saved} is damaged: its contents do not match its SHA-256. Restore it from a copy.")


def test_a_file_that_was_cut_off_or_has_grown_is_noticed(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in {*range(0, len(whole), 7), len(whole) - 1}:
        saved.write_bytes(whole[:length])
        assert refusal(saved).startswith(f"{saved} is damaged or no safetensors file: ")
    saved.write_bytes(whole + b"\x00")
    assert refusal(saved).startswith(f"{saved} is damaged or no safetensors file: ")


def test_changed_metadata_are_noticed(saved: Path) -> None:
    tensors, metadata = read_tensors(saved)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}  # they may be a map of the file
    with safe_open(saved, "pt") as file:
        stored = file.metadata()
    for changed in (
        stored | {"convstage": stored["convstage"].replace("0-healthy", "0-corona")},
        stored | {"more": ""},
        {name: value for name, value in stored.items() if name != "other"},
        stored | {"sha256": "0" * 64},
    ):
        save_file(tensors, saved, changed)
        assert refusal(saved).startswith(f"{saved} is damaged: its contents do not match")
    save_file(tensors, saved, stored)
    assert read_tensors(saved)[1] == metadata


def test_tensors_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    for metadata in (None, {}, {"convstage": "{}"}):
        save_file({"a": torch.ones(2)}, path, metadata)
        assert refusal(path) == f"{path} has no digest: it was not written by convstage."


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.safetensors", tmp_path):
        assert refusal(path) == f"{path} is missing."

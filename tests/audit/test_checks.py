"""CHECKS: each finds what it is for, and nothing in data that has no fault."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convstage.audit import CHECKS, Finding
from convstage.audit.findings import SEVERITIES
from convstage.audit.report import _subject
from support.files import Files, smooth
from support.pictures import colours, encoded


def found(name: str, source: Files, notes: list[str] | None = None) -> list[Finding]:
    subject = _subject(source, None)
    subject.notes.extend(notes or [])
    return list(CHECKS[name].find(subject))


def named(finding: Finding) -> list[str]:
    return [name for name, _ in finding.files]


def faulty() -> Files:
    """One of every fault among 120 pictures."""
    pictures: list = smooth(120)
    pictures[3] = np.full((24, 20), 9, np.uint8)
    pictures[5] = smooth(1, 90, 20, seed=9)[0]
    pictures[7] = colours(24, 20)
    pictures[9] = b"no image"
    pictures[21] = pictures[20]
    pictures[31] = encoded(Image.fromarray(pictures[30]), "JPEG", quality=80)
    parts = ["train", "test"] * 60
    return Files(pictures, [0] * 100 + [1] * 20, parts, [f"patient {index // 4}" for index in range(120)])


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_finds_its_fault_and_says_so_in_words(name: str) -> None:
    findings = found(name, faulty(), ["2 copies left out."])
    assert findings
    for finding in findings:
        assert finding.check == name
        assert finding.severity in SEVERITIES
        assert finding.message.endswith(".")
        assert all(file and remark for file, remark in finding.files)
    assert CHECKS[name].name == name


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_finds_anything_in_data_without_faults(name: str) -> None:
    assert found(name, Files(smooth(120))) == []


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_minds_data_of_which_nothing_can_be_read(name: str) -> None:
    findings = found(name, Files([b"", b"no image"]))
    assert {finding.check for finding in findings} <= {"unreadable", "classes"}


def test_unreadable_files_are_named_with_the_reason() -> None:
    (finding,) = found("unreadable", Files([b"", *smooth(3)]))
    assert finding.message == "1 of 4 files cannot be read; they are left out."
    assert (finding.severity, list(finding.files)) == ("warning", [("0.png", "the file is empty")])


@pytest.mark.parametrize(
    ("counts", "messages"),
    [
        ([60, 60], []),
        ([60, 30], ["warning class b has 30 images: what", "note class a has 2.0 times the images of b (60 and 30)."]),
        ([90, 60], []),
        ([600, 55], ["warning class a has 10.9 times the images of b (600 and 55). Accuracy alone would flatter"]),
    ],
)
def test_classes_that_are_small_or_uneven(counts: list[int], messages: list[str]) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    findings = found("classes", Files(smooth(1) * len(labels), labels))
    told = [f"{finding.severity} {finding.message}" for finding in findings]
    assert len(told) == len(messages)
    assert all(line.startswith(message) for line, message in zip(told, messages, strict=True))


def test_groups_that_are_in_two_parts() -> None:
    parts, groups = ["train", "test", "val", "train", None, "test"], ["p", "q", "q", "r", "r", "s"]
    (finding,) = found("groups", Files(smooth(6), None, parts, groups))
    assert finding.severity == "error"
    assert finding.message.startswith("1 of 4 groups are in more than one part (2 images)")
    assert list(finding.files) == [("1.png (test)", "group q"), ("2.png (val)", "group q")]


def test_a_size_that_few_have() -> None:
    pictures = [*smooth(9), *smooth(1, 24, 21)]
    (finding,) = found("sizes", Files(pictures))
    assert (
        finding.message == "1 image of odd size (b 1); most are 24×20 (height × width). Look whether they belong here."
    )
    assert list(finding.files) == [("9.png", "24×21")]


def test_among_many_sizes_only_what_lies_far_out() -> None:
    pictures = [smooth(1, 40 + 2 * n, 40 + n)[0] for n in range(20)]
    assert found("sizes", Files(pictures)) == []
    pictures += [smooth(1, 400, 400)[0], smooth(1, 30, 200)[0], smooth(1, 6, 6)[0]]
    (finding,) = found("sizes", Files(pictures))
    assert named(finding) == ["20.png", "21.png", "22.png"]
    assert "half are around 58×50" in finding.message


def test_kinds_that_few_are_of() -> None:
    palette = encoded(Image.fromarray(smooth(1)[0]).convert("P"), "PNG")
    deep = encoded(Image.fromarray(smooth(1)[0].astype(np.uint16) * 257), "PNG")
    (finding,) = found("modes", Files([*smooth(9), palette, deep, colours(24, 20)]))
    assert finding.message == "3 images of another kind than grey, which most are (a 1, b 2)."
    assert [remark for _, remark in finding.files] == ["palette", "grey of 16 bits", "colour"]
    assert found("modes", Files([*smooth(3), *[colours(24, 20)] * 3])) == []


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((24, 20), np.uint8),
        np.full((24, 20), 255, np.uint8),
        np.clip(np.random.default_rng(0).normal(120, 2, (24, 20)), 0, 255).astype(np.uint8),
        np.where(np.arange(480).reshape(24, 20) < 3, 0, 255).astype(np.uint8),
    ],
    ids=["black", "white", "faint noise", "overexposed"],
)
def test_pictures_that_show_nothing(picture: np.ndarray) -> None:
    (finding,) = found("blank", Files([picture, *smooth(9)]))
    assert named(finding) == ["0.png"]


def test_what_is_blank_depends_on_what_is_usual() -> None:
    """A few dark pixels on white are a drawing among drawings, and a faint texture is one among textures."""
    random = np.random.default_rng(0)
    drawings = [np.where(random.random((24, 20)) < 0.02, 0, 255).astype(np.uint8) for _ in range(20)]
    textures = [random.integers(118, 124, (24, 20), dtype=np.uint8) for _ in range(20)]
    assert found("blank", Files(drawings)) == []
    assert found("blank", Files(textures)) == []
    (finding,) = found("blank", Files([*smooth(20), drawings[0], textures[0]]))
    assert named(finding) == ["20.png", "21.png"]

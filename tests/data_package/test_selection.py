"""Some classes, in an order of one's own; groups that are read off the names."""

from pathlib import Path

import pytest
from PIL import Image

from convstage import DataError
from convstage.data.selection import Selection, choose_classes, group_by_name
from convstage.data.source import Item
from convstage.errors import ConfigError


class Named:
    """A source of images of given names, as grey as their place; the folder is the class."""

    root = Path("pictures")

    def __init__(self, *names: str) -> None:
        self.classes = tuple(sorted({name.split("/")[0] for name in names}))
        self.items = [Item(name, self.classes.index(name.split("/")[0]), "train") for name in names]

    def read(self, index: int) -> bytes:
        return bytes([index])

    def open(self, data: bytes) -> Image.Image:
        return Image.new("L", (1, 1), data[0])


SOURCE = Named("a/1", "a/2", "b/3", "c/4", "c/5", "c/6")


def test_some_classes_in_an_order() -> None:
    chosen = choose_classes(SOURCE, ["c", "a"])
    assert (chosen.root, chosen.classes) == (SOURCE.root, ("c", "a"))
    assert [(item.name, item.label, item.part) for item in chosen.items] == [
        ("a/1", 1, "train"),
        ("a/2", 1, "train"),
        ("c/4", 0, "train"),
        ("c/5", 0, "train"),
        ("c/6", 0, "train"),
    ]
    assert [chosen.open(chosen.read(row)).getpixel((0, 0)) for row in range(5)] == [0, 1, 3, 4, 5]
    assert chosen.notes() == ["left out, as other classes were chosen: b (1 image)"]


def test_all_classes_in_another_order() -> None:
    chosen = choose_classes(SOURCE, ["b", "c", "a"])
    assert [item.label for item in chosen.items] == [2, 2, 0, 1, 1, 1]
    assert chosen.notes() == []
    assert choose_classes(SOURCE, SOURCE.classes) is SOURCE


def test_a_class_that_is_not_there() -> None:
    source = Named("0-healthy/1", "1-corona/2")
    with pytest.raises(DataError) as caught:
        choose_classes(source, ["0-healthy", "corona"])
    assert str(caught.value) == ("pictures has no class 'corona'.\nDid you mean 1-corona? It has 0-healthy, 1-corona.")
    with pytest.raises(DataError) as caught:
        choose_classes(source, ["xyz"])
    assert str(caught.value) == "pictures has no class 'xyz'.\nIt has 0-healthy, 1-corona."


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"p(\d+)", ["1", "1", "12", "3"]),
        (r"p\d+", ["p1", "p1", "p12", "p3"]),
        (r"p(?:\d+)", ["p1", "p1", "p12", "p3"]),
        (r"/(.*?)-", ["p1", "p1", "p12", "p3"]),
        (r"p(1)\b|p\d+", ["1", "1", "p12", "p3"]),
        (r"p(\d+)-(\d+)", ["1", "1", "12", "3"]),
    ],
)
def test_groups_by_name(pattern: str, groups: list[str]) -> None:
    source = group_by_name(Named("a/p1-1.png", "a/p1-2.png", "b/p12-1.png", "b/p3-7.png"), pattern)
    assert [item.group for item in source.items] == groups
    assert [item.part for item in source.items] == ["train"] * 4
    assert source.read(2) == b"\x02"
    assert source.notes() == [f"{len(set(groups))} groups, read off the names"]


def test_names_without_a_group() -> None:
    source = Named(*(f"a/x{row}.png" for row in range(5)), "b/p1.png")
    with pytest.raises(DataError) as caught:
        group_by_name(source, r"p(\d)\.")
    assert str(caught.value) == (
        r"group_regex = 'p(\\d)\\.' finds no group in 5 of 6 names: a/x0.png, a/x1.png, a/x2.png, …." + "\n"
        r"Write it so that it fits them; with '.*?(?:p(\\d)\\.)|.*' they would be groups of their own."
    )
    assert [item.group for item in group_by_name(source, r".*?(?:p(\d)\.)|.*").items][-2:] == ["a/x4.png", "1"]
    with pytest.raises(DataError, match=r"with '\.\*\?\(P1\)\|\.\*' they would be groups of their own\."):
        group_by_name(source, "P1")
    assert [item.group for item in group_by_name(source, r".*?(p\d)|.*").items][-2:] == ["a/x4.png", "p1"]


def test_an_empty_match_is_no_group() -> None:
    with pytest.raises(DataError, match=r"finds no group in 2 of 2 names: a/x, b/7\."):
        group_by_name(Named("a/x", "b/7"), r"\d*")


def test_what_is_no_regular_expression() -> None:
    with pytest.raises(ConfigError) as caught:
        group_by_name(SOURCE, "p(")
    assert str(caught.value) == (
        "group_regex = 'p(' is no regular expression: missing ), unterminated subpattern at character 2."
    )


def test_both_together_say_both() -> None:
    source = group_by_name(choose_classes(SOURCE, ["a", "c"]), r"\d")
    assert isinstance(source, Selection)
    assert source.notes() == ["left out, as other classes were chosen: b (1 image)", "5 groups, read off the names"]
    assert [source.read(row) for row in range(5)] == [b"\x00", b"\x01", b"\x03", b"\x04", b"\x05"]

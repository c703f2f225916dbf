"""Images that a CSV file lists: what its columns may be called, and mistakes by line and column."""

from pathlib import Path

import pytest
from PIL import Image

from convstage.data import Geometry, open_source, read_images
from convstage.data.formats import PARTS, find_source
from support.sources import refusal


@pytest.fixture
def table(tmp_path: Path):
    """Return what writes a CSV file beside eight pictures, pictures/0.png to 7.png, of that grey."""
    (tmp_path / "pictures").mkdir()
    for grey in range(8):
        Image.new("L", (5, 6), grey).save(tmp_path / f"pictures/{grey}.png")

    def write(*lines: str, encoding: str = "utf-8", name: str = "table.csv", end: str = "\n") -> Path:
        (tmp_path / name).write_bytes(end.join(lines).encode(encoding))
        return tmp_path / name

    return write


def rows(path: Path) -> list[tuple[str, str, str | None, str | None]]:
    source = find_source(path)
    return [(item.name, source.classes[item.label], item.part, item.group) for item in source.items]


def test_path_and_label(table) -> None:
    path = table("path,label", "pictures/0.png,b10", "pictures/1.png,b2", "pictures/2.png,b10")
    assert rows(path) == [
        ("pictures/0.png", "b10", None, None),
        ("pictures/1.png", "b2", None, None),
        ("pictures/2.png", "b10", None, None),
    ]
    source = find_source(path)
    assert source.classes == ("b2", "b10")
    assert [source.open(source.read(row)).getpixel((0, 0)) for row in range(3)] == [0, 1, 2]


def test_split_and_group(table) -> None:
    path = table("path,label,split,group", "0.png,a,train,Ann", "1.png,b,TEST,Bob", "2.png,a,validation,", "3.png,b,,")
    assert rows(path) == [
        ("0.png", "a", "train", "Ann"),
        ("1.png", "b", "test", "Bob"),
        ("2.png", "a", "val", None),
        ("3.png", "b", None, None),
    ]


@pytest.mark.parametrize("word", [word for words in PARTS.values() for word in words])
def test_every_name_of_a_part(word: str, table) -> None:
    path = table("path,label,split", f"0.png,a,{word.upper()}", "1.png,b,train")
    assert word in PARTS[rows(path)[0][2]]


@pytest.mark.parametrize(
    "header",
    ["path,label", "image,class", "file,label", "filename,class", "PATH,Label", " path , label ", "path,class"],
)
def test_names_of_the_columns(header: str, table) -> None:
    assert rows(table(header, "0.png,a", "1.png,b")) == [("0.png", "a", None, None), ("1.png", "b", None, None)]


@pytest.mark.parametrize("group", ["group", "patient", "Patient_ID"])
def test_other_columns_are_ignored_and_their_order_is_free(group: str, table) -> None:
    path = table(f"age,{group},label,remark,path", "70,Ann,a,none,0.png", "71,Bob,b,some,1.png")
    assert rows(path) == [("0.png", "a", None, "Ann"), ("1.png", "b", None, "Bob")]


def test_the_first_name_wins_and_others_must_be_one(table) -> None:
    path = table("filename,path,label,class", "x.png,0.png,a,y", "x.png,1.png,b,y")
    assert [row[:2] for row in rows(path)] == [("0.png", "a"), ("1.png", "b")]
    path = table("filename,image,label", "x.png,0.png,a")
    assert refusal(path) == (
        f"{path} has the columns image and filename; which one is meant?\nCall the right one path."
    )
    path = table("path,label,label", "0.png,a,b")
    assert refusal(path) == f"{path} has more than one column label.\nRename those that are not meant."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["table.csv", "TABLE.CSV", "table.tsv"])
def test_delimiters(delimiter: str, name: str, table) -> None:
    """Values may hold the others: what the header holds decides."""
    path = table(f"path{delimiter}label", f'"a,b;c\td.png"{delimiter}x', f'"0.png"{delimiter}"y;z,"', name=name)
    assert [row[:2] for row in rows(path)] == [("a,b;c\td.png", "x"), ("0.png", "y;z,")]
    path = table(f'"path"{delimiter}"label"', f"0.png{delimiter}x", f"1.png{delimiter}y", name=name)
    assert [row[:2] for row in rows(path)] == [("0.png", "x"), ("1.png", "y")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(encoding: str, end: str, table) -> None:
    path = table("path,label", "0.png,Röntgen", "", " , ", "1.png,🫁\u2028x", encoding=encoding, end=end)
    assert [row[:2] for row in rows(path)] == [("0.png", "Röntgen"), ("1.png", "🫁\u2028x")]


def test_quotation_marks_and_spaces(table) -> None:
    path = table("path, label", '0.png, "a ""b"""', '"1.png",  c  ', '"two\nlines.png",c')
    assert [row[:2] for row in rows(path)] == [("0.png", 'a "b"'), ("1.png", "c"), ("two\nlines.png", "c")]


def test_absolute_paths_and_paths_outside(table, tmp_path: Path) -> None:
    table("path,label")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "t.csv").write_text(f"path,label\n../pictures/1.png,a\n{tmp_path}/pictures/2.png,b\npictures\\3.png,a\n")
    (inner / "pictures").symlink_to(tmp_path / "pictures")
    source = find_source(inner / "t.csv")
    assert [item.name for item in source.items] == [
        "../pictures/1.png",
        f"{tmp_path}/pictures/2.png",
        "pictures\\3.png",
    ]
    assert [source.open(source.read(row)).getpixel((0, 0)) for row in range(3)] == [1, 2, 3]


def test_files_that_are_missing_are_unreadable_and_no_error(table) -> None:
    path = table("path,label", "pictures/0.png,a", "gone.png,a", "no\\where.png,b", "pictures,b", "pictures/1.png,b")
    images = read_images(open_source(path)[1], Geometry(6, 5))
    assert images.names == ["pictures/0.png", "pictures/1.png"]
    assert images.unreadable == [
        ("gone.png", "No such file or directory"),
        ("no\\where.png", "No such file or directory"),
        ("pictures", "Is a directory"),
    ]


# ------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["path,label", "0.png,a", "1.png,"], "line 3, column label: empty.\nFill it in, or remove the line."),
        (["class,file", "a,0.png", "b, "], "line 3, column file: empty.\nFill it in, or remove the line."),
        (["path,label", "0.png"], "line 2, column label: empty.\nFill it in, or remove the line."),
        (
            ["path,label,split", "0.png,a,tset"],
            "line 2, column split: 'tset' is no part.\nExpected train, val or test.",
        ),
        (
            ["path,label", "0.png,a,b", "1.png,b"],
            "line 2: 3 values, but 2 columns.\nPut values that hold the separator into quotation marks.",
        ),
        (
            ["path,label", "", "0.png,a", '"1\n.png",b', "0.png,b"],
            "line 6: 0.png is in line 3 already.\nRemove one of the two.",
        ),
        (
            ["path,label", "0.png,a", '1.png,"b'],
            "line 3: unexpected end of data.\nQuotation marks must be closed, and doubled within.",
        ),
        (
            ["path,label", '"0"".png"x,a'],
            "line 2: ',' expected after '\"'.\nQuotation marks must be closed, and doubled within.",
        ),
    ],
)
def test_mistakes_are_named_by_line_and_column(lines: list[str], problem: str, table) -> None:
    path = table(*lines)
    assert refusal(path) == f"{path}, {problem}"


@pytest.mark.parametrize("lines", [["0.png,a", "1.png,b"], ["path label", "0.png a"], ["path,diagnosis"], [""]])
def test_a_header_is_needed(lines: list[str], table) -> None:
    path = table(*lines)
    assert refusal(path) == (
        f"{path} has no columns path and label: its first line is {lines[0]!r}.\n"
        "Expected a header such as path,label above the images, separated by commas, semicolons or tabulators."
    )


def test_other_encodings(table) -> None:
    path = table("path,label", "0.png,Röntgen", encoding="latin-1")
    assert refusal(path) == f"{path}, line 2: not UTF-8.\nSave it as CSV in UTF-8."
    path = table("path,label", "0.png,a", encoding="utf-16")
    assert refusal(path) == f"{path} is UTF-16.\nSave it as CSV in UTF-8."


def test_a_header_alone(table) -> None:
    path = table("path,label")
    assert refusal(path).startswith(f"{path} has no images.\nExpected ")

"""``convstage filter``: what it prints, what it draws, and what it says to mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convstage.cli import cli
from convstage.errors import ConfigError, DataError
from convstage.filters import KERNELS, apply
from support.pictures import colours

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo <b>[red] 😀.png"
    Image.fromarray(colours(30, 40)).save(path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["filter", *map(str, arguments)])


def data(*arguments: object) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_whole_stage_in_numbers(here: Path) -> None:
    result = run("nine", "-k", "loopy", "--relu", "--pool", "max", "--pool-stride", "1")
    assert result.exit_code == 0
    assert result.stdout == (
        """\
image nine, 7×5, -1 to 1
  -1  1  1  1 -1
  -1  1 -1  1 -1
  -1  1  1  1 -1
  -1 -1 -1  1 -1
  -1 -1 -1  1 -1
  -1 -1  1 -1 -1
  -1  1 -1 -1 -1

filter loopy, 3×3, in ninths: a small loop, the head of a nine
   1  1  1
   1 -1  1
   1  1  1

cross-correlation, 5×3: floor((7 + 0 - 3)/1) + 1 = 5, floor((5 + 0 - 3)/1) + 1 = 3 (stride 1, no padding)
  in ninths    in decimals
  -1  9 -1     -0.11  1.00 -0.11
  -5  1 -3     -0.56  0.11 -0.33
  -3  3 -3     -0.33  0.33 -0.33
  -5 -1 -5     -0.56 -0.11 -0.56
  -3 -5 -3     -0.33 -0.56 -0.33
  cell (0, 0): (-1×1 + 1×1 + 1×1 + (-1)×1 + 1×(-1) + (-1)×1 + (-1)×1 + 1×1 + 1×1)/9 = -1/9 = -0.11

ReLU, 5×3
  in ninths    in decimals
  0 9 0        0.00 1.00 0.00
  0 1 0        0.00 0.11 0.00
  0 3 0        0.00 0.33 0.00
  0 0 0        0.00 0.00 0.00
  0 0 0        0.00 0.00 0.00
  cell (0, 0): relu(-0.11) = 0

max pooling, 4×2: floor((5 + 0 - 2)/1) + 1 = 4, floor((3 + 0 - 2)/1) + 1 = 2 (windows of 2×2, stride 1)
  in ninths    in decimals
  9 9          1.00 1.00
  3 3          0.33 0.33
  3 3          0.33 0.33
  0 0          0.00 0.00
  cell (0, 0): max(0/9, 9/9, 0/9, 1/9) = 9/9 = 1
  its winner, cell (0, 1) of the cross-correlation: """
        "(1×1 + 1×1 + 1×1 + 1×1 + (-1)×(-1) + 1×1 + 1×1 + 1×1 + 1×1)/9 = 9/9 = 1\n"
        "picture: nine-loopy.png\n"
    )
    with Image.open(here / "nine-loopy.png") as picture:
        assert picture.format == "PNG"
    assert len(list(here.iterdir())) == 1


def test_the_same_as_data() -> None:
    (one,) = data("nine-shifted", "-k", "loopy", "--relu", "--pool", "max", "--pool-stride", "1")["filters"]
    for made, key in zip(one["maps"], ("valid_stride1", "relu_of_valid", "max_pool_2x2_stride1"), strict=True):
        np.testing.assert_array_equal(made["values"], np.array(SPEC["nine_shifted_left"][key]) / 9)


def test_data_alone_draw_nothing_but_where_they_are_told_to(here: Path) -> None:
    assert run("nine", "-k", "blur", "--json").exit_code == 0
    assert not list(here.iterdir())
    result = run("nine", "-k", "blur", "--json", "-o", "a.svg")
    assert json.loads(result.stdout)["filters"][0]["kernel"]["name"] == "blur"
    assert result.stderr == "picture: a.svg\n"
    assert [path.name for path in here.iterdir()] == ["a.svg"]


def test_settings_reach_the_filter(photo: Path) -> None:
    settings = ["--stride", "2x1", "--padding", "same", "--pool", "avg", "--pool-size", "3,2", "--levels", "signed"]
    (one,) = data(photo, "-k", "1 2 3; 4 5 6/7", "--size", "12x10", *settings)["filters"]
    with Image.open(photo) as picture:
        picture = picture.convert("L").resize((10, 12), Image.Resampling.BILINEAR)
    expected = apply(
        picture, "1 2 3; 4 5 6/7", stride=(2, 1), padding="same", pool="avg", pool_size=(3, 2), levels="signed"
    )
    assert one["image"]["name"] == str(photo)
    assert one | {"image": {}} == json.loads(json.dumps(expected.to_dict())) | {"image": {}}


@pytest.mark.parametrize(("given", "margins"), [("valid", 0), ("same", 1), ("2", 2), ("1,0", (1, 0)), ("1×2", (1, 2))])
def test_padding(given: str, margins: Any) -> None:
    padding = data("nine", "-k", "-1 0 1; -1 0 1; 0 0 0", "--padding", given)["filters"][0]["padding"]
    rows, columns = (margins, margins) if isinstance(margins, int) else margins
    assert padding == {"top": rows, "bottom": rows, "left": columns, "right": columns}


def test_a_filter_of_ones_own_and_its_first_cell() -> None:
    shown = run("nine", "-k", "1 0 -1", "--stride", "2").stdout
    assert "\nfilter, 1×3: your own\n   1  0 -1\n" in shown
    assert "\n  cell (0, 0): -1×1 + 1×0 + 1×(-1) = -2\n" in shown
    assert shown.endswith("picture: nine-1x3.png\n")


def test_flip_shows_both_and_says_whether_they_differ() -> None:
    result = run("nine", "-k", "sobel", "--flip")
    assert "\nfilter, turned by 180°, 3×3\n   1  0 -1\n" in result.stdout
    assert "\nThe maps differ in 13 of 15 cells, by 12 at most.\n" in result.stdout
    assert result.stdout.endswith("picture: nine-sobel-flip.png\n")
    plain, turned = data("nine", "-k", "sobel", "--flip")["filters"]
    assert (plain["convolution"], turned["convolution"]) == (False, True)
    difference = np.subtract(turned["maps"][0]["values"], plain["maps"][0]["values"])
    assert (np.count_nonzero(difference), np.abs(difference).max()) == (13, 12)
    assert "Both are one: a half turn leaves this filter unchanged.\n" in run("nine", "-k", "loopy", "--flip").stdout


def test_filters_that_differ_may_give_one_map(here: Path) -> None:
    Image.new("L", (5, 5)).save("black.png")
    assert "both give the same map, although" in run("black.png", "-k", "sobel", "--flip").stdout


def test_the_matrix(here: Path) -> None:
    result = run("nine", "-k", "loopy", "--matrix")
    assert result.stdout.endswith(
        "\nas a matrix, 15 × 35\n"
        "  9 distinct weights, 135 connections (25.7%); a fully connected layer has 525 of both.\n"
        "  Largest difference between matrix × pixels and the map: 0.\n"
        "picture: nine-loopy-matrix.png\n"
    )
    assert data("nine", "-k", "loopy", "--matrix")["matrix"]["largest_difference"] == 0


def test_too_large_a_matrix_is_counted(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstage.filters.proof.MAX_CONNECTIONS", 100)
    result = run(photo, "-k", "sobel", "--matrix")
    assert result.exit_code == 0
    assert "  9 distinct weights, 9,576 connections (0.75%); " in result.stdout
    assert "too large to be written out, multiplied and drawn. Take a smaller image: --size 64x64.\n" in result.stdout
    assert "Largest difference" not in result.stdout
    assert result.stdout.endswith("-sobel.png\n")


def test_a_cell_of_a_large_image(photo: Path) -> None:
    result = run(photo, "-k", "sobel", "--cell", "7,9")
    assert f"image {photo}, 30×40, 0 to 1\n\nfilter sobel" in result.stdout, "no numbers, and the name as it is"
    assert re.search(
        r"^cross-correlation, 28×38: .* \(stride 1, no padding\), -[0-9.]+ to [0-9.]+$", result.stdout, re.M
    )
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  cell")]
    assert line.startswith("  cell (7, 9): ")
    assert line.count("×") == 9
    assert "  cell" not in run(photo, "-k", "sobel").stdout


def test_a_cell_of_the_last_map_of_several_and_of_a_mean() -> None:
    result = run("nine", "-k", "loopy", "--relu", "--pool", "avg", "--pool-stride", "1", "--cell", "1,0")
    lines = [line for line in result.stdout.splitlines() if line.startswith("  cell") or "winner" in line]
    assert lines == ["  cell (1, 0): (0/9 + 1/9 + 0/9 + 3/9)/4 = 4/36 = 0.11"]


def test_several_filters_and_the_gallery(photo: Path, here: Path) -> None:
    result = run(photo, "-k", "sobel", "-k", "1 2", "-k", "blur")
    lines = result.stdout.splitlines()
    assert lines[0] == f"image {photo}, 30×40, 0 to 1"
    assert [line.split()[:2] for line in lines[1:4]] == [["sobel", "28×38"], ["1×2", "30×39"], ["blur", "28×38"]]
    assert lines[4] == "picture: photo <b>[red] 😀-gallery.png"
    assert [one["kernel"]["name"] for one in data("nine", "--gallery")["filters"]] == list(KERNELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nine"], f"there is no filter.\nGive one, such as -k sobel; there are {', '.join(KERNELS)}."),
        (["nine", "-k", "1 x"], "'x' is no number.\n  1 x\n    ^\n"),
        (["nine", "-k", "sobell"], "there is no filter 'sobell'.\nDid you mean sobel?"),
        (["nine", "--gallery", "--flip"], "--flip, --matrix and --cell are for one filter."),
        (["nine", "-k", "blur", "-k", "sobel", "--matrix"], "--flip, --matrix and --cell are for one filter."),
        (["nine", "-k", "blur", "--stride", "0"], "stride must be a number or (rows, columns), each at least 1"),
        (["nine", "-k", "blur", "--cell", "5,0"], "cell (5, 0, 0) is not in the map, which has rows 0 to 4"),
        (["nine", "-k", "blur", "-o", "a.jpg"], "the picture must end in .svg, .png or .pdf; got 'a.jpg'."),
        (["nine", "-k", "blur", "--size", "2x2"], "a filter of 3×3 is larger than the image, 2×2"),
        (["nine", "-k", "blur", "--size", "6000x6000"], "nine has 6000×6000 pixels, more than the 25,000,000"),
        (["nine", "--gallery", "--size", "1200x1200"], "nine has 1200×1200 pixels, more than the 1,388,888"),
    ],
)
def test_mistakes(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(message)
    assert not result.stdout


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--stride", "a", "'a' is none of: a number such as 2, two such as 2,1."),
        ("--padding", "some", "'some' is none of: valid, same, a number such as 2, two such as 2,1."),
        ("--cell", "3", "'3' is none of: two such as 2,1."),
        ("--pool-size", "1,2,3", "'1,2,3' is none of: a number such as 2, two such as 2,1."),
    ],
)
def test_numbers_that_are_none(option: str, value: str, wanted: str) -> None:
    result = run("nine", "-k", "blur", option, value)
    assert result.exit_code == 2
    assert wanted in result.stderr


def test_the_image_itself_is_never_overwritten(here: Path) -> None:
    Image.new("L", (8, 8)).save("a.png")
    before = (here / "a.png").read_bytes()
    result = run("a.png", "-k", "blur", "-o", here / "a.png")
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception) == f"{here}/a.png is the image itself.\nDraw into another file."
    assert (here / "a.png").read_bytes() == before


def test_a_file_that_is_not_there() -> None:
    result = run("none.png", "-k", "blur")
    assert isinstance(result.exception, DataError)
    assert "none.png: No such file or directory.\nGive an image file, or one of nine, nine-shifted." in str(
        result.exception
    )

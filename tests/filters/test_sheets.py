"""Sheets of filters at work: every number in its cell, colours that mean the same, nothing that overlaps."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from convstage.errors import ConfigError, DataError
from convstage.filters import KERNELS, Filtered, apply, prove
from convstage.filters.draw import draw
from convstage.filters.matrix_sheet import COLOURS, matrix_sheet, sentences
from convstage.filters.sheet import gallery, sheet

SPEC: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "worked-example.json").read_text())


@pytest.fixture(scope="module")
def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_text()]


def panels(figure: Figure) -> list[Axes]:
    """Return the matrices, without the bars of the scales."""
    return [axes for axes in figure.axes if axes.axison]


def cells(axes: Axes) -> dict[tuple[int, int], str]:
    """Return what is written in the cells of a matrix."""
    places = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
    return {(int(row), int(column)): text for (row, column), text in places.items()}


def frames(axes: Axes) -> list[tuple[float, float, float, float]]:
    """Return top, left, height and width of the frames in a matrix."""
    return [(*patch.get_xy()[::-1], patch.get_height(), patch.get_width()) for patch in axes.patches]


def assert_nothing_overlaps(figure: Figure) -> None:
    """Check that all lines of text are on the sheet, and none lies over another or over a matrix."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.width
        assert box.y1 <= figure.bbox.height
    matrices = [axes.get_window_extent(renderer) for axes in figure.axes]
    for one, other in [*combinations(boxes, 2), *((box, matrix) for box in boxes for matrix in matrices)]:
        assert not one.overlaps(other)


# ------------------------------------------------------------------ one at work


@pytest.fixture(scope="module")
def stage() -> Filtered:
    return apply("nine", "loopy", relu=True, pool="max", pool_stride=1)


def test_every_number_of_the_lecture_is_in_its_cell(stage: Filtered) -> None:
    image, kernel, *maps = panels(sheet(stage))
    assert cells(image) == {place: str(SPEC["image_nine"][place[0]][place[1]]) for place in np.ndindex(7, 5)}
    assert cells(kernel) == {(i, j): "-1" if i == j == 1 else "1" for i, j in np.ndindex(3, 3)}
    for axes, key in zip(maps, ("valid_stride1", "relu_of_valid", "max_pool_2x2_stride1"), strict=True):
        expected = np.array(SPEC["nine"][key])
        assert cells(axes) == {
            place: f"{expected[place] / 9:.2f}\n{expected[place]}/9" for place in np.ndindex(*expected.shape)
        }


def test_a_sheet_names_what_is_on_it(stage: Filtered) -> None:
    figure = sheet(stage)
    assert_nothing_overlaps(figure)
    shown = texts(figure)
    assert shown[0] == "loopy: a small loop, the head of a nine"
    for title in ("image", "filter", "cross-correlation", "ReLU", "max pooling", "7×5, -1 to 1", "3×3, in ninths"):
        assert title in shown
    assert {"stride 1, no padding", "5×3, -0.556 to 1", "4×2, 0 to 1; windows of 2×2, stride 1"} <= set(shown)


def test_all_maps_have_one_scale(stage: Filtered) -> None:
    figure = sheet(stage)
    _, _, *maps = panels(figure)
    colours = {}
    for axes, map_hw in zip(maps, stage.steps.values(), strict=True):
        for place in np.ndindex(*map_hw.shape):
            colours.setdefault(round(map_hw[place], 9), set()).add(tuple(axes.images[0].get_array()[place]))
    assert all(len(seen) == 1 for seen in colours.values())
    assert len({colour for seen in colours.values() for colour in seen}) == len(colours)


def test_the_image_is_black_and_white(stage: Filtered) -> None:
    picture = np.asarray(panels(sheet(stage))[0].images[0].get_array())
    assert (picture == np.where(np.array(SPEC["image_nine"]) > 0, 255, 0)[:, :, None]).all()


@pytest.mark.parametrize(
    ("settings", "cell", "expected"),
    [
        ({}, (1, 2), [[(1, 2, 3, 3)], [], [(1, 2, 1, 1)]]),
        ({"relu": True}, (0, 1), [[(0, 1, 3, 3)], [], [(0, 1, 1, 1)], [(0, 1, 1, 1)]]),
        ({"pool": "max", "pool_stride": 1}, (2, 1), [[(2, 1, 3, 3)], [], [(2, 1, 2, 2)], [(2, 1, 1, 1)]]),
        ({"pool": "avg", "pool_stride": 1}, (3, 0), [[(3, 0, 4, 4)], [], [(3, 0, 2, 2)], [(3, 0, 1, 1)]]),
    ],
)
def test_what_a_cell_was_made_from_is_framed(settings: dict[str, Any], cell: Any, expected: list[Any]) -> None:
    figure = sheet(apply("nine", "loopy", **settings), cell=cell)
    assert [frames(axes) for axes in panels(figure)] == expected


def test_a_frame_reaches_into_the_padding_and_stays_on_the_sheet() -> None:
    image, _, made = panels(sheet(apply("nine", "loopy", padding=1), cell=(0, 4)))
    ((top, left, height, width),) = frames(image)
    assert -1 <= top < 0
    assert top + height == 2
    assert left == 3
    assert 5 < left + width <= 6
    assert frames(made) == [(0, 4, 1, 1)]


def test_flip_shows_both_and_where_they_differ() -> None:
    plain, turned = apply("nine", "sobel"), apply("nine", "sobel", flip=True)
    figure = sheet(plain, turned)
    assert_nothing_overlaps(figure)
    _, kernel, correlation, difference, flipped, convolution = panels(figure)
    assert (cells(kernel)[0, 0], cells(flipped)[0, 0]) == ("-1", "1")
    for place, text in cells(difference).items():
        assert int(text) == int(cells(convolution)[place]) - int(cells(correlation)[place])
    assert {"filter, turned by 180°", "convolution", "convolution less cross-correlation"} <= set(texts(figure))
    changed = sum(text != "0" for text in cells(difference).values())
    assert 0 < changed < 15
    assert f"not 0 in {changed} of 15 cells" in texts(figure)


def test_numbers_that_would_be_too_small_are_left_out(noise: Image.Image) -> None:
    figure = sheet(apply(noise, "sobel", padding=(0, 1, 2, 0), pool="avg", pool_size=(2, 3)))
    assert_nothing_overlaps(figure)
    assert [len(cells(axes)) for axes in panels(figure)] == [0, 9, 0, 0]
    assert "stride 1, padding 0 above, 1 below, 2 left, 0 right" in texts(figure)


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (60, 1), (1000, 3)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    assert_nothing_overlaps(sheet(apply(np.ones(shape), "2", relu=True)))


def test_a_flat_map_and_a_filter_of_zeros() -> None:
    assert_nothing_overlaps(sheet(apply(np.zeros((4, 4)), "0 0; 0 0")))


# ---------------------------------------------------------------------- gallery


def test_the_gallery_has_every_filter_with_its_map(noise: Image.Image) -> None:
    made = [apply(noise, name) for name in KERNELS]
    figure = gallery(made)
    assert_nothing_overlaps(figure)
    for kernel in KERNELS.values():
        assert {kernel.name, kernel.words} <= set(texts(figure))
    image, *pairs = panels(figure)
    assert image.images[0].get_array().shape == (40, 50, 3)
    assert len(pairs) == 2 * len(KERNELS)
    for kernel, filter_axes, map_axes, one in zip(KERNELS.values(), pairs[::2], pairs[1::2], made, strict=True):
        assert len(cells(filter_axes)) == kernel.weights.size
        assert map_axes.images[0].get_array().shape == (*one.map_hw.shape, 3)


def test_a_gallery_of_few_shows_the_last_step() -> None:
    figure = gallery([apply("nine", name, pool="max", pool_stride=1) for name in ("loopy", "diagonal")])
    assert_nothing_overlaps(figure)
    assert [axes.images[0].get_array().shape[:2] for axes in panels(figure)] == [(7, 5), (3, 3), (4, 2), (3, 3), (4, 2)]


def test_a_gallery_of_nothing() -> None:
    with pytest.raises(ConfigError, match="at least one filter"):
        gallery([])


# ----------------------------------------------------------------------- matrix


def test_each_weight_has_its_colour_wherever_it_stands() -> None:
    work = apply("nine", "loopy")
    proof = prove(work)
    figure = matrix_sheet(work, proof)
    assert_nothing_overlaps(figure)
    _, kernel, _, matrix = panels(figure)
    colours = np.asarray(kernel.images[0].get_array()).reshape(9, 3)
    assert ["#{:02X}{:02X}{:02X}".format(*colour) for colour in colours] == list(COLOURS)
    picture = np.asarray(matrix.images[0].get_array())
    assert picture.shape == (15, 35, 3)
    for colour in colours:
        assert (picture == colour).all(axis=2).sum() == 15
    assert (picture == 255).all(axis=2).sum() == 525 - 135
    assert {place: text for place, text in cells(matrix).items() if text} == {
        (int(row), int(column)): "-1" if weight == 5 else "1"
        for row, column, weight in zip(*proof.places.nonzero(), proof.places.data, strict=True)
    }
    assert texts(figure)[-3:] == sentences(proof)
    assert sentences(proof)[1:] == [
        "9 distinct weights, 135 connections (25.7%); a fully connected layer has 525 of both.",
        "Largest difference between matrix × pixels and the map: 0.",
    ]


@pytest.mark.parametrize("kernel", ["sobel", "1 2 3 4; 5 6 7 8; 9 10 11 12"])
def test_a_large_matrix_is_drawn_whole_and_its_corner_enlarged(noise: Image.Image, kernel: str) -> None:
    work = apply(noise, kernel, padding="same", stride=2)
    figure = matrix_sheet(work, prove(work))
    assert_nothing_overlaps(figure)
    _, weights, _, whole, corner = panels(figure)
    own = {tuple(colour) for colour in np.asarray(weights.images[0].get_array()).reshape(-1, 3)}
    picture = np.asarray(whole.images[0].get_array())
    assert picture.shape == (225, 900, 3)
    assert {tuple(colour) for colour in picture.reshape(-1, 3)} <= {(255, 255, 255), *own}, "no colour is mixed"
    assert 0 < (picture != 255).any(axis=2).mean() < 0.05
    assert corner.images[0].get_array().shape[1] == 60
    assert "500 × 2,000" in texts(figure)
    assert any(text.startswith("its first ") for text in texts(figure))


def test_a_matrix_higher_than_wide() -> None:
    work = apply("nine", "1 2; 3 4", padding=(20, 1))
    assert_nothing_overlaps(matrix_sheet(work, prove(work)))


def test_a_matrix_that_was_not_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convstage.filters.proof.MAX_CONNECTIONS", 100)
    work = apply("nine", "loopy")
    with pytest.raises(ConfigError, match="a matrix with 135 connections is not drawn"):
        matrix_sheet(work, prove(work))


# ------------------------------------------------------------------------ files


def test_the_file_is_named_by_image_and_filter_and_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    name = "images/a <b> 😀.png"
    Image.new("L", (8, 8)).save(name)
    work, turned = apply(name, "sobel"), apply(name, "sobel", flip=True)
    assert draw([apply(name, "1 2; 3 4")]) == Path("a <b> 😀-2x2.png")
    assert draw([work], turned, prove(work)) == Path("a <b> 😀-sobel-flip-matrix.png")
    assert draw([work, turned]) == Path("a <b> 😀-gallery.png")
    assert len(list(tmp_path.iterdir())) == 4
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["a <b> 😀.png"], "data stay as they were"
    for path in tmp_path.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width > 500


def test_other_formats_and_the_same_bytes(tmp_path: Path, stage: Filtered) -> None:
    for name, begins in (("a.svg", b"<?xml"), ("b.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.PNG", b"\x89PNG")):
        assert draw([stage], path=tmp_path / name).read_bytes().startswith(begins)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "cross-correlation" in (tmp_path / "a.svg").read_text()


def test_what_cannot_be_written(tmp_path: Path, stage: Filtered) -> None:
    with pytest.raises(ConfigError, match=r"must end in .svg, .png or .pdf; got 'a.jpg'"):
        draw([stage], path=tmp_path / "a.jpg")
    with pytest.raises(DataError) as error:
        draw([stage], path=tmp_path / "none/a.png")
    assert str(error.value) == f"{tmp_path}/none/a.png cannot be written: No such file or directory."

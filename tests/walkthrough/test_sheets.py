"""A walk as PNG files: all there, in the scales' colours, and names are drawn whatever they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convstage.pictures import Scale
from convstage.walkthrough import Walk, walk
from convstage.walkthrough.groups import groups_of
from convstage.walkthrough.sheets import ACROSS, GAP, MARGIN, TILE, Sheet, resized, save_sheets
from support.names import HOSTILE
from walkthrough.networks import ALL_KINDS, walk_of


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def names(walk: Walk, folder: Path) -> list[str]:
    return [path.name for path in save_sheets(walk, folder)]


def test_one_sheet_for_each_group_in_order(tmp_path: Path) -> None:
    walk = walk_of("INPUT(12x12x1) -> [CONV(3|20) -> RELU -> POOL]*2 -> FC(5) -> RELU -> CLASSIFIER(3)")
    assert names(walk, tmp_path / "new" / "folder") == [
        "00-input.png", "01-stage1.png", "02-stage2.png", "03-flatten.png", "04-fc1.png", "05-classifier.png",
        "06-probabilities.png",
    ]  # fmt: skip
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 7


def test_a_network_of_all_kinds(tmp_path: Path) -> None:
    assert len(names(walk_of(ALL_KINDS), tmp_path)) == len(groups_of(walk_of(ALL_KINDS).steps.values())) + 2


def test_maps_lie_under_their_filters_in_the_scales_colours(tmp_path: Path) -> None:
    walk = walk_of("INPUT(14x14x1) -> CONV(18) -> RELU -> POOL -> CLASSIFIER(2)", seed=4)
    group = groups_of(walk.steps.values())[0]
    sheet = pixels(save_sheets(walk, tmp_path)[1])
    assert sheet.shape[1] == 2 * MARGIN + ACROSS * (TILE + GAP)

    def rows_of(maps: list[np.ndarray], scale: Scale) -> list[int]:
        """Return where, from the top, the first lines of the maps stand side by side."""
        wanted = [scale.colours(one[0, :, None].repeat(TILE // one.shape[1], axis=1).ravel()) for one in maps]
        band = sheet[:, MARGIN : MARGIN + len(maps) * (TILE + GAP)]
        tiles = [band[:, place * (TILE + GAP) :][:, :TILE] for place in range(len(maps))]
        near = [
            np.abs(tile - line.astype(int)).max(axis=(1, 2)) <= 12 for tile, line in zip(tiles, wanted, strict=True)
        ]
        return np.flatnonzero(np.all(near, axis=0)).tolist()

    tops = []
    for start in (0, ACROSS):
        chosen = slice(start, start + ACROSS)
        for step in group.steps:
            maps = [step.output[:, :, k] for k in range(18)][chosen]
            tops.append(rows_of(maps, group.scale)[0])
    # Before, after and pooled below one another, twice.
    assert tops == sorted(tops)
    assert len(set(tops)) == 6


def test_small_images_are_written_as_numbers_and_large_ones_shown(tmp_path: Path) -> None:
    small = walk_of("INPUT(6x5x1) -> CLASSIFIER(2)")
    small.subject.pixels_hwc[:] = 200
    sheet = pixels(save_sheets(small, tmp_path)[0])
    cell = sheet[MARGIN + 20 : MARGIN + 46, MARGIN : MARGIN + 26]
    assert cell.min() == 0, "no number in the first cell"
    assert (cell == 200).any()
    large = walk_of("INPUT(40x50x3) -> POOL(8) -> CLASSIFIER(2)")
    assert pixels(save_sheets(large, tmp_path)[0]).shape[0] > 3 * 40


def test_names_that_no_font_has_are_drawn_without_a_warning(tmp_path: Path) -> None:
    walk = walk_of("INPUT(6x6x1) -> CONV(2) -> CLASSIFIER(4)")
    walk.classifier.classes = HOSTILE
    path = save_sheets(replace(walk), tmp_path)[-1]
    assert path.name == "04-probabilities.png"
    assert pixels(path).min() < 60


def test_bars_are_as_long_as_the_probabilities(tmp_path: Path) -> None:
    walk = walk_of("INPUT(6x6x1) -> CONV(2) -> CLASSIFIER(3)")
    sheet = pixels(save_sheets(walk, tmp_path)[-1])
    blue = (sheet == [11, 92, 173]).all(axis=2)
    lengths = blue.sum(axis=1)
    bars = [lengths[top] for top in np.flatnonzero((lengths > 0) & (np.roll(lengths, 1) == 0))]
    assert bars == [max(1, round(300 * probability)) for probability in walk.probabilities]


def test_evidence_has_its_picture_its_words_and_its_colours(trained, trained_folder: Path, tmp_path: Path) -> None:
    walked = walk(trained, trained_folder / "1-corona" / "3.png", methods=["trace-back", "occlusion"])
    found = names(walked, tmp_path)
    assert found[-2:] == ["evidence-trace-back.png", "evidence-occlusion.png"]
    picture = pixels(tmp_path / "evidence-trace-back.png")
    overlay = walked.evidence[0].overlay().astype(int)
    factor = round(448 / 24)
    np.testing.assert_array_equal(picture[: 24 * factor : factor, : 24 * factor : factor], overlay)
    assert picture.shape[0] > 24 * factor + 60

    flat = replace(walked)
    flat.__dict__["evidence"] = [replace(walked.evidence[0], flat=True, reason="nothing")]
    assert not [name for name in names(flat, tmp_path) if name.startswith("evidence")]


@pytest.mark.parametrize(
    ("shape", "side", "fitted"), [((7, 7), 112, (112, 112)), ((224, 112), 112, (112, 56)), ((1, 300), 100, (100,))]
)
def test_resized_keeps_proportions(shape: tuple[int, int], side: int, fitted: tuple[int, ...]) -> None:
    maps = np.arange(np.prod(shape)).reshape(*shape, 1)
    found = resized(maps, side)
    assert found.shape == ((*fitted, 1) if len(fitted) == 2 else (1, 100, 1))
    assert found[0, 0] == maps[0, 0]
    assert found[-1, -1] <= maps[-1, -1]


def test_text_that_does_not_fit_is_cut(tmp_path: Path) -> None:
    sheet = Sheet(80, b"")
    sheet.text("x" * 500)
    path = sheet.save(tmp_path / "x.png")
    assert pixels(path).shape[1] == 80
    assert pixels(path)[:, 70:].min() < 100

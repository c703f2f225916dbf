"""The page of a walk: complete, self-contained, and names are text in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convstage.explain import Refusal
from convstage.pictures import NO_VALUE
from convstage.recipe import default_pattern
from convstage.shifts import choose_shifts
from convstage.walkthrough import Walk
from convstage.walkthrough import page as page_module
from convstage.walkthrough.groups import groups_of
from convstage.walkthrough.packed import pack
from support.markup import Element, parsed
from support.names import HOSTILE
from walkthrough.networks import ALL_KINDS, walk_of

PATTERN = "INPUT(12x10x1) -> [CONV(3|4) -> RELU -> POOL]*2 -> FC(5) -> RELU -> CLASSIFIER(3)"


def picture_of(element: Element) -> np.ndarray:
    address = element.attributes["src"]
    assert address is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGB"))


def page_of(walk: Walk) -> Element:
    return parsed(walk.to_html())


def rows(page: Element) -> dict[str, Element]:
    """Return the rows of maps by the names of their layers."""
    return {str(one.attributes["data-layer"]): one for one in page.all("div") if "data-layer" in one.attributes}


def test_every_layer_has_its_maps_and_every_convolution_its_filters() -> None:
    walk = walk_of(PATTERN)
    page = page_of(walk)
    found = rows(page)
    assert list(found) == [name for name in walk.steps if name != "softmax"]
    for name, step in walk.steps.items():
        if step.is_map:
            assert len(found[name].all("img")) == step.shape[2]
            assert found[name].attributes["data-columns"] == str(step.shape[1])
    assert [len(one.all("img")) for one in page.all("div", class_="filters")] == [3, 4]
    assert len(page.all("tr")) - 1 == 3
    title = page.one("title").text
    assert title == f"image: {walk.prediction.label}"


def test_maps_have_the_colours_of_the_stages_one_scale() -> None:
    walk = walk_of(PATTERN, seed=2)
    found = rows(page_of(walk))
    for group in groups_of(walk.steps.values()):
        for step in (step for step in group.steps if step.is_map):
            for k, tile in enumerate(found[step.name].all("img")):
                # Values are shown in one of 254 colours, the scale has 256: neighbours may be taken.
                expected = group.scale.colours(step.output[:, :, k]).astype(int)
                assert np.abs(picture_of(tile).astype(int) - expected).max() <= 5


def test_a_vector_has_the_colours_of_the_maps_that_it_is_made_of() -> None:
    walk = walk_of(PATTERN, seed=2)
    groups = {group.name: group for group in groups_of(walk.steps.values())}
    assert groups["flatten"].scale == groups["stage2"].scale
    (strip,) = rows(page_of(walk))["flatten"].all("img")
    pixels = picture_of(strip).reshape(-1, 3)
    expected = groups["flatten"].scale.colours(walk.steps["flatten"].output)
    assert np.abs(pixels[: len(expected)].astype(int) - expected).max() <= 5


def test_what_has_no_value_is_seen() -> None:
    walk = walk_of(PATTERN)
    walk.steps["stage1.conv"].output[2, 3, 1] = np.nan
    tile = rows(page_of(walk))["stage1.conv"].all("img")[1]
    assert tuple(picture_of(tile)[2, 3]) == NO_VALUE


def test_legends_say_the_ends_of_the_scales() -> None:
    walk = walk_of(PATTERN)
    page = page_of(walk)
    first = groups_of(walk.steps.values())[0]
    ends = [one.text for one in page.all("span", class_="ends")]
    low, high = f"{first.scale.low:.2f}", f"{first.scale.high:.2f}"
    assert f"{low} 0 {high}" in ends


def test_names_are_text() -> None:
    walk = walk_of("INPUT(6x6x1) -> CONV(2) -> RELU -> CLASSIFIER(4)")
    walk.classifier.classes = HOSTILE
    hostile = replace(walk, subject=replace(walk.subject, name=HOSTILE[0] + ".png", truth=HOSTILE[1], part="test"))
    html = hostile.to_html()
    page = parsed(html)
    assert len(page.all("script")) == 2
    assert "alert" not in {key for element in page.all() for key in element.attributes}
    assert not [element for element in page.all("img") if (element.attributes.get("src") or "") == "x"]
    isolated = [one.text for one in page.all("bdi")]
    for name in HOSTILE:
        assert " ".join(name.split()) in isolated
    data = json.loads("".join(page.one("script", id="data").pieces))
    assert data["classes"] == list(HOSTILE)


def test_it_is_self_contained_and_only_its_own_script_may_run() -> None:
    html = walk_of(PATTERN).to_html()
    page = parsed(html)
    script = next(one for one in page.all("script") if not one.attributes)
    digest = base64.b64encode(hashlib.sha256("".join(script.pieces).encode()).digest()).decode()
    policy = next(str(one.attributes["content"]) for one in page.all("meta") if "http-equiv" in one.attributes)
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r"https?://", html)
    assert all(str(one.attributes["src"]).startswith("data:") for one in page.all("img"))


def test_the_keyboard_reaches_all_maps_and_they_say_what_they_are() -> None:
    page = page_of(walk_of(PATTERN))
    for name, row in rows(page).items():
        assert row.attributes["tabindex"] == "0"
        assert (row.attributes["aria-label"] or "").startswith("the image" if name == "input" else f"{name}, ")
    assert page.one(id="keys").text.startswith("Click a cell")
    assert page.one(id="said").attributes["role"] == "status"


def test_truth_temperature_and_shifted_views_are_told() -> None:
    walk = walk_of(PATTERN, temperature=1.7)
    wrong = next(name for name in walk.classifier.classes if name != walk.prediction.label)
    assert "Its class is not known" in page_of(walk).text
    told = page_of(replace(walk, subject=replace(walk.subject, truth=wrong, part="val"))).text
    assert f"Its class is {wrong}: the prediction is wrong; it is one of the run's validation images" in told
    right = page_of(replace(walk, subject=replace(walk.subject, truth=walk.prediction.label, part="train"))).text
    assert "as predicted; it is one of the run's training images" in right
    assert "divided by the temperature 1.70 first" in told
    assert "shifted" not in told
    walk.classifier.shifts = choose_shifts(5, 12, 10)
    assert "predicts from 5 views of an image" in page_of(replace(walk)).text


def test_a_colour_image_shows_its_channels() -> None:
    walk = walk_of("INPUT(6x6x3) -> CONV(2) -> CLASSIFIER(2)")
    page = page_of(walk)
    tiles = rows(page)["input"].all("img")
    assert [tile.attributes["alt"] for tile in tiles] == ["red", "green", "blue"]
    for channel, tile in enumerate(tiles):
        np.testing.assert_array_equal(picture_of(tile)[:, :, 0], walk.subject.pixels_hwc[:, :, channel])
    np.testing.assert_array_equal(picture_of(page.one("div", class_="whole").one("img")), walk.subject.pixels_hwc)


def test_a_network_of_all_kinds_has_a_page() -> None:
    assert len(rows(page_of(walk_of(ALL_KINDS)))) == len(walk_of(ALL_KINDS).steps) - 1


def test_large_maps_lose_rows_and_columns_and_many_maps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "BYTES", 500)
    monkeypatch.setattr(page_module, "PALETTE", 10)
    monkeypatch.setattr(page_module, "SIDES", (64, 8, 4))
    monkeypatch.setattr(page_module, "MAPS", 3)
    walk = walk_of("INPUT(20x16x1) -> CONV(5) -> RELU -> POOL -> CLASSIFIER(2)")
    page = page_of(walk)
    tiles = rows(page)["stage1.conv"].all("img")
    assert len(tiles) == 3
    assert picture_of(tiles[0]).shape == (7, 6, 3)  # every third of 20 × 16; with every second it would be 720 cells
    assert rows(page)["stage1.conv"].attributes["data-rows"] == "20"
    assert page.text.count("and 2 more") == 3


def test_the_page_of_a_default_network_can_be_mailed() -> None:
    """Noise is the worst there is: nothing of it can be compressed."""
    pattern = default_pattern(224, 224).replace("INPUT", "INPUT(224x224x3)").replace("CLASSIFIER", "CLASSIFIER(2)")
    walk = walk_of(pattern)
    assert len(walk.to_html()) < 15_000_000
    explained = pack(walk.steps)["layers"]
    assert all(layer["weight"] is not None for layer in explained if layer["kind"] == "CONV")
    assert all(layer["rest"] is not None for layer in explained if layer["kind"] in ("FC", "CLASSIFIER"))


def test_filters_of_many_channels_show_some_and_say_so() -> None:
    page = page_of(walk_of("INPUT(4x4x1) -> CONV(145, 1) -> CONV(2, 1) -> CLASSIFIER(2)"))
    first, second = page.all("div", class_="filters")
    assert picture_of(second.all("img")[0]).shape == (23, 23, 3)
    assert "filters of 1×1×145, one for each map below; their first 144 channels side by side" in page.text
    assert picture_of(first.all("img")[0]).shape == (1, 1, 3)
    assert "filters of 1×1×1, one for each map below " in page.text


# ---------------------------------------------------------------------- evidence


def test_evidence_is_shown_or_refused(trained, trained_folder) -> None:
    from convstage.walkthrough import walk

    walked = walk(trained, trained_folder / "1-corona" / "3.png", methods=["trace-back"])
    shown = page_of(walked)
    assert "Evidence for 1-corona" in shown.text
    (found,) = walked.evidence
    assert found.notes[0] in shown.text
    figure = shown.one("div", class_="evidence")
    assert picture_of(figure.one("img")).shape == (24, 24, 3)

    refused: Any = Refusal("trace-back", "Trace-back", "the network bends at <b>sigmoid</b>")
    other = replace(walked)
    other.__dict__["evidence"] = [refused]
    told = page_of(other).one("div", class_="evidence")
    assert "It cannot be used here: the network bends at <b>sigmoid</b>" in told.text
    assert not told.all("img")
    assert not told.all("b")


def test_a_flat_map_says_why_and_shows_no_picture(trained, trained_folder) -> None:
    from convstage.walkthrough import walk

    walked = walk(trained, trained_folder / "1-corona" / "3.png", methods=["trace-back"])
    (found,) = walked.evidence
    other = replace(walked)
    other.__dict__["evidence"] = [replace(found, flat=True, reason="nothing in it speaks for anything")]
    told = page_of(other).one("div", class_="evidence")
    assert "The map is flat: nothing in it speaks for anything" in told.text
    assert not told.all("img")


def test_without_evidence_there_is_no_section() -> None:
    assert "Evidence" not in page_of(walk_of(PATTERN)).text

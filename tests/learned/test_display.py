"""The page and the sheets of learned features: self-contained, within their budget, and names are text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from convstage.learned import Features, display, features, sheets
from convstage.learned.frames import STRIPES, framed

from .conftest import make_run

HOSTILE = "<script>alert('x')<", '"><img src=x onerror=alert(1)>', "💥 שלום $x^2$ & {{ 7*7 }}"


class Page(HTMLParser):
    """What a browser makes of a page: tags with attributes, text, and the data for the script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.data = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "script" and not self.data:
            self.data = data
        elif self._inside not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, pixel_cache) -> Features:
    random = np.random.default_rng(0)
    images = {f"{HOSTILE[n % 3]}/{n} {HOSTILE[n % 3]}": random.integers(0, 256, (14, 14), np.uint8) for n in range(15)}
    pattern = "INPUT -> [CONV(6) -> RELU -> POOL]*2 -> CLASSIFIER"
    return features(make_run(tmp_path_factory.mktemp("hostile"), images, pattern), patches=3)


@pytest.fixture(scope="module")
def page(hostile: Features) -> Page:
    return Page(hostile.to_html())


def test_names_are_text_everywhere(page: Page) -> None:
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 2, "the page's data and its own script"
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    text = "".join(page.text)
    for name in HOSTILE:
        assert name in text
    alts = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    assert any(HOSTILE[1] in alt for alt in alts)
    patch = json.loads(page.data)["patches"][0]
    assert patch["class"] in HOSTILE
    assert patch["image"].startswith(patch["class"])


def test_nothing_is_loaded_from_anywhere(hostile: Features, page: Page) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith(("data:image/", "data:", "#"))
    policy = next(attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:")
    assert "url(" not in hostile.to_html()


def test_every_layer_filter_and_patch_is_there(hostile: Features, page: Page) -> None:
    html, tags = hostile.to_html(), page.tags
    ids = [attributes["id"] for tag, attributes in tags if tag == "section"]
    assert ids == [layer.name for layer in hostile.layers] == ["stage1.conv", "stage2.conv", "classifier"]
    shown = [feature for layer in hostile.layers for feature in layer.shown]
    assert sum(tag == "article" for tag, _ in tags) == len(shown)
    patches = [attributes["data-patch"] for tag, attributes in tags if "data-patch" in attributes]
    assert patches == [str(number) for number in range(sum(len(feature.patches) for feature in shown))]
    assert html.count("made for it:") == len(shown)
    assert html.count('class="pixels weights"') == 6, "of the layer that looks at the image"
    data = json.loads(page.data)
    assert {patch["whole"] for patch in data["patches"]} == set(data["whole"])


def test_the_page_stays_within_its_budget(hostile: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "MOST", 30_000)
    monkeypatch.setattr(display, "MOST_WHOLE", 1)
    small = Page(hostile.to_html())
    assert sum(tag == "article" for tag, _ in small.tags) < 15
    assert re.search(r"\d more filters are on the sheets", "".join(small.text))
    data = json.loads(small.data)
    assert len(data["whole"]) == 1
    assert None in {patch["whole"] for patch in data["patches"]}


def test_without_made_images(planted) -> None:
    html = features(planted[0], patches=2, synthesise=False).to_html()
    assert "made for it" not in html
    assert "Made for it" not in html
    assert "It is never active on these images." in html


def test_weights_of_colours(tmp_path, pixel_cache) -> None:
    random = np.random.default_rng(0)
    images = {f"{'ab'[n % 2]}/{n}": random.integers(0, 256, (50, 50, 3), np.uint8) for n in range(8)}
    found = features(make_run(tmp_path, images, "INPUT -> CONV(2) -> RELU -> POOL -> CLASSIFIER"), patches=1)
    html = found.to_html()
    assert "Weights for red, green and blue as a colour" in html
    assert "data:image/jpeg" in html, "whole images are photographs"
    assert sheets.sheet(found, found.layers[0], found.layers[0].shown).std(axis=2).max() > 0


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(hostile: Features) -> None:
    shown = Page(hostile._repr_html_())
    assert [tag for tag, _ in shown.tags] == ["iframe"]
    assert shown.tags[0][1]["srcdoc"] == hostile.to_html()


def test_sheets_have_a_row_for_each_filter(hostile: Features, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = hostile.save_pngs(tmp_path)
    assert [file.name for file in files] == ["stage1.conv.png", "stage2.conv.png", "classifier.png"]
    heights = []
    for file in files:
        with Image.open(file) as image:
            heights.append(image.height)
    row = sheets.SIDE + sheets.LINE + sheets.GAP
    assert heights[0] - heights[2] == 3 * row, "six filters, three classes"
    monkeypatch.setattr(sheets, "ROWS", 4)
    names = [file.name for file in hostile.save_pngs(tmp_path)]
    assert names == [
        "stage1.conv-1.png",
        "stage1.conv-2.png",
        "stage2.conv-1.png",
        "stage2.conv-2.png",
        "classifier.png",
    ]


def test_what_lies_outside_of_the_image_is_striped() -> None:
    pixels = np.array([[10, 20], [30, 40]], np.uint8)[:, :, None]
    picture = framed(pixels, (range(-1, 2), range(5, 8)), (range(2), range(5, 7)), side=30)
    assert picture.shape == (30, 30, 3)
    outside = np.isin(picture, STRIPES).all(axis=2)
    expected = np.zeros((30, 30), bool)
    expected[:10], expected[:, 20:] = True, True
    assert_array_equal(outside, expected)
    assert_array_equal(picture[10:, :20, 0], np.repeat(np.repeat(pixels[:, :, 0], 10, axis=0), 10, axis=1))


@pytest.mark.parametrize("side", [7, 60, 300])
def test_pictures_are_never_larger_than_asked(side: int) -> None:
    pixels = np.zeros((45, 100, 3), np.uint8)
    picture = framed(pixels, (range(45), range(100)), (range(45), range(100)), side)
    assert max(picture.shape) <= side

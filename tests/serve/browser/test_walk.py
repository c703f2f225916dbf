"""The walk: maps on canvas, receipts of cells, marks, the keyboard, the window that steps, the address."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from support.browser import mark_of, picture, pixels_of, until, wait_for_receipt, walk_of

Walked = Callable[..., Any]

CANVAS = '[data-layer="{layer}"] [data-map="{k}"] canvas'


def test_maps_are_the_servers_own_pixels(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    walk = walk_of(api, first["index"])
    for layer, k in (("stage1.conv", 0), ("stage1.pool", 1)):
        selector = CANVAS.format(layer=layer, k=k)
        page.locator(selector).scroll_into_view_if_needed()
        page.wait_for_selector(f"{selector}[data-drawn]")
        np.testing.assert_array_equal(
            pixels_of(page, selector), picture(api, f"/api/walk/{walk['id']}/maps/{layer}/{k}.png")
        )


def test_the_first_test_image_is_shown_with_its_truth(walked: Walked, first: dict[str, Any]) -> None:
    page = walked()
    assert page.inner_text(".image-name") == first["name"]
    assert first["truth"] in page.inner_text(".image-now .truth")
    assert f"image={first['index']}" in page.url


def test_a_stage_unfolds_into_filters_and_all_of_its_maps(walked: Walked) -> None:
    page = walked("?open=none")
    stage = page.locator('[data-stage="stage1"]')
    assert stage.locator(".column").count() == 1
    assert stage.locator(".tile").count() == 6
    stage.get_by_role("button", name="stage1").click()
    assert stage.locator("h4").all_inner_texts() == ["filters", "conv", "relu", "pool"]
    assert stage.locator(".tile").count() == 4 * 8
    assert "open=stage1" in page.url
    stage.get_by_role("button", name="stage1").click()
    assert stage.locator(".tile").count() == 6


def test_a_clicked_cell_has_the_servers_receipt(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    selector = CANVAS.format(layer="stage1.pool", k=1)
    page.wait_for_selector(f"{selector}[data-drawn]")
    box = page.locator(selector).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / 8, box["y"] + box["height"] * 3.5 / 8)
    wait_for_receipt(page, "stage1.pool", "3,2,1")
    walk = walk_of(api, first["index"])
    answer = api.post("/api/receipt", json={"id": walk["id"], "layer": "stage1.pool", "cell": [3, 2, 1]}).json()
    shown = page.inner_text(".receipt .lines")
    for entry in answer["chain"]:
        assert entry["arithmetic"] in shown
    assert [node.get_attribute("data-layer") for node in page.locator(".receipt .entry").all()] == [
        "stage1.pool", "stage1.relu", "stage1.conv",
    ]  # fmt: skip
    window = page.locator('.receipt .entry[data-layer="stage1.pool"] .grid-numbers td')
    assert window.count() == 4
    assert page.locator(".receipt td.won").count() == 1
    patch = page.locator('.receipt .entry[data-layer="stage1.conv"] .patches table')
    assert patch.count() == 3
    assert "layer=stage1.pool" in page.url
    assert "cell=3,2,1" in page.url


def test_a_cell_marks_its_patch_and_its_receptive_field(
    walked: Walked, api: httpx.Client, first: dict[str, Any]
) -> None:
    page = walked("?open=stage1,stage2&layer=stage2.conv&cell=2,3,0")
    wait_for_receipt(page, "stage2.conv", "2,3,0")
    walk = walk_of(api, first["index"])
    patches = api.post("/api/receipt", json={"id": walk["id"], "layer": "stage2.conv", "cell": [2, 3, 0]}).json()[
        "patches"
    ]
    assert set(patches) == {"input", "stage1.conv", "stage1.relu", "stage1.pool"}
    for layer, kind, side in (("stage1.pool", "patch", 8), ("stage1.conv", "field", 16), ("input", "field", 16)):
        selector = f'[data-layer="{layer}"].marked.{kind}'
        (top, bottom), (left, right) = patches[layer]["rows"], patches[layer]["columns"]
        wanted = {"y": top / side, "x": left / side, "h": (bottom - top + 1) / side, "w": (right - left + 1) / side}
        assert mark_of(page, selector) == {name: 100 * share for name, share in wanted.items()}
    chosen = '[data-layer="stage2.conv"] [data-map="0"].marked.chosen'
    assert mark_of(page, chosen) == {"y": 25, "x": 37.5, "h": 12.5, "w": 12.5}


def test_a_long_sum_is_told_by_its_end(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?layer=stage2.conv&cell=2,3,0")
    wait_for_receipt(page, "stage2.conv", "2,3,0")
    walk = walk_of(api, first["index"])
    answer = api.post("/api/receipt", json={"id": walk["id"], "layer": "stage2.conv", "cell": [2, 3, 0]}).json()
    end = answer["chain"][0]["arithmetic"].split(" = ")[-1]
    assert float(end) == pytest.approx(answer["value"], rel=0.05)
    assert page.inner_text('.receipt .entry[data-layer="stage2.conv"] summary') == f"The whole sum, which is {end}"


def test_of_a_map_by_map_layer_only_its_own_map_is_marked(walked: Walked) -> None:
    page = walked("?open=stage1&layer=stage1.relu&cell=2,3,1")
    wait_for_receipt(page, "stage1.relu", "2,3,1")
    assert page.locator('[data-layer="stage1.conv"] .tile.marked').count() == 1
    assert page.locator('[data-layer="stage1.conv"] [data-map="1"].marked.patch').count() == 1


def test_receipts_lead_on_to_where_they_come_from(walked: Walked) -> None:
    page = walked("?layer=softmax&cell=1")
    wait_for_receipt(page, "softmax", "1")
    page.goto(page.url.replace("softmax", "fc1").replace("cell=1", "cell=2"))
    wait_for_receipt(page, "fc1", "2")
    page.locator(".receipt .terms button").first.click()
    page.wait_for_selector('.receipt[data-layer="flatten"][aria-busy="false"]')
    assert page.locator(".receipt .entry").count() >= 4
    page.go_back()
    wait_for_receipt(page, "fc1", "2")


def test_the_keyboard_walks_over_cells_and_opens_and_closes_receipts(walked: Walked) -> None:
    page = walked("?open=stage1")
    maps = page.locator('[data-layer="stage1.conv"]')
    page.get_by_role("button", name="stage1").focus()
    page.keyboard.press("Tab")
    # What scrolls can be reached too, in browsers that make it so.
    while page.evaluate("document.activeElement.dataset.layer") != "stage1.conv":
        page.keyboard.press("Tab")
    assert maps.locator('[data-map="0"].at').count() == 1
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown"):
        page.keyboard.press(key)
    assert "stage1.conv, row 9, column 10, filter 1" in page.inner_text("#said")
    page.locator(".lens").wait_for(state="visible")
    page.keyboard.press("Enter")
    wait_for_receipt(page, "stage1.conv", "9,10,1")
    assert page.evaluate("document.activeElement.id") == "receipt-title"
    page.keyboard.press("Escape")
    page.wait_for_selector(".receipt", state="hidden")
    assert page.evaluate("document.activeElement.dataset.layer") == "stage1.conv"
    assert "cell=" not in page.url


def test_hovering_enlarges_a_map(walked: Walked) -> None:
    page = walked("?open=stage1")
    page.hover(CANVAS.format(layer="stage1.conv", k=0))
    page.wait_for_selector(".lens:not([hidden])")
    assert "stage1.conv, map 0" in page.inner_text(".lens")
    assert page.locator(".lens canvas").bounding_box()["width"] >= 250
    page.mouse.move(5, 5)
    page.wait_for_selector(".lens", state="hidden")


REACHED = "document.querySelector('.stepping figure:last-child canvas').dataset.reached"


def test_the_window_plays_pauses_and_fills_the_map_in(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    page.locator(".stepper").scroll_into_view_if_needed()
    play = page.locator(".stepper button.primary")
    until(page, f"{REACHED} === '1'")
    page.get_by_label("Speed").fill("6")
    play.click()
    until(page, f"Number({REACHED}) > 20")
    play.click()
    assert play.inner_text() == "Play"
    reached = int(page.evaluate(REACHED))
    page.wait_for_timeout(200)
    assert int(page.evaluate(REACHED)) == reached
    shown = pixels_of(page, ".stepping figure:last-child canvas").reshape(-1, 4)
    walk = walk_of(api, first["index"])
    whole = picture(api, f"/api/walk/{walk['id']}/maps/stage1.conv/0.png").reshape(-1, 4)
    np.testing.assert_array_equal(shown[:reached], whole[:reached])
    assert not shown[reached:].any()
    page.get_by_role("button", name="Whole map").click()
    assert int(page.evaluate(REACHED)) == 16 * 16


def test_arrow_keys_move_the_window(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    until(page, f"{REACHED} === '1'")
    page.locator(".stepping").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    walk = walk_of(api, first["index"])
    (value,) = api.get(f"/api/walk/{walk['id']}/values/stage1.conv/0", params={"rows": "1:2", "columns": "2:3"}).json()[
        "values"
    ]
    until(page, "document.querySelector('.stepping figure:last-child figcaption').textContent.includes(' = ')")
    words, _, said = page.inner_text(".stepping figure:last-child figcaption").partition(" = ")
    assert words == "stage1.conv, map 0: row 1, column 2"
    assert abs(float(said) - value[0]) <= 5e-3 * abs(value[0])
    # The window of a 3×3 filter with padding 1, whose middle is the cell.
    assert mark_of(page, ".stepping .window") == {"y": 0, "x": 6.25, "h": 18.75, "w": 18.75}
    page.keyboard.press("Enter")
    wait_for_receipt(page, "stage1.conv", "1,2,0")


def test_the_window_can_be_dragged(walked: Walked) -> None:
    page = walked()
    until(page, f"{REACHED} === '1'")
    canvas = page.locator(".stepping figure:first-child canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()

    def at(row: int, column: int) -> tuple[float, float]:
        return box["x"] + box["width"] * (column + 0.5) / 16, box["y"] + box["height"] * (row + 0.5) / 16

    page.mouse.move(*at(2, 2))
    page.mouse.down()
    page.mouse.move(*at(5, 7), steps=4)
    page.mouse.up()
    assert "row 5, column 7" in page.inner_text(".stepping figure:last-child figcaption")
    wait_for_receipt(page, "stage1.conv", "5,7,0")


def test_a_shared_address_shows_the_same(walked: Walked) -> None:
    page = walked("?open=stage2")
    page.locator('[data-layer="stage2.relu"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('.receipt[aria-busy="false"][data-layer="stage2.relu"]')
    page.get_by_label("Method").select_option("grad-cam")
    page.wait_for_selector('.evidence[data-shown^="grad-cam"]')
    said = page.inner_text(".receipt .lines")
    other = walked(page.url.partition("/?")[2] and "?" + page.url.partition("/?")[2])
    other.wait_for_selector('.receipt[aria-busy="false"][data-layer="stage2.relu"]')
    other.wait_for_selector('.evidence[data-shown^="grad-cam"]')
    assert other.inner_text(".receipt .lines") == said
    assert other.locator('[data-stage="stage2"].open').count() == 1


def test_an_address_of_a_cell_that_is_none_says_so(walked: Walked) -> None:
    page = walked("?layer=stage1.conv&cell=99,0,0")
    page.wait_for_selector(".toast")
    assert "no cell 99,0,0 in a layer stage1.conv" in page.inner_text(".toast")
    assert "cell=" not in page.url


def test_the_receipt_is_copied_as_text(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?layer=stage1.pool&cell=1,1,0")
    wait_for_receipt(page, "stage1.pool", "1,1,0")
    page.get_by_role("button", name="Copy as text").click()
    page.get_by_role("button", name="Copied").wait_for()
    walk = walk_of(api, first["index"])
    answer = api.post("/api/receipt", json={"id": walk["id"], "layer": "stage1.pool", "cell": [1, 1, 0]}).json()
    assert page.evaluate("navigator.clipboard.readText()") == answer["text"]


def test_the_scale_of_a_stage_is_the_servers(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    scale = walk_of(api, first["index"])["stages"][0]["scale"]
    bar = page.get_attribute('[data-stage="stage1"] .stage-rest > div > .legend img', "src")
    assert bar == scale["bar"]
    assert Image.open(io.BytesIO(base64.b64decode(bar.partition(",")[2]))).width > 16

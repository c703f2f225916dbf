"""Maps: the strongest ones of a folded stage, and how any map or filter is enlarged: by mouse, finger or keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from support.browser import PATIENCE, has_sideways_scroll, picture, pixels_of, until, wait_for_receipt, walk_of

from .conftest import FILTERS

Walked = Callable[..., Any]

#: A folded stage shows so many maps.
FOLDED = 6
#: Longer than a finger must rest on a map, in milliseconds.
HELD = 800


def shown(page: Any, layer: str) -> list[int]:
    """Return the numbers of a layer's maps that are shown, as people read them."""
    return [int(text) for text in page.locator(f'[data-layer="{layer}"] .tile-number').all_inner_texts()]


# ------------------------------------------------------------------------------------------------------- strongest


def test_a_folded_stage_shows_its_strongest_maps(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?open=none")
    walk = walk_of(api, first["index"])
    order = walk["stages"][0]["strongest"]
    assert shown(page, "stage1.pool") == order[:FOLDED]
    assert f"{FOLDED} strongest of {FILTERS} maps" in page.inner_text('[data-stage="stage1"]')
    for k in order[:FOLDED]:
        selector = f'[data-layer="stage1.pool"] [data-map="{k}"] canvas'
        page.locator(selector).scroll_into_view_if_needed()
        page.wait_for_selector(f"{selector}[data-drawn]")
        np.testing.assert_array_equal(
            pixels_of(page, selector), picture(api, f"/api/walk/{walk['id']}/maps/stage1.pool/{k}.png")
        )
    # Few maps are all shown, in their own order.
    assert shown(page, "stage2.pool") == [0, 1, 2, 3]
    assert "strongest" not in page.inner_text('[data-stage="stage2"]')
    page.get_by_role("button", name="stage1").click()
    assert shown(page, "stage1.pool") == list(range(FILTERS))


def test_a_cell_of_a_strong_map_is_a_cell_of_that_map(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?open=none")
    order = walk_of(api, first["index"])["stages"][0]["strongest"][:FOLDED]
    canvas = page.locator('[data-layer="stage1.pool"] .tile canvas').nth(1)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 2.5 / 8, box["y"] + box["height"] * 1.5 / 8)
    wait_for_receipt(page, "stage1.pool", f"1,2,{order[1]}")
    assert page.locator(f'[data-layer="stage1.pool"] [data-map="{order[1]}"].chosen').count() == 1
    assert page.locator('[data-stage="stage1"].open').count() == 0


def test_the_keyboard_goes_through_the_maps_that_are_shown(
    walked: Walked, api: httpx.Client, first: dict[str, Any]
) -> None:
    page = walked("?open=none")
    order = walk_of(api, first["index"])["stages"][0]["strongest"][:FOLDED]
    page.locator('[data-layer="stage1.pool"]').focus()
    for key, place in [("ArrowUp", 0), ("PageUp", 0), ("PageDown", 1), ("PageDown", 2), ("PageUp", 1)]:
        page.keyboard.press(key)
        assert f"filter {order[place]}" in page.inner_text("#said")
    for _ in range(FOLDED):
        page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    wait_for_receipt(page, "stage1.pool", f"3,4,{order[-1]}")


def test_another_image_has_other_strongest_maps(walked: Walked, api: httpx.Client) -> None:
    images = api.get("/api/images", params={"part": "train"}).json()["images"]
    orders = {image["index"]: walk_of(api, image["index"])["stages"][0]["strongest"][:FOLDED] for image in images}
    one, other = next((a, b) for a in orders for b in orders if set(orders[a]) != set(orders[b]))
    page = walked(f"?open=none&image={one}")
    assert shown(page, "stage1.pool") == orders[one]
    page.get_by_role("button", name="One of the run's images").click()
    page.get_by_label("which images").select_option("train")
    page.locator(f'[data-index="{other}"]').click()
    until(page, f"location.search.includes('image={other}') && !document.querySelector('#busy:not([hidden])')")
    until(page, f"document.title.includes({walk_of(api, other)['name']!r})")
    assert shown(page, "stage1.pool") == orders[other]
    src = f"/api/walk/{walk_of(api, other)['id']}/maps/stage1.pool/{orders[other][0]}.png"
    until(page, f"document.querySelector('[data-layer=\"stage1.pool\"] canvas').dataset.drawn === '{src}'")


def test_an_address_of_a_weak_map_opens_its_stage(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    weakest = walk_of(api, first["index"])["stages"][0]["strongest"][-1]
    page = walked(f"?open=none&layer=stage1.pool&cell=1,1,{weakest}")
    wait_for_receipt(page, "stage1.pool", f"1,1,{weakest}")
    assert page.locator('[data-stage="stage1"].open').count() == 1
    assert page.locator(f'[data-layer="stage1.pool"] [data-map="{weakest}"].chosen').count() == 1


# ------------------------------------------------------------------------------------------------- seen at any width


@pytest.mark.parametrize("width", [768, 1280, 1920])
def test_the_decision_is_in_sight_however_wide_the_network(walked: Walked, width: int) -> None:
    page = walked("?open=stage1,stage2", width=width, height=900)
    decided, strip = (page.locator(one).bounding_box() for one in (".decided", ".flow"))
    assert decided["x"] + decided["width"] <= width
    assert strip["x"] + strip["width"] <= decided["x"]
    assert page.eval_on_selector(".flow", "strip => strip.scrollWidth > strip.clientWidth")
    bars = page.locator(".decided .bar span").all()
    assert len(bars) == 3
    for bar in bars:
        box = bar.bounding_box()
        assert decided["x"] <= box["x"] < box["x"] + box["width"] <= width
    assert not has_sideways_scroll(page)


def test_on_a_phone_the_decision_stands_beside_the_image(
    walked: Walked, api: httpx.Client, first: dict[str, Any]
) -> None:
    page = walked(width=390, height=844)
    probabilities = walk_of(api, first["index"])["probabilities"]
    wanted = [f"{name} {share:.1%}" for name, share in sorted(probabilities.items(), key=lambda pair: -pair[1])]
    assert [text.strip() for text in page.locator(".chances li").all_inner_texts()] == wanted
    assert page.locator(".chances").bounding_box()["y"] < 844
    page.set_viewport_size({"width": 1280, "height": 900})
    page.locator(".chances").wait_for(state="hidden")


# ---------------------------------------------------------------------------------------------------------- enlarged


def test_a_map_or_filter_that_has_the_focus_is_enlarged(walked: Walked) -> None:
    page = walked("?open=stage1")
    page.get_by_role("button", name="stage1").focus()
    seen = []
    while "stage1.conv, map 0" not in seen:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('maps')"):
            page.locator(".lens").wait_for(state="visible")
            until(page, "document.querySelector('.lens').textContent.includes('stage1')")
            seen.append(page.inner_text(".lens"))
    assert seen == ["filter 0 of stage1", "stage1.conv, map 0"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    until(page, f"document.querySelector('.lens').textContent === 'filter {FILTERS - 1} of stage1'")
    assert page.inner_text("#said") == f"stage1, filter {FILTERS - 1} of {FILTERS}"
    page.keyboard.press("PageUp")
    until(page, f"document.querySelector('.lens').textContent === 'filter {FILTERS - 2} of stage1'")
    page.keyboard.press("Escape")
    page.locator(".lens").wait_for(state="hidden")


class Finger:
    """A finger on a page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)

    def _send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y} for x, y in points]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def hold(self, node: Any, *, moved: float = 0.0) -> None:
        """Put the finger on an element, move it on by some pixels, and take it away after a while."""
        node.scroll_into_view_if_needed()
        box = node.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._send("touchStart", (x, y))
        for step in range(1, 5 if moved else 1):
            self._send("touchMove", (x, y - moved * step / 4))
        self.page.wait_for_timeout(HELD)
        self._send("touchEnd")


@pytest.fixture
def phone(chromium: Any, address: str) -> Iterator[Any]:
    """Return a page on a phone, on which the walk has come."""
    context = chromium.new_context(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{address}/?open=none")
    page.wait_for_selector(".walk:not([hidden]) .flow canvas[data-drawn]")
    yield page
    context.close()
    assert problems == []


def test_a_finger_that_rests_on_a_map_enlarges_it(phone: Any, api: httpx.Client, first: dict[str, Any]) -> None:
    k = walk_of(api, first["index"])["stages"][0]["strongest"][2]
    Finger(phone).hold(phone.locator('[data-layer="stage1.pool"] .tile canvas').nth(2))
    assert phone.inner_text(".lens") == f"stage1.pool, map {k}: touch a cell"
    assert "cell=" not in phone.url
    assert not has_sideways_scroll(phone)
    # A cell of 8×8 is as large as a finger there.
    box = phone.locator(".lens canvas").bounding_box()
    assert box["width"] >= 300
    phone.touchscreen.tap(box["x"] + box["width"] * 2.5 / 8, box["y"] + box["height"] * 5.5 / 8)
    wait_for_receipt(phone, "stage1.pool", f"5,2,{k}")
    phone.locator(".lens").wait_for(state="hidden")
    # The map is not behind the receipt.
    chosen = phone.locator('[data-layer="stage1.pool"] .tile.chosen').bounding_box()
    until(
        phone,
        "document.querySelector('.tile.chosen').getBoundingClientRect().bottom"
        " <= document.querySelector('.receipt').getBoundingClientRect().top",
    )
    assert chosen["y"] >= 0


def test_what_a_finger_has_enlarged_goes_when_something_else_is_touched(phone: Any) -> None:
    Finger(phone).hold(phone.locator(".of-image canvas"))
    assert phone.inner_text(".lens") == "the image: touch a cell"
    phone.touchscreen.tap(5, 5)
    phone.locator(".lens").wait_for(state="hidden")
    assert "cell=" not in phone.url


def test_a_finger_that_scrolls_or_taps_enlarges_nothing(phone: Any, api: httpx.Client, first: dict[str, Any]) -> None:
    tile = phone.locator('[data-layer="stage1.pool"] .tile canvas').first
    tile.scroll_into_view_if_needed()
    Finger(phone).hold(tile, moved=60)
    assert phone.locator(".lens").is_hidden()
    assert "cell=" not in phone.url
    tile.scroll_into_view_if_needed()
    tile.tap()
    k = walk_of(api, first["index"])["stages"][0]["strongest"][0]
    phone.wait_for_selector(f'.receipt[data-layer="stage1.pool"][data-cell$=",{k}"][aria-busy="false"]')
    assert phone.locator(".lens").is_hidden()


def test_a_finger_enlarges_a_filter(phone: Any) -> None:
    phone.get_by_role("button", name="stage1").tap()
    Finger(phone).hold(phone.locator(".filters .tile canvas").nth(1))
    assert phone.inner_text(".lens") == "filter 1 of stage1"

"""The filter bench and the pattern bench, as people use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from convstage import Pattern
from convstage.filters import apply
from convstage.pattern.show import COLUMNS
from support.browser import has_sideways_scroll, until

from .conftest import CLASSES, SIDE
from .test_accessibility import violations

Visit = Callable[..., Any]

EXAMPLE = json.loads((Path(__file__).parents[2] / "data" / "worked-example.json").read_text())
FAMILY = "INPUT -> [[CONV(4) -> RELU]*N -> POOL?]*M -> CLASSIFIER"
TABLE = "[...document.querySelectorAll('.plan tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
#: A browser reports every answer that is an error.
REFUSED = ("status of 422",)


def numbers(page: Any, name: str) -> list[list[float]]:
    """Return the numbers in the cells of a map."""
    rows = page.locator(f'[data-map="{name}"] tr').all()
    return [[float(text) for text in row.locator("td").all_inner_texts()] for row in rows]


def ninths(array: Any) -> list[list[float]]:
    return [[float(value) for value in row] for row in np.round(9 * np.asarray(array), 2).tolist()]


def patch(page: Any, name: str) -> list[tuple[int, int]]:
    """Return the cells of a map that are marked as read."""
    cells = page.locator(f'[data-map="{name}"] td.patch').all()
    return [(int(cell.get_attribute("data-row")), int(cell.get_attribute("data-column"))) for cell in cells]


def shows(page: Any, name: str, expected: list[list[float]]) -> None:
    """Wait until a map has come, and compare its numbers."""
    text = json.dumps([[f"{value:g}" for value in row] for row in expected])
    until(
        page,
        f"""JSON.stringify([...document.querySelectorAll('[data-map="{name}"] tr')].map(
        (row) => [...row.cells].map((cell) => cell.textContent))) === JSON.stringify({text})""",
    )


def filter_bench(visit: Visit, query: str = "", **settings: Any) -> Any:
    page = visit(f"?view=filter{query}", **settings)
    page.wait_for_selector('[data-map="map"] :is(td, canvas)')
    return page


# ----------------------------------------------------------------------------------------------------- filter bench


def test_it_begins_with_the_slides_numbers(visit: Visit) -> None:
    page = filter_bench(visit)
    nine = EXAMPLE["nine"]
    shows(page, "image", EXAMPLE["image_nine"])
    shows(page, "map", nine["valid_stride1"])
    shows(page, "rectified", nine["relu_of_valid"])
    shows(page, "pooled", nine["max_pool_2x2_stride1"])
    assert "in ninths" in page.locator('[data-map="map"] .note').inner_text()
    grid = [field.input_value() for field in page.locator(".kernel-grid input").all()]
    assert grid == [str(n) for row in EXAMPLE["filter_loopy_circle_in_ninths"] for n in row]
    assert page.get_by_label("all over").input_value() == "9"
    page.get_by_label("Pooling", exact=True).select_option("avg")
    shows(page, "pooled", nine["average_pool_2x2_stride1"])
    page.get_by_label("Image", exact=True).select_option("nine-shifted")
    shows(page, "map", EXAMPLE["nine_shifted_left"]["valid_stride1"])


def test_an_edited_weight_changes_the_map_at_once(visit: Visit) -> None:
    page = filter_bench(visit)
    page.get_by_label("weight in row 0, column 2").fill("-3")
    kernel = "(1 1 -3; 1 -1 1; 1 1 1)/9"
    shows(page, "map", ninths(apply("nine", kernel).map_hw))
    assert page.get_by_label("Preset").input_value() == ""
    until(page, "decodeURIComponent(location.search).replaceAll('+', ' ').includes('kernel=(1 1 -3; 1 -1 1; 1 1 1)/9')")
    page.reload()
    shows(page, "map", ninths(apply("nine", kernel).map_hw))
    assert page.get_by_label("weight in row 0, column 2").input_value() == "-3"


def test_every_setting_counts(visit: Visit) -> None:
    page = filter_bench(visit)
    page.get_by_label("Preset").select_option("roberts")
    page.get_by_label("Stride", exact=True).fill("2")
    page.get_by_label("Padding", exact=True).fill("1")
    page.get_by_label("Turn the filter").check()
    page.get_by_label("ReLU: ").uncheck()
    page.get_by_label("Pooling", exact=True).select_option("none")
    expected = apply("nine", "roberts", stride=2, padding=1, flip=True)
    shows(page, "map", expected.map_hw.tolist())
    page.wait_for_selector('[data-map="map"] h2:has-text("convolution")')
    page.locator('[data-map="rectified"]').wait_for(state="hidden")
    page.locator('[data-map="pooled"]').wait_for(state="hidden")
    query = page.evaluate("location.search")
    page.go_back()
    again = filter_bench(visit, query.removeprefix("?view=filter"))
    shows(again, "map", expected.map_hw.tolist())
    assert again.get_by_label("Turn the filter").is_checked()


def test_a_larger_filter_keeps_its_middle(visit: Visit) -> None:
    page = filter_bench(visit, allowed=REFUSED)
    page.get_by_label("Size").select_option("5")
    rows = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, -1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    shows(page, "map", ninths(apply("nine", np.array(rows) / 9).map_hw))
    # It leaves no room for the pooling, which is said; the map is there all the same.
    assert "a pooling window of 2×2 is larger than the map, 3×1" in page.locator(".results .error").inner_text()
    page.locator('[data-map="pooled"]').wait_for(state="hidden")
    page.get_by_label("Size").select_option("3")
    shows(page, "map", EXAMPLE["nine"]["valid_stride1"])


def test_a_cell_shows_its_patch_and_its_arithmetic(visit: Visit) -> None:
    page = filter_bench(visit)
    page.locator('[data-map="map"] td').nth(7).click()  # row 2, column 1
    page.wait_for_selector('[data-map="map"] [data-row="2"][data-column="1"].chosen')
    page.wait_for_selector(".results .panel h2:has-text('row 2, column 1')")
    assert patch(page, "image") == [(r, c) for r in range(2, 5) for c in range(1, 4)]
    first = apply("nine", "loopy").receipt((2, 1)).arithmetic(denominator=9)
    assert first in page.locator(".results .sum").first.inner_text()
    # With the keyboard, in the pooled map: its window before, and all that has read of the image.
    page.locator('[data-map="pooled"] td').first.focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector('[data-map="pooled"] [data-row="1"][data-column="0"].chosen')
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('[data-map="pooled"] [data-row="1"][data-column="1"].chosen')
    assert page.evaluate("document.activeElement.closest('figure').dataset.map") == "pooled"
    assert patch(page, "rectified") == [(r, c) for r in (1, 2) for c in (1, 2)]
    assert patch(page, "image") == [(r, c) for r in range(1, 5) for c in range(1, 5)]
    assert "max(" in page.locator(".results .sum").first.inner_text()
    assert "at=pooled,1,1" in page.url


def test_a_cell_of_a_map_that_has_become_smaller_is_let_go(visit: Visit) -> None:
    page = filter_bench(visit, "&at=map,4,2", allowed=REFUSED)
    page.wait_for_selector('[data-map="map"] [data-row="4"].chosen')
    page.get_by_label("Stride", exact=True).fill("3")
    shows(page, "map", ninths(apply("nine", "loopy", stride=3).map_hw))
    page.wait_for_selector('[data-map="map"] [data-row="0"].chosen')


def test_arrows_go_from_weight_to_weight(visit: Visit) -> None:
    page = filter_bench(visit)
    page.get_by_label("weight in row 0, column 0").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "weight in row 1, column 0"


def test_a_weight_that_is_no_number_is_refused_and_the_map_stays(visit: Visit) -> None:
    page = filter_bench(visit)
    page.get_by_label("weight in row 1, column 1").fill("one")
    page.wait_for_selector(".controls .error:not([hidden])")
    assert page.get_by_label("weight in row 1, column 1").get_attribute("aria-invalid") == "true"
    shows(page, "map", EXAMPLE["nine"]["valid_stride1"])


def test_what_the_server_refuses_is_said(visit: Visit) -> None:
    page = visit("?view=filter&kernel=1 1 1 1 1 1 1", allowed=REFUSED)
    problem = page.locator(".results .error")
    problem.wait_for()
    assert "1×7" in problem.inner_text()
    assert page.locator('[data-map="map"] td').count() == 0


def test_the_walks_image_is_filtered(visit: Visit, api: httpx.Client, first: dict[str, Any]) -> None:
    page = filter_bench(visit, "&on=walk&kernel=sobel&relu=no&pool=none&padding=1")
    walk = api.post("/api/walk", json={"index": first["index"]}).json()
    body = {"image": {"id": walk["id"]}, "kernel": "sobel", "padding": 1}
    expected = api.post("/api/filter", json=body).json()["map"]["values"]
    until(page, f"document.querySelectorAll('[data-map=\"map\"] td').length === {SIDE * SIDE}")
    assert numbers(page, "map") == [[pytest.approx(value, rel=6e-3, abs=1e-6) for value in row] for row in expected]
    assert f"image={first['index']}" in page.url


def test_a_drawing_is_filtered(visit: Visit) -> None:
    page = filter_bench(visit, "&on=drawing&kernel=identity&relu=no&pool=none")
    page.wait_for_selector(".drawing canvas")
    shows(page, "image", [[0.0] * 16] * 16)
    page.locator(".drawing canvas").scroll_into_view_if_needed()
    box = page.locator(".drawing canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 5)
    page.mouse.up()
    until(
        page, """[...document.querySelectorAll('[data-map="map"] td')].some((cell) => Number(cell.textContent) > 0.5)"""
    )
    image = np.array(numbers(page, "image"))
    assert image.max() <= 1
    assert numbers(page, "map") == image[1:-1, 1:-1].tolist()


# ---------------------------------------------------------------------------------------------------- pattern bench


def pattern_bench(visit: Visit, query: str = "", **settings: Any) -> Any:
    page = visit(f"?view=pattern{query}", **settings)
    page.wait_for_selector(".plan tbody tr, .pattern-problem p")
    return page


def planned(page: Any, pattern: str, image: str = f"{SIDE}x{SIDE}x1", classes: int = len(CLASSES)) -> None:
    """Wait for a plan, and compare it with the library's."""
    plan = Pattern(pattern).plan(image, classes)
    until(page, f"document.querySelector('.member')?.textContent === {json.dumps(plan.pattern)}")
    rows = [[column.cell(row) for column in COLUMNS] for row in plan.rows]
    until(page, f"JSON.stringify({TABLE}) === JSON.stringify({json.dumps(rows)})")
    until(page, "document.querySelector('.architecture').naturalWidth > 0")


def test_the_runs_own_pattern_is_planned_and_drawn(visit: Visit, api: httpx.Client) -> None:
    pattern = api.get("/api/run").json()["pattern"]
    page = pattern_bench(visit)
    planned(page, pattern)
    assert page.get_by_label("Pattern", exact=True).input_value() == pattern
    assert page.locator(".architecture").get_attribute("src").startswith("blob:")
    assert "stage1.conv" in page.locator(".architecture").get_attribute("alt")
    assert "as this run has them" in page.locator(".results").inner_text()


def test_a_mistake_is_shown_where_it_is_while_typing(visit: Visit) -> None:
    page = pattern_bench(visit, allowed=REFUSED)
    field = page.get_by_label("Pattern", exact=True)
    field.fill("INPUT -> CONV(4) -> RELOO -> CLASSIFIER")
    page.wait_for_selector(".caret")
    line, caret = page.locator(".caret").inner_text().split("\n")
    assert caret.strip() == "^" * 5
    assert line[caret.index("^") :].startswith("RELOO")
    assert "RELU" in page.locator(".pattern-problem").inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    page.locator(".plan").wait_for(state="hidden")
    page.get_by_role("button", name="Go there").click()
    page.keyboard.type("RELU")
    planned(page, "INPUT -> CONV(4) -> RELU -> CLASSIFIER")
    assert page.locator(".pattern-problem").inner_text() == ""
    assert "pattern=INPUT" in page.url


def test_hostile_text_is_text(visit: Visit) -> None:
    page = pattern_bench(visit, allowed=REFUSED)
    hostile = '<img src=x onerror="alert(1)">🦠 שלום'
    page.get_by_label("Pattern", exact=True).fill(f"INPUT -> {hostile}")
    page.wait_for_selector(".caret")
    assert "<img src=x" in page.locator(".caret").inner_text()
    assert page.locator(".pattern-problem img").count() == 0


def test_size_and_classes_are_the_runs_unless_they_are_given(visit: Visit) -> None:
    page = pattern_bench(visit, "&pattern=INPUT -> FC -> CLASSIFIER", allowed=REFUSED)
    planned(page, "INPUT -> FC -> CLASSIFIER")
    page.get_by_label("Image, height").fill("200x200x3")
    page.get_by_label("Classes").fill("7")
    planned(page, "INPUT -> FC -> CLASSIFIER", "200x200x3", 7)
    assert page.get_by_label("Pattern", exact=True).input_value() == "INPUT -> FC -> CLASSIFIER"
    page.get_by_label("Image, height").fill("much")
    page.wait_for_selector(".pattern-problem p")
    assert "much" in page.locator(".pattern-problem").inner_text()


def test_an_emptied_pattern_asks_for_one(visit: Visit) -> None:
    page = pattern_bench(visit)
    page.get_by_label("Pattern", exact=True).fill("")
    page.wait_for_selector(".pattern-problem p")
    assert "Write a pattern" in page.locator(".pattern-problem").inner_text()
    page.get_by_role("button", name="one convolution").click()
    planned(page, "INPUT -> CONV -> RELU -> FC -> CLASSIFIER")


def test_the_lectures_architectures_are_there(visit: Visit) -> None:
    page = pattern_bench(visit)
    for pattern in EXAMPLE["common_architectures"]:
        page.locator(f'button[title="{pattern}"]').click()
        planned(page, pattern)


def test_a_family_has_sliders_switches_and_a_list(visit: Visit) -> None:
    page = pattern_bench(visit)
    page.get_by_label("Pattern", exact=True).fill(FAMILY)
    page.wait_for_selector(".members tbody tr")
    planned(page, "INPUT -> [[CONV(4) -> RELU]*1 -> POOL]*1 -> CLASSIFIER")
    assert "18 members" in page.locator(".family").inner_text()
    page.get_by_role("slider", name="N").focus()
    page.keyboard.press("ArrowRight")
    planned(page, "INPUT -> [[CONV(4) -> RELU]*2 -> POOL]*1 -> CLASSIFIER")
    page.get_by_label("with POOL").uncheck()
    chosen = "INPUT -> [[CONV(4) -> RELU]*2]*1 -> CLASSIFIER"
    planned(page, chosen)
    assert page.locator(".members [aria-current]").get_attribute("data-pattern") == chosen
    page.get_by_role("button", name="Show INPUT -> [[CONV(4) -> RELU]*1 -> POOL]*3 -> CLASSIFIER").click()
    planned(page, "INPUT -> [[CONV(4) -> RELU]*1 -> POOL]*3 -> CLASSIFIER")
    assert page.get_by_role("slider", name="M").input_value() == "3"
    assert page.get_by_label("with POOL").is_checked()
    page.reload()
    planned(page, "INPUT -> [[CONV(4) -> RELU]*1 -> POOL]*3 -> CLASSIFIER")
    page.go_back()
    planned(page, chosen)


def test_members_that_do_not_fit_say_why(visit: Visit) -> None:
    page = pattern_bench(visit, f"&pattern={FAMILY}&counts=N:1,M:1&ranges=N:1,M:4..5")
    page.wait_for_selector(".members .unfit")
    assert "POOL 2×2 does not fit a 1×1 map." in page.locator(".members .unfit").first.inner_text()
    assert "4 members; 3 fit" in page.locator(".family").inner_text()


def fits(page: Any, letter: str, low: int, high: int) -> None:
    """Wait until a slider goes from one count to another, and says so."""
    wanted = [str(low), str(high), f"{low} to {high} fit"]
    until(
        page,
        f"""[...document.querySelectorAll('.family .slider')].some((node) => {{
          const slider = node.querySelector('input');
          return node.querySelector('label').textContent === '{letter}' && JSON.stringify([slider.min, slider.max,
            document.getElementById(slider.getAttribute('aria-describedby')).textContent]) ===
            JSON.stringify({json.dumps(wanted)});
        }})""",
    )


def test_a_family_too_large_to_list_still_has_its_sliders(visit: Visit) -> None:
    parts = " -> ".join(f"[CONV(2) -> RELU]*{letter}" for letter in "ABCDE")
    large = f"INPUT -> {parts} -> POOL? -> [POOL]*F -> CLASSIFIER"

    def member(a: int, pool: str, f: int) -> str:
        one = large.replace("*A", f"*{a}").replace(" -> POOL?", pool).replace("*F", f"*{f}")
        for letter in "BCDE":
            one = one.replace(f"*{letter}", "*1")
        return one

    page = pattern_bench(visit, f"&pattern={large}", allowed=REFUSED)
    planned(page, member(1, " -> POOL", 1))
    page.wait_for_selector(".family .note:has-text('1,458 members; at most 200 are listed')")
    assert page.get_by_role("slider").count() == 6
    fits(page, "A", 0, 9)
    fits(page, "F", 0, 3)  # 16 pixels can be halved four times, once by the part with ?
    page.get_by_label("with POOL").uncheck()
    fits(page, "F", 0, 4)
    slider = page.get_by_role("slider", name="F")
    slider.focus()
    page.keyboard.press("End")
    planned(page, member(1, "", 4))
    page.get_by_role("slider", name="A").focus()
    page.keyboard.press("End")
    planned(page, member(9, "", 4))
    # Fewer members are listed.
    for letter in "ABCDE":
        page.get_by_label(f"List {letter} =").fill("1")
        page.get_by_label(f"List {letter} =").press("Enter")
    page.wait_for_selector(".family .note:has-text('6 members; all fit')")


def test_a_member_that_does_not_fit_leaves_the_sliders_at_those_that_do(visit: Visit) -> None:
    page = pattern_bench(visit, f"&pattern={FAMILY}&counts=N:1,M:7", allowed=REFUSED)
    page.wait_for_selector(".caret")
    assert page.get_by_role("slider", name="M").input_value() == "7"
    until(page, "document.querySelector('.family').textContent.includes('0 to 4 fit')")
    page.get_by_role("slider", name="M").focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    planned(page, "INPUT -> [[CONV(4) -> RELU]*1 -> POOL]*4 -> CLASSIFIER")
    fits(page, "M", 0, 4)


# ------------------------------------------------------------------------------------------------------------ both


def test_a_phone_has_no_sideways_scroll(visit: Visit) -> None:
    page = filter_bench(visit, width=390, height=800, scheme="dark", allowed=REFUSED)
    assert not has_sideways_scroll(page)
    page.get_by_label("Image", exact=True).select_option("drawing")
    page.wait_for_selector('[data-map="image"] canvas')
    assert not has_sideways_scroll(page)
    page.get_by_role("link", name="Pattern bench").click()
    for pattern in ("INPUT -> [CONV -> RELU -> POOL]*9 -> CLASSIFIER", FAMILY):
        page.get_by_label("Pattern", exact=True).fill(pattern)
        page.wait_for_selector(".caret" if pattern != FAMILY else ".members tbody tr")
        assert not has_sideways_scroll(page)
        assert violations(page) == []

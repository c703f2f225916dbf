"""The shell: views by their address, colours, phone width, hostile names, what a failing server looks like."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from typing import Any

import httpx

from support.browser import has_sideways_scroll, until

Visit = Callable[..., Any]

VIEWS = {"walk": "Walk", "filter": "Filter bench", "pattern": "Pattern bench", "learn": "Learn"}
PHONE = 390


def test_the_views_are_links_that_go_back_and_forward(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector(".view-walk h1")
    for name, title in list(VIEWS.items())[1:]:
        page.get_by_role("link", name=title).click()
        page.wait_for_selector(f".view-{name} h1")
        assert f"view={name}" in page.url
        assert page.locator("nav a[aria-current]").all_inner_texts() == [title]
        assert title in page.title()
    page.go_back()
    page.wait_for_selector(".view-pattern h1")
    page.go_forward()
    page.wait_for_selector(".view-learn h1")


def test_a_view_that_is_none_is_the_walk(visit: Visit) -> None:
    page = visit("?view=__proto__")
    page.wait_for_selector(".view-walk h1")


def test_a_view_keeps_its_address_while_another_is_shown(walked: Visit) -> None:
    page = walked("?layer=stage1.pool&cell=1,1,0")
    page.wait_for_selector('.receipt[data-cell="1,1,0"]')
    page.get_by_role("link", name=VIEWS["pattern"]).click()
    page.wait_for_selector(".view-pattern h1")
    assert "cell=" not in page.url
    assert page.locator(".receipt").count() == 0
    page.get_by_role("link", name=VIEWS["walk"]).click()
    page.wait_for_selector('.receipt[data-cell="1,1,0"]')


def test_no_view_is_wider_than_a_phone(walked: Visit) -> None:
    page = walked(width=PHONE, height=844)
    for name, title in VIEWS.items():
        page.get_by_role("link", name=title).click()
        page.wait_for_selector(f".view-{name} h1")
        page.wait_for_load_state("networkidle")
        assert not has_sideways_scroll(page), name


def test_an_open_stage_and_a_receipt_fit_a_phone(walked: Visit) -> None:
    page = walked("?open=stage1&layer=stage2.conv&cell=2,2,1", width=PHONE, height=844)
    page.wait_for_selector('.receipt[data-cell="2,2,1"]')
    assert not has_sideways_scroll(page)
    receipt = page.locator(".receipt").bounding_box()
    assert receipt["width"] == PHONE
    assert receipt["y"] > 844 / 3
    # One below the other.
    tops = page.eval_on_selector_all(".stage", "stages => stages.map((stage) => stage.getBoundingClientRect().top)")
    assert tops == sorted(set(tops))


def test_on_a_wide_screen_the_stages_stand_from_left_to_right(walked: Visit) -> None:
    page = walked()
    boxes = [stage.bounding_box() for stage in page.locator(".flow > .stage").all()]
    assert len({box["y"] for box in boxes}) == 1
    for left, right in pairwise(boxes):
        assert left["x"] + left["width"] <= right["x"]


PAPER = "getComputedStyle(document.body).backgroundColor"


def test_colours_follow_the_system_until_they_are_chosen(visit: Visit) -> None:
    light, dark = "rgb(255, 255, 255)", "rgb(22, 24, 27)"
    page = visit(scheme="dark")
    page.wait_for_selector("main h1")
    assert page.evaluate(PAPER) == dark
    page.emulate_media(color_scheme="light")
    assert page.evaluate(PAPER) == light
    page.get_by_label("Colours").select_option("dark")
    assert page.evaluate(PAPER) == dark
    page.reload()
    page.wait_for_selector("main h1")
    assert page.evaluate(PAPER) == dark
    page.get_by_label("Colours").select_option("auto")
    assert page.evaluate(PAPER) == light


def test_colours_are_those_of_all_other_pages() -> None:
    base = files("convstage.pages").joinpath("base.css").read_text(encoding="utf-8")
    own = files("convstage.serve").joinpath("static", "app.css").read_text(encoding="utf-8")
    screen = base.partition("@media print")[0].split("@media (prefers-color-scheme: dark)")
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", part)) for part in screen)
    found = {name: (a, b) for name, a, b in re.findall(r"--(\w+): light-dark\((#\w+), (#\w+)\)", own)}
    assert len(light) == len(dark) == 9
    assert {name: found[name] for name in light} == {name: (light[name], dark[name]) for name in light}


def test_names_are_text_everywhere(visit: Visit, run: Any) -> None:
    page = visit()
    page.wait_for_selector(".classes tbody tr")
    assert page.locator(".classes b, .classes img").count() == 0
    assert page.locator("option b").count() == 0
    assert run.path.name in page.inner_text("#run")


def test_a_missing_server_is_said(walked: Visit) -> None:
    page = walked(allowed=("ERR_FAILED", "net::"))
    page.route("**/api/receipt", lambda route: route.abort())
    page.locator('[data-layer="fc1"] canvas').click()
    page.wait_for_selector(".receipt .error")
    assert "Is `convstage serve` still running?" in page.inner_text(".receipt .error")


def test_an_overloaded_server_is_asked_again(walked: Visit) -> None:
    page = walked(allowed=("503",))
    busy = {"status": 503, "content_type": "application/problem+json", "body": "{}", "headers": {"Retry-After": "0"}}
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(**busy)
        else:
            route.continue_()

    page.route("**/api/receipt", answer)
    page.locator('[data-layer="fc1"] canvas').click()
    page.wait_for_selector('.receipt[data-layer="fc1"][aria-busy="false"]')
    assert len(asked) == 2
    assert page.locator(".receipt .error").count() == 0


def test_what_takes_long_is_shown_and_blocks_nothing(walked: Visit) -> None:
    page = walked()
    held: list[Any] = []
    page.route("**/api/walk", lambda route: held.append(route))
    page.get_by_role("button", name="One of the run's images").click()
    page.locator('.thumbnail[aria-pressed="false"]').first.click()
    page.wait_for_selector("#busy:not([hidden])")
    assert "Walking the image" in page.inner_text("#busy")
    page.get_by_role("button", name="stage2").click()
    page.wait_for_selector('[data-stage="stage2"].open')
    held[0].continue_()
    page.wait_for_selector("#busy", state="hidden")


def test_the_page_names_only_files_that_there_are(api: httpx.Client) -> None:
    text = api.get("/").text
    named = re.findall(r'(?:href|src)="(/[^"]+)"', text)
    assert len(named) > 5
    for name in named:
        assert api.get(name).status_code == 200, name
    assert "style=" not in text
    assert not re.search(r"\bon\w+=", text)


def test_scripts_write_no_markup_and_reach_for_nothing_outside() -> None:
    for file in files("convstage.serve").joinpath("static").iterdir():
        if file.name.endswith((".js", ".css", ".html")):
            text = file.read_text(encoding="utf-8")
            for word in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "https://",
            ):
                assert word not in text, (file.name, word)
            assert text.count("http://") == text.count("http://www.w3.org/"), file.name


def test_the_skip_link_leads_to_the_content(visit: Visit) -> None:
    page = visit()
    page.wait_for_selector("main h1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'view'")

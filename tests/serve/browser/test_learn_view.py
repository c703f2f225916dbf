"""Learn in the browser: predict, then look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from support.browser import has_sideways_scroll, until

from .test_accessibility import violations

Visit = Callable[..., Any]
#: A browser reports every answer that is an error.
REFUSED = ("status of 422",)


def learn(visit: Visit, kind: str, seed: int, **settings: Any) -> Any:
    page = visit(f"?view=learn&kind={kind}&seed={seed}", **settings)
    page.wait_for_selector(".question-text")
    return page


def asked(api: httpx.Client, kind: str, seed: int) -> dict[str, Any]:
    return dict(api.post("/api/learn", json={"kind": kind, "seed": seed}).json())


def solution(api: httpx.Client, kind: str, seed: int) -> dict[str, Any]:
    return dict(api.post("/api/learn/answer", json={"kind": kind, "seed": seed, "answer": None}).json())


def isolated(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def test_a_wrong_answer_gets_the_right_arithmetic_and_the_next_question_counts_on(
    visit: Visit, api: httpx.Client
) -> None:
    page = learn(visit, "parameters", 2)
    assert page.locator(".question-text").inner_text() == asked(api, "parameters", 2)["question"]
    assert page.locator(".score").inner_text() == "Nothing answered yet"
    page.get_by_label("Your answer").fill("1")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict .wrong")
    right = solution(api, "parameters", 2)
    assert right["explanation"] in page.locator(".verdict").inner_text()
    assert right["answer"] in page.locator(".verdict").inner_text()
    assert page.locator(".score").inner_text() == "0 of 1 right"
    assert page.evaluate("document.activeElement.textContent") == "Next question"
    page.keyboard.press("Enter")
    until(page, "location.search.includes('seed=3')")
    until(page, f"document.querySelector('.question-text').textContent === {asked(api, 'parameters', 3)['question']!r}")
    assert page.evaluate("document.activeElement.id") == "question-title"
    page.get_by_label("Your answer").fill(solution(api, "parameters", 3)["answer"].removesuffix(" parameters"))
    page.get_by_role("button", name="Answer", exact=True).click()
    page.wait_for_selector(".verdict .right")
    assert page.locator(".score").inner_text() == "1 of 2 right"


def test_only_the_first_answer_counts(visit: Visit, api: httpx.Client) -> None:
    page = learn(visit, "flatten", 41)
    page.get_by_role("button", name="Show me").click()
    page.wait_for_selector(".verdict .sum")
    assert solution(api, "flatten", 41)["explanation"] in page.locator(".verdict").inner_text()
    page.get_by_label("Your answer").fill(solution(api, "flatten", 41)["answer"].removesuffix(" values"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict .right")
    assert page.locator(".score").inner_text() == "Nothing answered yet"


def test_choices_are_names_as_text(visit: Visit, api: httpx.Client) -> None:
    page = learn(visit, "decision", 5)
    question = asked(api, "decision", 5)
    choices = page.locator(".choices label").all_inner_texts()
    assert [choice.strip() for choice in choices] == question["choices"]
    assert (
        page.locator(".question-body img").get_attribute("src")
        == f"/api/images/{question['about']['index']}/thumbnail.png"
    )
    until(page, "document.querySelector('.question-body img').naturalWidth > 0")
    right = solution(api, "decision", 5)["answer"]
    page.locator(".choices input").nth(question["choices"].index(right)).check()
    page.get_by_role("button", name="Answer", exact=True).click()
    page.wait_for_selector(".verdict .right")
    assert right in page.locator(".verdict").inner_text()
    assert page.locator(".verdict b:has(b), .question b:has-text('bold') > b").count() == 0


def test_numbers_are_shown_and_the_cell_can_be_seen_in_the_walk(visit: Visit, api: httpx.Client) -> None:
    page = learn(visit, "convolution", 8)
    question = asked(api, "convolution", 8)
    shown = [[cell.inner_text() for cell in row.locator("td").all()] for row in page.locator(".tables tbody tr").all()]
    assert shown == [row for table in question["tables"] for row in table["rows"]]
    page.get_by_text("A hint").click()
    assert page.locator(".hint").inner_text() == question["hint"]
    page.get_by_role("button", name="Show me").click()
    page.get_by_role("link", name="See it in the walk").click()
    about = question["about"]
    cell = ",".join(map(str, about["cell"]))
    page.wait_for_selector(f'.receipt[aria-busy="false"][data-layer="{about["layer"]}"][data-cell="{cell}"]')
    page.go_back()
    page.wait_for_selector(".question-text")
    assert page.locator(".question-text").inner_text() == isolated(question["question"])


def test_an_answer_that_is_none_is_said_and_nothing_counts(visit: Visit) -> None:
    page = learn(visit, "multiply-adds", 1, allowed=REFUSED)
    page.get_by_label("Your answer").fill("a lot")
    page.keyboard.press("Enter")
    page.wait_for_selector(".verdict .error")
    assert "the answer must be a number, such as 12, 0.25 or -1/9; got 'a lot'" in page.locator(".verdict").inner_text()
    assert page.locator(".score").inner_text() == "Nothing answered yet"


def test_a_kind_can_be_chosen_and_an_address_is_a_question(visit: Visit, api: httpx.Client) -> None:
    page = visit("?view=learn")
    page.wait_for_selector(".question-text")
    until(page, "/seed=\\d+/.test(location.search)")
    page.get_by_label("Questions about").select_option("lecture")
    page.wait_for_selector('h2:has-text("The lecture\'s nine")')
    seed = int(page.url.partition("seed=")[2].partition("&")[0])
    text = isolated(asked(api, "lecture", seed)["question"])
    assert page.locator(".question-text").inner_text() == text
    page.reload()
    page.wait_for_selector(".question-text")
    assert page.locator(".question-text").inner_text() == text
    page.go_back()
    until(page, "!location.search.includes('kind=')")


def test_an_unknown_kind_leads_to_another_question(visit: Visit) -> None:
    page = visit("?view=learn&kind=kittens&seed=0", allowed=REFUSED)
    page.wait_for_selector(".error:not([hidden])")
    assert "no kind of question 'kittens'" in page.locator(".view .error").inner_text()
    page.get_by_role("button", name="Another question").click()
    page.wait_for_selector(".question-text")


def test_a_phone_has_no_sideways_scroll_and_axe_finds_nothing(visit: Visit) -> None:
    page = learn(visit, "network-parameters", 0, width=390, height=800, scheme="dark")
    for kind in ("network-parameters", "probability", "convolution", "position"):
        page.get_by_label("Questions about").select_option(kind)
        until(page, f"location.search.includes('kind={kind}')")
        page.wait_for_selector('.question[aria-busy="false"]')
        page.get_by_role("button", name="Show me").click()
        page.wait_for_selector(".verdict .sum")
        assert not has_sideways_scroll(page)
    assert violations(page) == []


def test_what_is_given_can_be_scrolled_without_a_mouse(visit: Visit) -> None:
    page = learn(visit, "network-parameters", 1, width=390, height=844)
    tables = page.get_by_role("region", name="what is given")
    assert tables.evaluate("node => node.scrollHeight > node.clientHeight")
    tables.focus()
    page.keyboard.press("End")
    until(page, "document.querySelector('.tables').scrollTop > 0")
    assert violations(page) == []

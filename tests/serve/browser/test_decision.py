"""The decision: probabilities, evidence by every method, its opacity, its grade, the exact sum."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from support.browser import pixels_of, until, wait_for_receipt, walk_of

from .conftest import CLASSES

Walked = Callable[..., Any]


def evidence_of(
    api: httpx.Client, index: int, method: str, target: str | None = None, *, grade: bool = False
) -> dict[str, Any]:
    body = {"id": walk_of(api, index)["id"], "method": method, "target": target, "grade": grade}
    return dict(api.post("/api/evidence", json=body).json())


def wait_for_evidence(page: Any, method: str, target: str = "") -> None:
    until(page, f"document.querySelector('.evidence').dataset.shown?.startsWith({f'{method} {target}'!r})")


def test_classes_have_the_servers_probabilities(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    probabilities = walk_of(api, first["index"])["probabilities"]
    rows = page.locator(".classes tbody tr")
    shown = {row.locator("th").inner_text(): row.locator("td").first.inner_text() for row in rows.all()}
    assert shown == {name: f"{share:.1%}" for name, share in probabilities.items()}
    assert set(shown) == set(CLASSES)
    order = [row.locator("th").inner_text() for row in rows.all()]
    assert order == sorted(order, key=lambda name: -probabilities[name])


def test_a_probability_opens_the_receipt_of_its_softmax(walked: Walked) -> None:
    page = walked()
    page.locator(".classes tbody tr", has_text=CLASSES[0]).get_by_role("button").click()
    wait_for_receipt(page, "softmax", "0")
    assert f"class {CLASSES[0]}" in page.inner_text("#receipt-title")


@pytest.mark.parametrize("method", ["trace-back", "occlusion"])
def test_evidence_is_laid_over_the_image(walked: Walked, api: httpx.Client, first: dict[str, Any], method: str) -> None:
    page = walked()
    page.get_by_label("Method").select_option(method)
    wait_for_evidence(page, method)
    answer = evidence_of(api, first["index"], method)
    wanted = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["map"].partition(",")[2]))).convert("RGBA"))
    shown = pixels_of(page, ".evidence .overlay")
    np.testing.assert_array_equal(shown[:, :, 3], wanted[:, :, 3])
    # Canvas keeps colours multiplied by their opacity: what is almost clear loses some of it.
    solid = wanted[:, :, 3] > 128
    assert np.abs(shown[solid].astype(int) - wanted[solid]).max(initial=0) <= 2
    assert answer["asked"] in page.inner_text(".evidence-words")
    assert f"method={method}" in page.url


def test_the_class_that_is_explained_can_be_chosen(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    page.get_by_label("for", exact=True).select_option(CLASSES[1])
    until(page, f"document.querySelector('.evidence').dataset.shown?.endsWith({CLASSES[1]!r})")
    method = page.get_by_label("Method").input_value()
    assert evidence_of(api, first["index"], method, CLASSES[1])["asked"] in page.inner_text(".evidence-words")
    assert page.locator(".evidence-words b b").count() == 0


def test_the_sum_of_the_trace_back_is_shown(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?method=trace-back")
    wait_for_evidence(page, "trace-back")
    details = evidence_of(api, first["index"], "trace-back")["details"]
    rows = dict(row.inner_text().split("\t") for row in page.locator(".sum-table tbody tr").all())
    assert set(rows) == {"pixels", "biases", "their sum", "the score", "relative error"}
    for name, key in (("pixels", "pixels"), ("biases", "biases"), ("their sum", "sum"), ("the score", "score")):
        assert abs(float(rows[name]) - details[key]) <= 1e-5 * abs(details[key])
    assert float(rows["pixels"]) + float(rows["biases"]) == pytest.approx(float(rows["the score"]), rel=1e-4)


def test_the_opacity_of_the_evidence_can_be_changed(walked: Walked) -> None:
    page = walked()
    overlay = "getComputedStyle(document.querySelector('.evidence .overlay')).opacity"
    assert page.evaluate(overlay) == "0.75"
    slider = page.get_by_label("Opacity")
    slider.focus()
    page.keyboard.press("Home")
    assert page.evaluate(overlay) == "0"
    assert slider.get_attribute("aria-valuetext") == "0%"


def test_evidence_is_graded_in_words(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked("?method=trace-back")
    wait_for_evidence(page, "trace-back")
    page.get_by_role("button", name="Grade this evidence").click()
    page.wait_for_selector(".grade li")
    grade = evidence_of(api, first["index"], "trace-back", grade=True)["grade"]
    assert page.inner_text(".grade b") == grade["verdict"]
    assert page.locator(".grade li").all_inner_texts() == grade["sentences"]


def test_a_method_that_is_refused_says_why(walked: Walked) -> None:
    from convstage.explain import METHODS

    page = walked("?method=trace-back", allowed=("422",))
    wait_for_evidence(page, "trace-back")
    refusal = {"title": "Refused", "detail": "It needs <b>a stage</b>."}
    page.route("**/api/evidence", lambda route: route.fulfill(status=422, json=refusal))
    page.get_by_label("Method").select_option("occlusion")
    page.wait_for_selector(".evidence .error")
    assert page.inner_text(".evidence .error") == refusal["detail"]
    assert METHODS["occlusion"].title in page.inner_text(".evidence-words")

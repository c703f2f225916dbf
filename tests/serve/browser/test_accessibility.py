"""No violation that axe calls serious or critical, in any view and its states, on light and on dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from support.browser import wait_for_receipt

Visit = Callable[..., Any]


def violations(page: Any) -> list[str]:
    """Return what axe finds, with the elements that it finds it in."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {one['help']}; {[node['target'] for node in one['nodes']][:5]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]


def assert_accessible(page: Any) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme


@pytest.mark.parametrize("view", ["filter", "pattern", "learn"])
def test_views(visit: Visit, view: str) -> None:
    page = visit(f"?view={view}")
    page.wait_for_selector(f".view-{view} h1")
    page.wait_for_load_state("networkidle")
    assert_accessible(page)


def test_the_walk_with_a_receipt(walked: Visit) -> None:
    page = walked("?open=stage1,stage2&layer=stage2.pool&cell=1,1,0&method=trace-back")
    wait_for_receipt(page, "stage2.pool", "1,1,0")
    page.wait_for_selector('.evidence[aria-busy="false"] .sum-table')
    assert_accessible(page)


def test_the_image_in_and_an_error_on_a_phone(walked: Visit) -> None:
    page = walked("?layer=stage1.conv&cell=99,0,0", width=390, height=844)
    page.wait_for_selector(".toast")
    page.get_by_role("button", name="One of the run's images").click()
    page.wait_for_selector(".thumbnail")
    assert violations(page) == []
    page.get_by_role("button", name="Close the message").click()
    page.get_by_role("button", name="Draw one").click()
    page.wait_for_selector(".drawing")
    assert violations(page) == []

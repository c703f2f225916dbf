"""The image in: from the run's own, a file, several files, dropped, pasted, drawn; and what goes wrong."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from support.browser import picture, pixels_of, until, walk_of

from .conftest import HOSTILE, SIDE

Walked = Callable[..., Any]

#: Makes a file of a name and content in the page, and sends it with an event as the browser would.
SEND = """([kind, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/png" }));
  const Event = kind === "paste" ? ClipboardEvent : DragEvent;
  const given = kind === "paste" ? { clipboardData: data } : { dataTransfer: data };
  document.body.dispatchEvent(new Event(kind, { ...given, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def pixels() -> np.ndarray[Any, Any]:
    """Return an image that is none of the run's."""
    return np.random.default_rng(9).integers(0, 255, (SIDE, SIDE), dtype=np.uint8)


@pytest.fixture(scope="module")
def content(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wait_for_image(page: Any, name: str) -> None:
    until(page, f"document.querySelector('.image-name')?.textContent === {name!r}")


def test_an_image_of_the_run_is_chosen_from_its_thumbnails(walked: Walked, api: httpx.Client) -> None:
    listed = api.get("/api/images", params={"part": "train"}).json()
    page = walked()
    page.get_by_role("button", name="One of the run's images").click()
    page.get_by_label("which images").select_option("train")
    until(page, f"document.querySelectorAll('.thumbnail').length === {listed['total']}")
    wanted = next(image for image in listed["images"] if image["name"].endswith(HOSTILE))
    page.locator(f'[data-index="{wanted["index"]}"]').click()
    wait_for_image(page, wanted["name"])
    assert f"image={wanted['index']}" in page.url
    assert wanted["truth"] in page.inner_text(".image-now .truth")
    assert "one of the training images" in page.inner_text(".image-now .truth")
    assert page.get_attribute(f'[data-index="{wanted["index"]}"]', "aria-pressed") == "true"
    assert page.locator("main b b, .image-name img").count() == 0  # its name and its class are text
    until(page, "document.querySelector('.thumbnail img').naturalWidth > 0")


def test_an_opened_file_is_walked_through(walked: Walked, content: bytes, api: httpx.Client) -> None:
    page = walked()
    page.set_input_files("input[type=file]", {"name": HOSTILE, "mimeType": "image/png", "buffer": content})
    wait_for_image(page, HOSTILE)
    answer = api.post("/api/walk", files={"image": (HOSTILE, content, "image/png")}).json()
    assert page.inner_text(".prediction b") == answer["prediction"]
    assert page.inner_text(".prediction").endswith(f"{answer['probability']:.1%}")
    assert "the address of the page cannot share it" in page.inner_text(".image-now")
    assert "image=" not in page.url
    assert picture(api, answer["input"]["src"]).shape == (SIDE, SIDE, 4)


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_an_image_is_pasted_or_dropped(walked: Walked, content: bytes, pixels: np.ndarray[Any, Any], kind: str) -> None:
    page = walked()
    page.evaluate(SEND, [kind, "given.png", base64.b64encode(content).decode()])
    wait_for_image(page, "given.png")
    selector = '[data-layer="input"] canvas'
    until(
        page, f"document.querySelector('{selector}').dataset.drawn === document.querySelector('{selector}').dataset.src"
    )
    np.testing.assert_array_equal(pixels_of(page, selector)[:, :, 0], pixels)


def test_a_drawing_is_walked_through_as_it_was_drawn(walked: Walked, api: httpx.Client) -> None:
    page = walked()
    before = page.inner_text(".image-name")
    page.get_by_role("button", name="Draw one").click()
    page.get_by_label("Brush", exact=True).select_option("1")
    box = page.locator(".drawing canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 4.5 / SIDE, box["y"] + box["height"] * 2.5 / SIDE)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 4.5 / SIDE, box["y"] + box["height"] * 9.5 / SIDE, steps=3)
    page.mouse.up()
    until(page, f"document.querySelector('.image-name').textContent !== {before!r}")
    drawn = pixels_of(page, ".drawing canvas")[:, :, 0]
    wanted = np.zeros((SIDE, SIDE), np.uint8)
    wanted[2:10, 4] = 255
    np.testing.assert_array_equal(drawn, wanted)
    answer = api.post("/api/walk", json={"pixels": drawn.tolist()}).json()
    assert page.get_attribute(".image-now img", "src") == answer["input"]["src"]
    page.get_by_role("button", name="Undo").click()
    assert not pixels_of(page, ".drawing canvas")[:, :, 0].any()


def test_the_keyboard_draws(walked: Walked) -> None:
    page = walked()
    page.get_by_role("button", name="Draw one").click()
    page.get_by_label("Brush", exact=True).select_option("1")
    page.locator(".drawing canvas").focus()
    # What is said is soon followed by what the drawing leads to.
    page.evaluate(
        "() => { const said = document.querySelector('#said'); window.told = [];"
        " new MutationObserver(() => told.push(said.innerText)).observe(said, {childList: true, subtree: true}); }"
    )
    for key in ("ArrowUp", "ArrowLeft", " "):
        page.keyboard.press(key)
    assert np.argwhere(pixels_of(page, ".drawing canvas")[:, :, 0]).tolist() == [[SIDE // 2 - 1, SIDE // 2 - 1]]
    assert any(f"row {SIDE // 2 - 1}, column {SIDE // 2 - 1}: 255" in words for words in page.evaluate("told"))


def test_of_several_files_the_predictions_are_listed(walked: Walked, content: bytes, api: httpx.Client) -> None:
    page = walked()
    files = [{"name": name, "mimeType": "image/png", "buffer": content} for name in ("one.png", "two.png")]
    page.set_input_files("input[type=file]", files)
    page.wait_for_selector(".several")
    answer = api.post("/api/predict", files=[("images", ("one.png", content, "image/png"))]).json()["predictions"][0]
    lines = [line.inner_text().split("\t") for line in page.locator(".several tbody tr").all()]
    assert [line[0].strip() for line in lines] == ["one.png", "two.png"]
    assert {line[1] for line in lines} == {answer["label"]}
    page.get_by_role("button", name="two.png").click()
    wait_for_image(page, "two.png")


def test_a_broken_image_is_refused_in_words_and_the_walk_stays(walked: Walked, api: httpx.Client) -> None:
    page = walked(allowed=("422",))
    before = page.inner_text(".image-name")
    page.set_input_files(
        "input[type=file]", {"name": "broken.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\nno"}
    )
    page.wait_for_selector(".toast")
    problem = api.post("/api/walk", files={"image": ("broken.png", b"\x89PNG\r\n\x1a\nno", "image/png")}).json()
    assert page.inner_text(".toast p") == problem["detail"]
    assert page.inner_text(".image-name") == before
    page.get_by_role("button", name="Close the message").click()
    assert page.locator(".toast").count() == 0


def test_an_address_of_no_image_says_so(visit: Walked) -> None:
    page = visit("?image=99999", allowed=("404",))
    page.wait_for_selector(".toast")
    assert "no image 99999" in page.inner_text(".toast")


def test_a_walk_that_the_server_has_forgotten_is_sent_again(
    walked: Walked, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convstage.serve.store import Store

    page = walked(allowed=("404",))
    page.set_input_files("input[type=file]", {"name": "own.png", "mimeType": "image/png", "buffer": content})
    wait_for_image(page, "own.png")
    page.wait_for_selector('.evidence[aria-busy="false"]')
    forgotten: list[str] = []
    keep = Store.get

    def get(self: Store, id: str) -> Any:  # noqa: A002  # as the store has it
        if not forgotten:
            forgotten.append(id)
            return None
        return keep(self, id)

    monkeypatch.setattr(Store, "get", get)
    page.locator('[data-layer="fc1"] canvas').click()
    page.wait_for_selector('.receipt[aria-busy="false"][data-layer="fc1"]')
    assert forgotten
    assert page.locator(".receipt .error").count() == 0


def test_an_image_in_no_address_is_there_after_a_look_at_another_view(walked: Walked, content: bytes) -> None:
    page = walked()
    page.set_input_files("input[type=file]", {"name": "own.png", "mimeType": "image/png", "buffer": content})
    wait_for_image(page, "own.png")
    page.get_by_role("link", name="Learn").click()
    page.wait_for_selector(".view-learn")
    page.get_by_role("link", name="Walk").click()
    wait_for_image(page, "own.png")


def test_back_goes_to_the_image_before(walked: Walked, api: httpx.Client, first: dict[str, Any]) -> None:
    page = walked()
    second = api.get("/api/images", params={"part": "test", "offset": 1, "limit": 1}).json()["images"][0]
    page.get_by_role("button", name="One of the run's images").click()
    page.locator(f'[data-index="{second["index"]}"]').click()
    wait_for_image(page, second["name"])
    page.go_back()
    wait_for_image(page, first["name"])
    assert page.inner_text(".prediction b") == walk_of(api, first["index"])["prediction"]

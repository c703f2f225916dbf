"""Layers of every kind are drawn, and any of their cells has its receipt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from convstage.pattern.layers import LAYERS

from .conftest import make_images, served

Walked = Callable[..., Any]

#: Every kind of layer, colour, windows that are no squares, strides, and no padding.
PATTERN = (
    "INPUT(12x12x3) -> CONV(3, 5x5, stride=2, padding=valid) -> BN -> LEAKY_RELU -> CONV(8, 3x1) -> GELU -> ELU "
    "-> POOL(avg, 3, stride=1) -> DROPOUT -> SILU -> CONV(2, 1x1) -> TANH -> GAP -> FC(5) -> SIGMOID -> RELU "
    "-> CLASSIFIER"
)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, pixel_cache: Path) -> Iterator[str]:
    import convstage

    run = convstage.train(
        make_images(tmp_path_factory.mktemp("kinds") / "blobs"),
        pattern=PATTERN,
        epochs=1,
        batch_size=8,
        augment=False,
        report=False,
        audit=False,
        out=tmp_path_factory.mktemp("runs"),
    )
    with served(run) as address:
        yield address


def test_every_kind_of_layer_has_receipts(walked: Walked, other: str) -> None:
    described = httpx.get(f"{other}/api/run").json()
    layers = described["plan"]["layers"]
    assert {layer["kind"] for layer in layers} == set(LAYERS) - {"FLATTEN"}
    # Trace-back refuses this network, and the page takes the next method.
    page = walked(f"?open={','.join(stage['name'] for stage in described['stages'])}", base=other, allowed=("422",))
    for layer in layers:
        maps = page.locator(f'[data-layer="{layer["name"]}"].maps')
        maps.locator(".tile canvas").last.click()
        page.wait_for_selector(f'.receipt[data-layer="{layer["name"]}"][aria-busy="false"]')
        assert page.locator(".receipt .error").count() == 0
        assert page.locator(".receipt .entry").count() >= 1
        assert maps.locator(".tile.marked.chosen").count() + page.locator(".maps.marked.chosen").count() == 1
    page.wait_for_selector('.evidence[aria-busy="false"]')
    assert page.get_by_label("Method").input_value() != "trace-back"
    assert page.locator(".evidence .error").count() == 0
